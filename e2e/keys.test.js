// @ts-check
// A key is shown once: nobody loses it by accident, and nobody else finds it afterwards.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Mouse } from './lib/hands.js';
import { createKey, openSubscription, signIn, storeKey } from './lib/people.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();
const hand = new Mouse();

/** Opens the customer's subscription. @param {import('./lib/page.js').Options} [options] */
async function arrive(options) {
  const visitor = await stage.visitor(options);
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await openSubscription(visitor, hand);
  return visitor;
}

test('the dialog of a new key stays open', async () => {
  const visitor = await arrive();
  const { page } = visitor;
  const key = await createKey(visitor, hand, 'stays-open');
  assert.match(key, /^sk-/);
  const dialog = page.getByRole('dialog', { name: 'Copy your new key now' });
  for (let i = 0; i < 3; i++) await page.keyboard.press('Escape');
  await page.mouse.click(5, 5);
  await page.mouse.click(1270, 790);
  assert.ok(await dialog.isVisible(), 'three Escapes and clicks outside leave it open');
  assert.equal(await page.getByLabel('Key “stays-open”').inputValue(), key);
  assert.ok(await page.getByRole('button', { name: 'Done' }).isDisabled(), 'it cannot be closed before the key is said to be stored');
  visitor.answerDialogs('beforeunload', 'dismiss');
  const asked = page.waitForEvent('dialog');
  await page.close({ runBeforeUnload: true });
  assert.equal((await asked).type(), 'beforeunload', 'leaving the page asks');
  assert.ok(await dialog.isVisible());
  await storeKey(visitor, hand);
  await visitor.leave();
});

test('a key can be copied and kept as a file', async () => {
  const visitor = await arrive();
  const { page } = visitor;
  const key = await createKey(visitor, hand, 'copied');
  await page.getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('status').filter({ hasText: 'Key copied' }).waitFor({ state: 'attached' });
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download .env' }).click()]);
  assert.equal(download.suggestedFilename(), 'llm-hub.env');
  assert.equal(await readFile(await download.path(), 'utf8'), `LLM_HUB_KEY=${key}\nLLM_HUB_BASE_URL=${stage.demo.url}/v1\n`);
  assert.ok(!(await page.getByRole('region', { name: 'Try it' }).innerText()).includes(key), 'the sample names a variable, not the key');
  await storeKey(visitor, hand);
  await visitor.leave();
});

test('a key leaves no trace in the browser', async () => {
  const visitor = await arrive();
  const { page } = visitor;
  const answered = page.waitForResponse((r) => r.request().method() === 'POST' && r.url().endsWith('/keys/new'));
  const key = await createKey(visitor, hand, 'no-trace');
  const headers = await (await answered).allHeaders();
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['content-encoding'], undefined, 'a compressed answer tells by its length what is in it');
  assert.ok(!page.url().includes(key));
  await storeKey(visitor, hand);
  for (const look of ['after Done', 'after Back', 'after Forward']) {
    if (look === 'after Back') await page.goBack();
    if (look === 'after Forward') await page.goForward();
    assert.ok(!await holds(page, key), `${look} the key is not in ${page.url()}`);
  }
  await visitor.leave();
});

test('a form sent twice makes one key', async () => {
  const visitor = await arrive();
  const { page } = visitor;
  await page.getByRole('main').getByRole('link', { name: 'New key' }).first().click();
  await page.getByLabel(/^Name/).fill('pressed-twice');
  await page.getByRole('button', { name: 'Create key' }).dblclick();
  await page.getByLabel('Key “pressed-twice”').waitFor();
  await storeKey(visitor, hand);
  assert.equal(await page.getByRole('rowheader', { name: 'pressed-twice' }).count(), 1);
  await visitor.leave();
});

test('a page of a new key that is loaded again shows no key', async () => {
  const visitor = await arrive({ script: false });
  const { page } = visitor;
  const key = await createKey(visitor, hand, 'loaded-again');
  visitor.expectAnswer(409, new URL(page.url()).pathname);
  await page.reload();
  await page.getByRole('heading', { name: 'The key was created already' }).waitFor();
  assert.ok(!(await page.content()).includes(key));
  await page.getByRole('link', { name: 'To the list of keys' }).click();
  assert.equal(await page.getByRole('rowheader', { name: 'loaded-again' }).count(), 1);
  await visitor.leave();
});

/** Says whether a page has a text anywhere: in its source, its fields, or what it has stored. @param {import('playwright-core').Page} page @param {string} text */
function holds(page, text) {
  return page.evaluate((t) => {
    const fields = [...document.querySelectorAll('input, textarea')].map((f) => /** @type {HTMLInputElement} */ (f).value);
    return [document.documentElement.outerHTML, ...fields, JSON.stringify(localStorage), JSON.stringify(sessionStorage), JSON.stringify(history.state)].some((s) => s.includes(t));
  }, text);
}
