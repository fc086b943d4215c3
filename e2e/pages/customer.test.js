// @ts-check
// The pages of a customer with a subscription, and of one who comes for the first time.
import { Mouse } from '../lib/hands.js';
import { beginDeployment, chooseProject, signIn, submitProfile } from '../lib/people.js';
import { forEverybody, Stage } from '../lib/stage.js';

const stage = new Stage();
const hand = new Mouse();

/** Presses the button of the main form. @param {import('playwright-core').Page} page */
const send = (page) => page.locator('main form[method="post"] button.primary').click();

stage.looks('pages of a customer', async (visitor) => {
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await visitor.goto('/subscriptions');
  const sub = await pathOf(page.getByRole('link', { name: /^Manage/ }));
  await visitor.goto(sub);
  const key = await pathOf(page.getByRole('rowheader', { name: 'support-chat-prod' }).getByRole('link'));
  const draft = await beginDeployment(visitor, hand, 'valkey');
  const asleep = await chooseProject(visitor, draft);
  visitor.expectAnswer(422, `${sub}/keys/new`);
  visitor.expectAnswer(422, `${key}/limits`);
  visitor.expectAnswer(422, '/webhook');
  visitor.expectAnswer(422, '/account/tokens');
  visitor.expectAnswer(401, '/v1/chat/completions');
  visitor.answerDialogs('beforeunload', 'accept');
  let [keys, tokens] = [0, 0];
  return [
    { name: 'customer-catalog', path: '/catalog' },
    { name: 'customer-product', path: '/catalog/llm-hub' },
    { name: 'subscriptions', path: '/subscriptions' },
    { name: 'subscriptions-cancelled', path: '/subscriptions?state=cancelled' },
    { name: 'product-cce', path: '/catalog/valkey' },
    { name: 'workloads', path: '/workloads' },
    { name: 'workloads-nothing', path: '/workloads?q=nothing+of+the+kind' },
    { name: 'deploy-target', path: `${draft}/target` },
    { name: 'deploy-asleep', path: asleep },
    { name: 'manage', path: sub },
    { name: 'manage-welcome', path: `${sub}?done=subscribed` },
    { name: 'manage-limits', path: sub, ready: (p) => p.locator('details.fold summary').click() },
    { name: 'manage-nothing', path: `${sub}?q=nothing+of+the+kind` },
    { name: 'agreement', path: `${sub}/agreement` },
    { name: 'cancel', path: `${sub}/cancel` },
    { name: 'key', path: key },
    { name: 'key-limits', path: `${key}/limits` },
    { name: 'key-limits-refused', path: `${key}/limits`, ready: refusedLimits },
    { name: 'key-deactivate', path: `${key}/deactivate` },
    { name: 'key-new', path: `${sub}/keys/new` },
    { name: 'key-new-limits', path: `${sub}/keys/new`, ready: (p) => p.locator('details.limits-optional summary').click() },
    { name: 'key-refused', path: `${sub}/keys/new`, ready: (p) => refused(p, 'support-chat-prod') },
    { name: 'key-once', path: `${sub}/keys/new`, ready: (p) => shown(p, `looked-at-${keys++}`) },
    { name: 'consumption', path: `${sub}/consumption` },
    { name: 'consumption-models', path: `${sub}/consumption?by=model`, ready: (p) => p.locator('details.as-table summary').click() },
    { name: 'consumption-none', path: `${sub}/consumption?month=2026-01` },
    { name: 'consumption-range', path: `${sub}/consumption?from=2026-06-01&to=2026-11-22` },
    { name: 'alerts', path: '/alerts' },
    { name: 'webhook-refused', path: '/alerts', ready: refusedWebhook },
    { name: 'playground', path: '/playground' },
    { name: 'playground-answer', path: '/playground', ready: (p) => answered(p, stage.demo.key) },
    { name: 'playground-refused', path: '/playground', ready: (p) => answered(p, 'sk-lh-wrong') },
    { name: 'organization', path: '/organization' },
    { name: 'account', path: '/account' },
    { name: 'token-once', path: '/account', ready: (p) => shown(p, `looked-at-${tokens++}`) },
    { name: 'account-refused', path: '/account', ready: refusedToken },
    { name: 'rights', path: '/rights' },
    { name: 'workload-missing', path: '/workloads/wl_none', status: 404 },
    { name: 'customer-missing', path: '/subscriptions/sub_none', status: 404 },
  ];
});

stage.looks('pages of a customer with a personal token', async (visitor) => {
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  visitor.answerDialogs('beforeunload', 'accept');
  await visitor.goto('/account');
  await shown(page, 'kept');
  await visitor.goto('/account');
  return [{ name: 'token-revoke', path: await pathOf(page.getByRole('link', { name: /^Revoke kept/ })) }];
});

stage.looks('pages of a new customer', async (visitor) => {
  await signIn(visitor, stage.demo.customer('lars.petersen'));
  visitor.expectAnswer(422, '/organization');
  return [
    { name: 'setup', path: '/setup' },
    { name: 'setup-refused', path: '/setup', ready: async (page) => { await send(page); await page.getByRole('alert').waitFor(); } },
    { name: 'product-blocked', path: '/catalog/llm-hub' },
    { name: 'subscriptions-none', path: '/subscriptions' },
    { name: 'keys-none', path: '/keys' },
    { name: 'consumption-nothing', path: '/consumption' },
  ];
});

stage.looks('pages of a customer in review', async (visitor) => {
  await signIn(visitor, stage.demo.customer('lars.petersen'));
  await submitProfile(visitor, hand, 'Petersen Reederei GmbH');
  return [
    { name: 'organization-in-review', path: '/organization' },
    { name: 'catalog-in-review', path: '/catalog' },
  ];
});

/** @param {import('playwright-core').Page} page @param {string} name */
async function refused(page, name) {
  await page.locator('#name').fill(name);
  await send(page);
  await page.getByRole('alert').waitFor();
}

/** @param {import('playwright-core').Page} page */
async function refusedLimits(page) {
  await page.locator('#monthly_amount').fill('a lot');
  await page.locator('#concurrency').fill('0');
  await send(page);
  await page.getByRole('alert').waitFor();
}

/** Sends an address past the browser's own check. @param {import('playwright-core').Page} page */
async function refusedWebhook(page) {
  await page.locator('form[action="/webhook"]').evaluate((form) => { /** @type {HTMLFormElement} */ (form).noValidate = true; });
  await page.locator('#url').fill('ftp://example.com');
  await page.locator('form[action="/webhook"] button').click();
  await page.getByRole('alert').waitFor();
}

/** Sends the empty form for a token past the browser's own check. @param {import('playwright-core').Page} page */
async function refusedToken(page) {
  await page.locator('form[action="/account/tokens"]').evaluate((form) => { /** @type {HTMLFormElement} */ (form).noValidate = true; });
  await page.locator('form[action="/account/tokens"] button').click();
  await page.getByRole('alert').waitFor();
}

/** @param {import('playwright-core').Page} page @param {string} name */
async function shown(page, name) {
  await page.locator('#name').fill(name);
  await send(page);
  await page.locator('#new-key').waitFor();
}

/** @param {import('playwright-core').Page} page @param {string} key */
async function answered(page, key) {
  await page.locator('#key').fill(key);
  await page.locator('#prompt').fill('Hello!');
  await page.locator('[data-send]').click();
  await page.locator('[data-text]:not([aria-busy="true"]):not(:empty), [data-problem]:not([hidden])').first().waitFor();
}

/** @param {import('playwright-core').Locator} link */
async function pathOf(link) {
  const href = await link.first().getAttribute('href');
  if (!href) throw new Error(`${link} leads nowhere`);
  return href;
}

stage.links('the links that a customer finds', '/catalog', (v) => signIn(v, stage.demo.customer('jana.weber')), forEverybody);
