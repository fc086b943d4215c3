// @ts-check
// What pages do with JavaScript more than without, and what they have to keep: the address, the focus, and the visitor's choice.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Keyboard, Mouse } from './lib/hands.js';
import { approveProfile, openSubscription, signIn, signInOperator, submitProfile } from './lib/people.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();

/** @param {import('playwright-core').Page} page @param {string} name */
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);

/** Says what has the focus. @param {import('playwright-core').Page} page */
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  return !e || e === document.body ? 'nothing' : (e.id || e.textContent || '').trim();
});

/** Opens the consumption of the customer's subscription. @param {import('./lib/page.js').Options} [options] */
async function consumption(options) {
  const visitor = await stage.visitor(options);
  const { page } = visitor;
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await openSubscription(visitor, new Mouse());
  await page.getByRole('main').getByRole('link', { name: 'Consumption', exact: true }).click();
  await page.getByRole('heading', { name: 'Token consumption' }).waitFor();
  return visitor;
}

test('a filter is in the address, keeps the focus and is announced', async () => {
  const visitor = await stage.visitor();
  const { page } = visitor;
  const hand = new Keyboard(page);
  await visitor.goto('/catalog');
  const box = page.getByRole('checkbox', { name: /^AI LLM/ });
  const all = await page.getByRole('main').getByRole('listitem').count();
  await hand.tick(box);
  await page.waitForURL((url) => url.searchParams.get('type') === 'llm');
  await page.locator('#announcer', { hasText: '1 product' }).waitFor({ state: 'attached' });
  assert.equal(await focused(page), 'type-llm');
  await page.keyboard.press('Space');
  await page.waitForURL((url) => !url.searchParams.has('type'));
  await page.goBack();
  await page.waitForURL((url) => url.searchParams.get('type') === 'llm');
  await page.getByRole('main').getByText('1 product', { exact: true }).waitFor();
  assert.equal(await box.isChecked(), true, 'Back brings the filter back');
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has('type'));
  await page.locator('#type-llm:not(:checked)').waitFor();
  assert.equal(await page.getByRole('main').getByRole('listitem').count(), all);
  await visitor.leave();
});

test('a month is chosen with the arrow keys', async () => {
  const visitor = await consumption();
  const { page } = visitor;
  const total = page.getByRole('main').locator('.stat .value').first();
  const before = await total.innerText();
  await new Keyboard(page).reach(page.getByLabel('Month', { exact: true }));
  const next = await page.getByLabel('Month', { exact: true }).evaluate((s) => /** @type {HTMLSelectElement} */ (s).selectedIndex === 0 ? 'ArrowDown' : 'ArrowUp');
  await page.keyboard.press(next);
  await page.waitForURL(/month=/);
  await page.waitForFunction((text) => document.querySelector('.stat .value')?.textContent !== text, before);
  assert.equal(await focused(page), 'month');
  await visitor.leave();
});

test('a month is chosen without JavaScript', async () => {
  const visitor = await consumption({ script: false });
  const { page } = visitor;
  const month = await page.getByLabel('Month', { exact: true }).locator('option:not([selected])').first().getAttribute('value');
  await page.getByLabel('Month', { exact: true }).selectOption(month);
  await page.getByRole('button', { name: 'Show', exact: true }).first().click();
  await page.waitForURL(/month=/);
  assert.equal(parameter(page, 'month'), month);
  assert.equal(await page.getByLabel('Month', { exact: true }).inputValue(), month);
  await visitor.leave();
});

test('the chart changes its view and the focus stays', async () => {
  const visitor = await consumption();
  const { page } = visitor;
  const name = await page.locator('nav.segmented a[data-fragment]:not([aria-current])').first().innerText();
  await new Keyboard(page).press(page.getByRole('link', { name, exact: true }));
  await page.waitForURL(/by=/);
  await page.locator('nav.segmented a[data-fragment][aria-current]', { hasText: name }).waitFor();
  assert.equal(await focused(page), name);
  await visitor.leave();
});

test('the file of the consumption says what the page says', async () => {
  for (const language of /** @type {const} */ (['en', 'de'])) {
    const visitor = await consumption();
    const { page } = visitor;
    await visitor.prefer(language, 'light');
    await page.reload();
    const shown = await page.locator('.shares').first().locator('tfoot td.num:not(.units)').allInnerTexts();
    const units = (await page.locator('.shares').first().locator('tfoot td.units').innerText()).split('\n');
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('a[download]').click()]);
    const text = await readFile(await download.path(), 'utf8');
    assert.equal(text[0], '\uFEFF', 'the mark by which spreadsheets know UTF-8');
    const separator = language === 'de' ? ';' : ',';
    const total = text.trim().split(/\r?\n/).at(-1)?.split(separator) ?? [];
    const plain = shown.map((n) => n.replace(/\D/g, ''));
    for (const n of plain) assert.ok(total.includes(n), `${n} in ${total.join(' | ')}`);
    assert.ok(units.length > 1, `the demo has used other units than tokens: ${units}`);
    for (const line of units) {
      // "516 images 1024×1024", "62,805.42 s of audio": milliseconds in the file.
      const [figure, unit] = line.split(' ');
      const [whole, part = ''] = figure.split(language === 'de' ? ',' : '.');
      const n = whole.replace(/\D/g, '') + (unit === 's' ? part.padEnd(3, '0') : part);
      assert.ok(total.includes(n), `${n} of "${line}" in ${total.join(' | ')}`);
    }
    await visitor.leave();
  }
});

test('language and colours are chosen where one is', async () => {
  for (const script of [true, false]) {
    const visitor = await stage.visitor({ script });
    const { page } = visitor;
    await visitor.goto('/catalog?type=llm');
    await page.getByRole('button', { name: 'Deutsch' }).click();
    await page.locator('html[lang="de"]').waitFor();
    await page.getByRole('button', { name: 'Dunkle Farben' }).click();
    await page.locator('html[data-theme="dark"]').waitFor();
    assert.equal(parameter(page, 'type'), 'llm');
    await visitor.goto('/login');
    assert.equal(await page.locator('html[lang="de"][data-theme="dark"]').count(), 1, 'the choice stays');
    await visitor.leave();
  }
});

test('on a phone the menu opens and closes with the keyboard', async () => {
  const visitor = await stage.visitor({ width: 390, height: 844 });
  const { page } = visitor;
  const hand = new Keyboard(page);
  await visitor.goto('/models');
  const link = page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Catalog' });
  assert.equal(await link.isVisible(), false);
  await hand.press(page.getByRole('button', { name: 'Menu' }));
  await link.waitFor();
  await page.keyboard.press('Escape');
  await link.waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Menu', 'the focus is back');
  await page.keyboard.press('Space');
  await hand.press(link);
  await page.waitForURL('**/catalog');
  await visitor.leave();
});

test('the skip link leads to the content', async () => {
  const visitor = await stage.visitor();
  const { page } = visitor;
  await visitor.goto('/catalog');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), 'content');
  await visitor.leave();
});

test('who signs out is out, Back included', async () => {
  const visitor = await stage.visitor();
  const { page } = visitor;
  const hand = new Keyboard(page);
  await signIn(visitor, stage.demo.customer('jana.weber'));
  await visitor.goto('/subscriptions');
  const menu = page.getByRole('banner').locator('details.menu summary');
  await hand.press(menu);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Sign out' }).waitFor({ state: 'hidden' });
  await page.keyboard.press('Space');
  await hand.press(page.getByRole('button', { name: 'Sign out' }));
  await page.getByText('You have signed out.').waitFor();
  await page.goBack();
  await page.waitForURL('**/login*');
  await visitor.leave();
});

test('markup that a customer types is text to everybody', async () => {
  const hand = new Mouse(), company = '<b>Bold & Co</b> "><img src="//example.com/x" onerror="alert(1)">';
  const customer = await stage.visitor(), operator = await stage.visitor();
  await signIn(customer, stage.demo.customer('lars.petersen'));
  await submitProfile(customer, hand, company);
  await signInOperator(operator, stage.demo.operator);
  await operator.page.getByRole('rowheader', { name: company }).waitFor();
  await approveProfile(operator, hand, company);
  await customer.goto('/organization');
  await customer.page.getByRole('cell', { name: company }).waitFor();
  await customer.leave();
  await operator.leave();
});
