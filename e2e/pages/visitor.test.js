// @ts-check
// The pages that are open to everybody.
import { Stage } from '../lib/stage.js';

const stage = new Stage();

stage.looks('pages for everybody', () => [
  { name: 'catalog', path: '/catalog' },
  { name: 'catalog-none', path: '/catalog?q=nothing+of+the+kind' },
  { name: 'product-llm', path: '/catalog/llm-hub' },
  { name: 'product-cce', path: '/catalog/valkey' },
  { name: 'models', path: '/models' },
  { name: 'integration', path: '/integration' },
  { name: 'document', path: '/catalog/llm-hub/documents/eula' },
  { name: 'accessibility', path: '/accessibility' },
  { name: 'privacy', path: '/privacy' },
  { name: 'terms', path: '/terms' },
  { name: 'imprint', path: '/imprint' },
  { name: 'missing', path: '/no/such/page', status: 404 },
]);

stage.looks('sign-in', (visitor) => {
  const { domain, user, password } = stage.demo.customer('mia.koch');
  /** @param {import('playwright-core').Page} page @param {string} secret */
  const send = async (page, secret) => {
    visitor.expectAnswer(401, '/login');
    await page.locator('#domain').fill(domain);
    await page.locator('#user').fill(user);
    await page.locator('#password').fill(secret);
    await page.locator('main form button.primary').click();
  };
  return [
    { name: 'login', path: '/login' },
    { name: 'login-wrong', path: '/login', ready: async (page) => { await send(page, 'wrong'); await page.getByRole('alert').waitFor(); } },
    { name: 'login-passcode', path: '/login', ready: async (page) => { await send(page, password); await page.locator('#passcode').waitFor(); } },
    { name: 'operator-login', path: '/operator/login' },
  ];
});

stage.links('the links that a visitor finds', '/catalog');
