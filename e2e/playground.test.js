// @ts-check
// The playground talks to a model with a key that is typed in and kept nowhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signIn } from './lib/people.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();

/** Opens the playground with a prompt in it. @param {string} key @param {import('./lib/page.js').Options} [options] */
async function arrive(key, options) {
  const visitor = await stage.visitor(options);
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await visitor.goto('/playground');
  await page.getByLabel('API key', { exact: false }).first().fill(key);
  await page.getByLabel(/^Prompt/).fill('Hello!');
  return visitor;
}

test('an answer is streamed and its tokens are told', async () => {
  const visitor = await arrive(stage.demo.key);
  const { page } = visitor;
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText(/^Tokens used: \d+ input, \d+ output$/).waitFor();
  assert.notEqual(await page.getByRole('group', { name: 'Answer' }).innerText(), '');
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.documentElement.outerHTML]));
  assert.ok(!kept.includes(stage.demo.key), 'the key is in its field alone');
  await visitor.leave();
});

test('an answer can be stopped', async () => {
  const visitor = await arrive(stage.demo.key);
  const { page } = visitor;
  await page.getByRole('button', { name: 'Send' }).click();
  await page.waitForFunction(() => document.querySelector('[data-text]')?.textContent !== '');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText("The tokens used are part of the key's consumption.").waitFor();
  assert.ok(await page.getByRole('button', { name: 'Send' }).isVisible());
  await visitor.leave();
});

test('a wrong key is refused in words', async () => {
  const visitor = await arrive(`${stage.demo.key}x`);
  const { page } = visitor;
  visitor.expectAnswer(401, '/v1/chat/completions');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('alert').filter({ hasText: 'There is no answer' }).waitFor();
  await visitor.leave();
});

test('an answer comes without JavaScript, too', async () => {
  const visitor = await arrive(stage.demo.key, { script: false });
  const { page } = visitor;
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText("The tokens used are part of the key's consumption.").waitFor();
  assert.ok(!(await page.content()).includes(stage.demo.key), 'the key does not come back');
  await visitor.leave();
});
