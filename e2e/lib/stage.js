// @ts-check
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { crawl, patternOf } from './crawl.js';
import { lookAt } from './matrix.js';
import { Visitor } from './page.js';
import { Demo } from './server.js';

/** @typedef {import('./matrix.js').Look} Look */

/** The patterns of pages that are the same for everybody; pages/visitor.test.js looks at them. */
export const forEverybody = ['/models', '/integration', '/catalog/:product/documents/:document', '/accessibility', '/privacy', '/terms', '/imprint'];

/** What the tests of a file share: one demo and one browser, from before the first test to after the last. */
export class Stage {
  /** @type {Demo | undefined} */
  #demo;
  /** @type {import('playwright-core').Browser | undefined} */
  #browser;
  /** The patterns of the pages that were looked at. @type {Set<string>} */
  #looked = new Set();

  /** @param {string[]} [args] further arguments of the demo */
  constructor(args = []) {
    before(async () => { [this.#demo, this.#browser] = await Promise.all([Demo.start(args), launch()]); });
    after(async () => { await this.#browser?.close(); await this.#demo?.stop(); });
  }

  get demo() {
    if (!this.#demo) throw new Error('the demo has not started');
    return this.#demo;
  }

  /** Returns somebody who has not signed in. @param {import('./page.js').Options} [options] */
  visitor(options) {
    if (!this.#browser) throw new Error('the browser has not started');
    return Visitor.open(this.#browser, this.demo.url, options);
  }

  /**
   * Adds a test that looks at pages as one visitor: arrive brings the visitor where the pages can be seen and returns them.
   * @param {string} name @param {(visitor: Visitor) => Promise<Look[]> | Look[]} arrive
   */
  looks(name, arrive) {
    test(name, async (t) => {
      const visitor = await this.visitor();
      const looks = await arrive(visitor);
      for (const look of looks) {
        this.#looked.add(patternOf(new URL(look.path, visitor.url)));
        await t.test(`${look.name}: ${look.path}`, () => lookAt(visitor, look));
      }
      await visitor.leave();
    });
  }

  /**
   * Adds a test, behind all looks, that follows the links from a page on. None may lead to nothing, and each page that is found has to be
   * one that was looked at, here or elsewhere, where what is the same for everybody is looked at.
   * @param {string} name @param {string} start @param {(visitor: Visitor) => Promise<void>} [arrive] @param {string[]} [elsewhere]
   */
  links(name, start, arrive, elsewhere = []) {
    test(name, async () => {
      const visitor = await this.visitor();
      await arrive?.(visitor);
      const found = await crawl(visitor, start);
      const forgotten = [...found].filter(([pattern]) => !this.#looked.has(pattern) && !elsewhere.includes(pattern));
      assert.deepEqual(forgotten.map(([, example]) => example), [], 'pages that are not looked at');
      await visitor.leave();
    });
  }
}
