// @ts-check
// A budget that is nearly used up is told on every page until somebody puts that away, and a webhook's secret is shown once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat } from './lib/gateway.js';
import { Mouse } from './lib/hands.js';
import { createKey, openSubscription, signIn, storeKey } from './lib/people.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();
const hand = new Mouse();

for (const script of [true, false]) {
  test(`the alert of a budget, ${script ? 'with' : 'without'} JavaScript`, async () => {
    const visitor = await stage.visitor({ script });
    const { page } = visitor;
    const name = script ? 'on-budget' : 'on-budget-too';
    await signIn(visitor, stage.demo.customer('jana.weber'));
    await openSubscription(visitor, hand);
    const key = await createKey(visitor, hand, name);
    await storeKey(visitor, hand);
    const { input, output } = await chat(stage.demo.url, key, 'demo-chat');
    await limit(visitor, name, input + output + 1);

    const alert = page.getByRole('region', { name: 'Budget alerts' }).locator('> *').filter({ hasText: `the key ${name} ` });
    for (const end = Date.now() + 10_000; await alert.count() === 0; await page.reload()) {
      assert.ok(Date.now() < end, 'the alert is on no page');
      await chat(stage.demo.url, key, 'demo-chat'); // which reads the budget
    }
    await visitor.goto('/consumption');
    await hand.press(alert.getByRole('button', { name: 'Dismiss' }));
    await page.waitForURL('**/consumption');
    assert.equal(await alert.count(), 0, 'it is put away');
    await hand.press(page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Alerts' }));
    await page.getByRole('row').filter({ hasText: name }).getByText('dismissed by').first().waitFor();
    await visitor.leave();
  });
}

test('the secret of a webhook is shown once', async () => {
  const visitor = await stage.visitor();
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await visitor.goto('/alerts');
  await hand.type(page.getByLabel('Address'), 'https://hooks.example.com/llm-hub');
  await hand.press(page.getByRole('button', { name: 'Set the webhook' }));
  const secret = await page.getByRole('textbox', { name: 'Secret of the webhook' }).inputValue();
  assert.match(secret, /^whsec_/);
  await hand.tick(page.getByRole('checkbox', { name: 'I have stored the secret.' }));
  await hand.press(page.getByRole('button', { name: 'Done' }));
  await page.waitForURL('**/alerts');
  assert.ok(!(await page.content()).includes(secret), 'the secret is in no page but the one that showed it');
  await page.locator('summary', { hasText: 'How to verify a message' }).click();
  await page.getByText('hmac.compare_digest').waitFor();
  await hand.press(page.getByRole('link', { name: 'Remove the webhook' }));
  await hand.press(page.getByRole('button', { name: 'Remove the webhook' }));
  await page.getByText('The webhook is removed.').waitFor();
  await visitor.leave();
});

/** Gives a key a monthly budget of tokens. @param {import('./lib/page.js').Visitor} visitor @param {string} name @param {number} tokens */
async function limit(visitor, name, tokens) {
  const { page } = visitor;
  const path = await page.getByRole('rowheader', { name, exact: true }).getByRole('link').getAttribute('href');
  await visitor.goto(`${path}/limits`);
  await hand.type(page.locator('#monthly_tokens'), String(tokens));
  await hand.press(page.getByRole('button', { name: 'Save' }));
  await page.waitForURL((url) => !url.pathname.endsWith('/limits'));
}
