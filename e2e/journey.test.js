// @ts-check
// The whole way of a new customer: from the first sign-in to the cancelled subscription, by mouse, by keyboard alone, and without
// JavaScript.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { chat, stream } from './lib/gateway.js';
import { Keyboard, Mouse } from './lib/hands.js';
import { Visitor } from './lib/page.js';
import { approveProfile, createKey, signIn, signInOperator, storeKey, submitProfile, subscribe } from './lib/people.js';
import { Demo } from './lib/server.js';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const company = 'Petersen Reederei GmbH';
const model = 'demo-chat';

/** @type {{ name: string, script: boolean, hand: (visitor: Visitor) => import('./lib/hands.js').Hand }[]} */
const ways = [
  { name: 'by mouse', script: true, hand: () => new Mouse() },
  { name: 'by keyboard alone', script: true, hand: ({ page }) => new Keyboard(page) },
  { name: 'without JavaScript', script: false, hand: () => new Mouse() },
];

for (const { name, script, hand: newHand } of ways) {
  test(`the journey of a new customer, ${name}`, async (t) => {
    const demo = await Demo.start();
    t.after(() => demo.stop());
    const customer = await Visitor.open(browser, demo.url, { script });
    const operator = await Visitor.open(browser, demo.url, { script });
    const hand = newHand(customer);

    await signIn(customer, demo.customer('lars.petersen'), hand);
    await submitProfile(customer, hand, company);
    await signInOperator(operator, demo.operator, newHand(operator));
    await approveProfile(operator, newHand(operator), company);
    await subscribe(customer, hand);
    const key = await createKey(customer, hand, 'my-first-key');
    await storeKey(customer, hand);
    assert.ok(!(await customer.page.content()).includes(key), 'the key is in no page but the one that showed it');

    const answers = [await chat(demo.url, key, model), await stream(demo.url, key, model)];
    assert.deepEqual(answers.map((a) => a.status), [200, 200]);
    await seeConsumption(customer, hand, 'my-first-key', answers);

    await deactivate(customer, hand, 'my-first-key');
    assert.equal((await chat(demo.url, key, model)).status, 401, 'a deactivated key is refused at once');
    await cancel(customer, hand);

    assert.ok(!demo.output.includes(key), 'the key is in no log');
    await customer.leave();
    await operator.leave();
  });
}

/**
 * Looks at the consumption until the answers are counted; it shows exactly their tokens.
 * @param {Visitor} visitor @param {import('./lib/hands.js').Hand} hand @param {string} key @param {import('./lib/gateway.js').Answer[]} answers
 */
async function seeConsumption({ page }, hand, key, answers) {
  const input = answers.reduce((sum, a) => sum + a.input, 0), output = answers.reduce((sum, a) => sum + a.output, 0);
  assert.ok(input > 0 && output > 0, 'the model has counted');
  await hand.press(page.getByRole('main').getByRole('link', { name: 'Consumption', exact: true }));
  await page.getByRole('heading', { level: 1, name: 'Token consumption' }).waitFor();
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: key }) });
  await until(page, async () => await row.count() > 0 && (await cells(row)).includes(number(answers.length)));
  for (const part of [row, page.getByRole('row').filter({ hasText: 'Total' }).last()]) {
    const shown = await cells(part);
    for (const n of [answers.length, input, output, input + output]) assert.ok(shown.includes(number(n)), `${n} in ${shown.join(' | ')}`);
  }
}

/** @param {Visitor} visitor @param {import('./lib/hands.js').Hand} hand @param {string} key */
async function deactivate({ page }, hand, key) {
  await hand.press(page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'API keys' }));
  await hand.press(page.getByRole('link', { name: `Deactivate ${key}` }));
  await page.getByRole('heading', { name: 'This cannot be undone' }).waitFor();
  await hand.press(page.getByRole('button', { name: 'Deactivate key' }));
  await page.getByText('The key is deactivated.').waitFor();
  assert.ok((await cells(page.getByRole('row').filter({ hasText: key }))).includes('Inactive'), 'it stays listed');
}

/** @param {Visitor} visitor @param {import('./lib/hands.js').Hand} hand */
async function cancel({ page }, hand) {
  await hand.press(page.getByRole('main').getByRole('link', { name: 'Cancel subscription' }));
  await page.getByText('No key is active; no application is affected.').waitFor();
  await hand.press(page.getByRole('button', { name: 'Yes, cancel subscription' }));
  await page.getByText('cancelled').first().waitFor();
  await hand.press(page.getByRole('banner').getByRole('link', { name: 'Dashboard' }));
  await hand.press(page.getByRole('main').getByRole('link', { name: 'Cancelled' }));
  await page.getByRole('row').filter({ hasText: 'LLM Hub' }).waitFor();
  assert.equal(await page.getByRole('link', { name: /^Cancel LLM Hub/ }).count(), 0, 'what is cancelled cannot be cancelled again');
}

/** Reloads a page until something is seen there. @param {import('playwright-core').Page} page @param {() => Promise<boolean>} seen */
async function until(page, seen) {
  for (const end = Date.now() + 10_000; !await seen(); await page.reload()) assert.ok(Date.now() < end, `${page.url()} does not show it`);
}

/** @param {import('playwright-core').Locator} row */
async function cells(row) {
  return (await row.locator('th, td').allInnerTexts()).map((text) => text.trim());
}

/** @param {number} n */
const number = (n) => n.toLocaleString('en');
