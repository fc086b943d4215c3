// @ts-check
// Every page of the portal, looked at as lib/matrix.js says.
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { lookAt, shots } from './lib/matrix.js';
import { Visitor } from './lib/page.js';
import { signIn, signInOperator } from './lib/people.js';
import { Demo } from './lib/server.js';

/** @type {Demo} */
let demo;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => { [demo, browser] = await Promise.all([Demo.start(), launch()]); });
after(async () => { await browser?.close(); await demo?.stop(); });

/** @param {string} name @param {(visitor: Visitor) => Promise<void>} [arrive] @param {{ name: string, path: string, status?: number }[]} looks */
function pages(name, looks, arrive) {
  test(name, async (t) => {
    t.diagnostic(`screenshots: ${shots}`);
    const visitor = await Visitor.open(browser, demo.url);
    await arrive?.(visitor);
    for (const look of looks) await t.test(look.path, () => lookAt(visitor, look));
    await visitor.leave();
  });
}

pages('visitors', [
  { name: 'catalog', path: '/catalog' },
  { name: 'catalog-none', path: '/catalog?q=nothing+of+the+kind' },
  { name: 'product', path: '/catalog/llm-hub' },
  { name: 'login', path: '/login' },
  { name: 'operator-login', path: '/operator/login' },
  { name: 'missing', path: '/no/such/page', status: 404 },
]);

pages('new customers', [
  { name: 'setup', path: '/setup' },
], (v) => signIn(v, demo.customer('lars.petersen')));

pages('customers', [
  { name: 'customer-product', path: '/catalog/llm-hub' },
  { name: 'organization', path: '/organization' },
], (v) => signIn(v, demo.customer('jana.weber')));

pages('operators', [
  { name: 'operator-approvals', path: '/operator/approvals' },
  { name: 'operator-tenants', path: '/operator/tenants' },
  { name: 'operator-subscriptions', path: '/operator/subscriptions' },
  { name: 'operator-usage', path: '/operator/usage' },
  { name: 'operator-upstreams', path: '/operator/upstreams' },
  { name: 'operator-audit', path: '/operator/audit' },
  { name: 'operator-account', path: '/operator/account' },
], (v) => signInOperator(v, demo.operator));
