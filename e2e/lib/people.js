// @ts-check
// What people of the demo do, as steps that tests share.
import assert from 'node:assert/strict';
import { Mouse } from './hands.js';

/** @typedef {import('./page.js').Visitor} Visitor */
/** @typedef {import('./hands.js').Hand} Hand */

/** Signs a customer in. @param {Visitor} visitor @param {import('./server.js').Customer} customer @param {Hand} [hand] */
export async function signIn(visitor, customer, hand = new Mouse()) {
  const { page } = visitor;
  await visitor.goto('/login');
  await hand.type(page.getByLabel('Domain name'), customer.domain);
  await hand.type(page.getByLabel('Username'), customer.user);
  await hand.type(page.getByLabel(/^Password/), customer.password);
  await hand.press(page.getByRole('main').getByRole('button', { name: 'Sign in' }));
  await page.waitForURL((url) => url.pathname !== '/login');
}

/** Signs the operator in. @param {Visitor} visitor @param {{ name: string, password: string }} operator @param {Hand} [hand] */
export async function signInOperator(visitor, operator, hand = new Mouse()) {
  const { page } = visitor;
  await visitor.goto('/operator/login');
  await hand.type(page.getByLabel('Name'), operator.name);
  await hand.type(page.getByLabel('Password'), operator.password);
  await hand.press(page.getByRole('main').getByRole('button', { name: 'Sign in' }));
  await page.waitForURL('**/operator/approvals');
}

/** Submits the profile of an organization that has none. @param {Visitor} visitor @param {Hand} hand @param {string} company */
export async function submitProfile({ page }, hand, company) {
  await page.getByRole('heading', { level: 1, name: 'Complete your setup' }).waitFor();
  await hand.type(page.getByLabel('Company name'), company);
  await hand.type(page.getByLabel('Website'), 'https://www.example.com');
  await hand.type(page.getByLabel('Team e-mail for sellers'), 'purchase@example.com');
  await hand.type(page.getByLabel('Team e-mail for the marketplace'), 'cloud@example.com');
  await hand.press(page.getByRole('button', { name: 'Submit for review' }));
  await page.getByText('The profile has been submitted.').waitFor();
}

/** Approves the profile of a company. @param {Visitor} visitor @param {Hand} hand @param {string} company */
export async function approveProfile({ page }, hand, company) {
  await hand.press(page.getByRole('link', { name: `Review ${company}` }));
  await page.getByRole('heading', { level: 1, name: company }).waitFor();
  await hand.press(page.getByRole('button', { name: 'Approve profile' }));
  await page.getByText('The profile is approved.').waitFor();
}

/** Finds the LLM Hub in the catalog and subscribes to it. @param {Visitor} visitor @param {Hand} hand */
export async function subscribe({ page }, hand) {
  await hand.press(page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Catalog' }));
  await hand.press(page.getByRole('main').getByRole('link', { name: 'LLM Hub', exact: true }).first());
  const consents = page.getByRole('complementary', { name: 'Get this product' }).getByRole('checkbox');
  await consents.first().waitFor();
  assert.equal(await consents.count(), 2, 'boxes for the two consents');
  for (const box of await consents.all()) {
    assert.equal(await box.isChecked(), false, 'a consent is ticked by nobody but the customer');
    await hand.tick(box);
  }
  await hand.press(page.getByRole('button', { name: 'Subscribe' }));
  await page.getByRole('heading', { name: 'Your subscription is active' }).waitFor();
}

/** Begins to deploy a product and returns the path of the draft. @param {Visitor} visitor @param {Hand} hand @param {string} product */
export async function beginDeployment(visitor, hand, product) {
  const { page } = visitor;
  await visitor.goto(`/catalog/${product}`);
  await hand.press(page.getByRole('button', { name: 'Configure to deploy' }));
  await page.waitForURL('**/target');
  return new URL(page.url()).pathname.replace(/\/target$/, '');
}

/** Chooses the first project for a draft, and returns the address of what is chosen. @param {Visitor} visitor @param {string} draft */
export async function chooseProject(visitor, draft) {
  const { page } = visitor;
  await visitor.goto(`${draft}/target`);
  await page.locator('#project').selectOption({ index: 1 });
  await page.waitForURL((url) => url.searchParams.has('project'));
  return new URL(page.url()).pathname + new URL(page.url()).search;
}

/** Opens the one active subscription. @param {Visitor} visitor @param {Hand} hand */
export async function openSubscription({ page }, hand) {
  await hand.press(page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Subscriptions' }));
  await hand.press(page.getByRole('main').getByRole('link', { name: /^Manage/ }));
  await page.getByRole('heading', { name: 'API keys' }).waitFor();
}

/** Makes a key on the page of a subscription and returns it, as it is shown. @param {Visitor} visitor @param {Hand} hand @param {string} name */
export async function createKey({ page }, hand, name) {
  await hand.press(page.getByRole('main').getByRole('link', { name: 'New key' }).first());
  await hand.type(page.getByLabel(/^Name/), name);
  await hand.press(page.getByRole('button', { name: 'Create key' }));
  return page.getByRole('textbox', { name: `Key “${name}”` }).inputValue();
}

/** Says that the key shown has been stored, which ends its being shown. @param {Visitor} visitor @param {Hand} hand */
export async function storeKey({ page }, hand) {
  await hand.tick(page.getByRole('checkbox', { name: 'I have stored this key in a safe place' }));
  await hand.press(page.getByRole('button', { name: 'Done' }));
  await page.getByRole('heading', { name: 'API keys' }).waitFor();
}
