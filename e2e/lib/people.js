// @ts-check
// What people of the demo do, as steps that tests share.

/** @typedef {import('./page.js').Visitor} Visitor */

/** Signs a customer in. @param {Visitor} visitor @param {import('./server.js').Customer} customer */
export async function signIn(visitor, customer) {
  const { page } = visitor;
  await visitor.goto('/login');
  await page.getByLabel('Domain name').fill(customer.domain);
  await page.getByLabel('Username').fill(customer.user);
  await page.getByLabel('Password').fill(customer.password);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname !== '/login');
}

/** Signs the operator in. @param {Visitor} visitor @param {{ name: string, password: string }} operator */
export async function signInOperator(visitor, operator) {
  const { page } = visitor;
  await visitor.goto('/operator/login');
  await page.getByLabel('Name').fill(operator.name);
  await page.getByLabel('Password').fill(operator.password);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/operator/approvals');
}
