// @ts-check
// A customer bounds what a key may use, and sees what is left; an operator bounds the whole subscription.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mouse } from './lib/hands.js';
import { createKey, openSubscription, signIn, signInOperator, storeKey } from './lib/people.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();
const hand = new Mouse();

test('a customer gives a key a budget and sees it', async () => {
  const visitor = await stage.visitor();
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await openSubscription(visitor, hand);
  await createKey(visitor, hand, 'with-a-budget');
  await storeKey(visitor, hand);
  await page.getByRole('link', { name: 'with-a-budget', exact: true }).click();
  await page.getByText('This key has no limits of its own.').waitFor();
  await page.getByRole('link', { name: 'Set limits' }).click();
  await page.getByLabel('Tokens a month', { exact: true }).fill('50000');
  await page.getByLabel(/^Budget a month/).fill('12.50');
  await page.getByRole('button', { name: 'Save limits' }).click();
  await page.getByText('The limits are saved and in force.').waitFor();
  const limits = page.getByRole('region', { name: 'Limits' });
  assert.match(await limits.innerText(), /€0\.00 of €12\.50, 0\.0%/);
  assert.match(await limits.innerText(), /0 of 50,000 tokens, 0\.0%\s+Renews on 1 /);
  assert.equal(await limits.getByRole('meter', { name: 'Tokens a month' }).count(), 1);
  await limits.getByRole('link', { name: 'Change Limits' }).click();
  assert.equal(await page.getByLabel(/^Budget a month/).inputValue(), '12.50');
  await visitor.leave();
});

test('an operator limits a model, and the customer sees it', async () => {
  const operator = await stage.visitor();
  await signInOperator(operator, stage.demo.operator);
  await operator.goto('/operator/subscriptions');
  await operator.page.getByRole('main').getByRole('link', { name: /^Limits/ }).last().click();
  await operator.page.getByLabel('Limits for').selectOption('mistral-small-3.2');
  await operator.page.getByRole('button', { name: 'Choose' }).click();
  await operator.page.getByRole('heading', { name: 'Set the limits of mistral-small-3.2' }).waitFor();
  await operator.page.getByLabel('Requests a minute').fill('1200');
  await operator.page.getByRole('button', { name: 'Save limits' }).click();
  await operator.page.getByText('The limits are saved and in force.').waitFor();
  await operator.leave();
  const visitor = await stage.visitor();
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await openSubscription(visitor, hand);
  const limits = visitor.page.getByRole('region', { name: 'Limits' });
  await limits.getByText('Limits of 2 models').click();
  assert.match(await limits.innerText(), /mistral-small-3\.2\s+Requests a minute\s+1,200/);
  await visitor.leave();
});
