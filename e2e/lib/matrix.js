// @ts-check
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { violations } from './axe.js';
import { sidewaysScroll, smallTargets } from './geometry.js';

/** Where the screenshots are put. A temporary folder stays only if a test fails. */
export const shots = process.env.E2E_SHOTS ?? mkdtempSync(join(tmpdir(), 'llmhub-shots-'));
mkdirSync(shots, { recursive: true });
if (!process.env.E2E_SHOTS) process.on('exit', (code) => { if (code === 0) rmSync(shots, { recursive: true }); });

const languages = /** @type {const} */ (['en', 'de']);
const themes = /** @type {const} */ (['light', 'dark']);
const wide = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const smallest = { width: 320, height: 640 };

/**
 * A page to be looked at. ready brings it, once it is open, into the state that is meant, such as a form that was refused. brief is for
 * one that takes long to be opened: it is looked at in English by day and in German by night.
 * @typedef {{ name: string, path: string, status?: number, brief?: boolean, ready?: (page: import('playwright-core').Page) => Promise<unknown> }} Look
 */

/**
 * Looks at a page in both languages, both themes and both widths. Each time axe finds nothing, the page does not scroll sideways, all
 * targets can be hit and all texts are translated; it has to fit 320 px, too. The page is opened anew for a language and a theme, and
 * only resized for a width.
 * @param {import('./page.js').Visitor} visitor @param {Look} look
 */
export async function lookAt(visitor, { name, path, status = 200, brief = false, ready }) {
  const { page } = visitor;
  const faults = new Faults();
  for (const language of languages) {
    for (const theme of brief ? [language === 'en' ? themes[0] : themes[1]] : themes) {
      await page.setViewportSize(wide);
      await visitor.prefer(language, theme);
      await visitor.goto(path, status);
      await ready?.(page);
      assert.equal(await page.locator('html').getAttribute('lang'), language, `${path}: lang`);
      assert.equal(await page.locator('html').getAttribute('data-theme'), theme, `${path}: data-theme`);
      const missing = /⟦[^⟧]*⟧?/.exec(await page.content());
      if (missing) faults.add(language, [`no translation: ${missing[0]}`]);
      for (const size of [wide, phone]) {
        const where = `${language} ${theme} ${size.width}`;
        await resize(page, size);
        faults.add(where, await violations(page));
        faults.add(where, await geometry(page));
        await page.screenshot({ path: join(shots, `${name}-${size.width}-${theme}-${language}.png`), fullPage: true });
      }
      await resize(page, smallest);
      faults.add(`${language} ${theme} ${smallest.width}`, await geometry(page));
    }
  }
  faults.assertNone(path);
}

/** What is wrong with a page, and where each of it was seen. */
class Faults {
  /** @type {Map<string, string[]>} */
  #places = new Map();

  /** @param {string} where @param {string[]} faults */
  add(where, faults) {
    for (const f of faults) this.#places.set(f, [...this.#places.get(f) ?? [], where]);
  }

  /** @param {string} path */
  assertNone(path) {
    if (this.#places.size === 0) return;
    assert.fail([path, ...[...this.#places].map(([fault, places]) => `  ${fault}\n    [${places.join(', ')}]`)].join('\n'));
  }
}

/** @param {import('playwright-core').Page} page @param {{ width: number, height: number }} size */
async function resize(page, size) {
  await page.setViewportSize(size);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}

/** @param {import('playwright-core').Page} page */
async function geometry(page) {
  return [...await sidewaysScroll(page), ...await smallTargets(page)];
}
