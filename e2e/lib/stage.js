// @ts-check
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { lookAt } from './matrix.js';
import { Visitor } from './page.js';
import { Demo } from './server.js';

/** @typedef {import('./matrix.js').Look} Look */

/** What the tests of a file share: one demo and one browser, from before the first test to after the last. */
export class Stage {
  /** @type {Demo | undefined} */
  #demo;
  /** @type {import('playwright-core').Browser | undefined} */
  #browser;

  constructor() {
    before(async () => { [this.#demo, this.#browser] = await Promise.all([Demo.start(), launch()]); });
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
      for (const look of looks) await t.test(`${look.name}: ${look.path}`, () => lookAt(visitor, look));
      await visitor.leave();
    });
  }
}
