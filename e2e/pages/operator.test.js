// @ts-check
// The operator's pages.
import { Mouse } from '../lib/hands.js';
import { signIn, signInOperator, submitProfile } from '../lib/people.js';
import { forEverybody, Stage } from '../lib/stage.js';

const stage = new Stage();

stage.looks('pages of an operator', async (visitor) => {
  const customer = await stage.visitor();
  await signIn(customer, stage.demo.customer('lars.petersen'));
  await submitProfile(customer, new Mouse(), 'Petersen Reederei GmbH');
  await customer.leave();

  const { page } = visitor;
  await signInOperator(visitor, stage.demo.operator);
  const review = await page.getByRole('link', { name: 'Review Petersen' }).getAttribute('href') ?? '';
  await visitor.goto('/operator/tenants');
  const tenant = await page.getByRole('link', { name: /Muster Maschinenbau/ }).first().getAttribute('href') ?? '';
  await visitor.goto('/operator/subscriptions');
  const cancel = await page.getByRole('main').getByRole('link', { name: /^Cancel/ }).last().getAttribute('href') ?? '';
  const limits = await page.getByRole('main').getByRole('link', { name: /^Limits/ }).last().getAttribute('href') ?? '';
  return [
    { name: 'operator-approvals', path: '/operator/approvals' },
    { name: 'operator-review', path: review },
    { name: 'operator-tenants', path: '/operator/tenants' },
    { name: 'operator-tenants-none', path: '/operator/tenants?q=nothing+of+the+kind' },
    { name: 'operator-tenant', path: tenant },
    { name: 'operator-subscriptions', path: '/operator/subscriptions' },
    { name: 'operator-cancel', path: cancel },
    { name: 'operator-limits', path: limits },
    { name: 'operator-limits-model', path: `${limits}?model=gpt-4.1` },
    { name: 'operator-usage', path: '/operator/usage' },
    { name: 'operator-upstreams', path: '/operator/upstreams' },
    { name: 'operator-audit', path: '/operator/audit' },
    { name: 'operator-account', path: '/operator/account' },
    { name: 'operator-product', path: '/catalog/llm-hub' },
    { name: 'operator-catalog', path: '/catalog' },
    { name: 'operator-missing', path: '/operator/no/such/page', status: 404 },
  ];
});

stage.links('the links that an operator finds', '/operator/approvals', (v) => signInOperator(v, stage.demo.operator), forEverybody);
