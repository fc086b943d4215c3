// @ts-check
import assert from 'node:assert/strict';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Response} Response */
/** @typedef {{ script?: boolean, width?: number, height?: number, language?: 'en' | 'de', proxy?: string }} Options */

/**
 * Somebody at the portal: a browser context of their own with one page. Everything that a clean page does not do is
 * collected: violations of the content policy, messages in the console, errors, failed requests, answers of 400 and
 * above, requests to anybody else, and dialogs.
 */
export class Visitor {
  /** @type {string[]} */
  #faults = [];
  /** @type {{ status: number, path: string }[]} */
  #announced = [];
  /** @type {Map<string, 'accept' | 'dismiss'>} */
  #dialogs = new Map();

  /** @param {string} url @param {Page} page */
  constructor(url, page) {
    this.url = url;
    this.page = page;
  }

  /** @param {import('playwright-core').Browser} browser @param {string} url @param {Options} [options] */
  static async open(browser, url, { script = true, width = 1280, height = 800, language = 'en', proxy } = {}) {
    const context = await browser.newContext({
      baseURL: url, viewport: { width, height }, locale: language, timezoneId: 'Europe/Berlin', javaScriptEnabled: script,
      reducedMotion: 'reduce', colorScheme: 'light', permissions: ['clipboard-read', 'clipboard-write'],
      proxy: proxy ? { server: proxy } : undefined,
    });
    context.setDefaultTimeout(30_000);
    const visitor = new Visitor(url, await context.newPage());
    await visitor.#watch();
    return visitor;
  }

  async #watch() {
    const { page } = this;
    await page.exposeFunction('reportViolation', (/** @type {string} */ text) => this.#faults.push(`content policy: ${text}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => {
        const report = /** @type {Record<string, (text: string) => void>} */ (/** @type {unknown} */ (globalThis)).reportViolation;
        report(`${e.effectiveDirective} forbids ${e.blockedURI} in ${e.sourceFile}:${e.lineNumber} ${e.sample}`);
      });
    });
    page.on('console', (message) => {
      const loading = /Failed to load resource: the server responded with a status of (\d+)/.exec(message.text());
      if (loading && this.#isAnnounced(Number(loading[1]), message.location().url)) return;
      if (['error', 'warning'].includes(message.type())) this.#faults.push(`console: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => this.#faults.push(`error in a script: ${error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (!['data:', 'blob:', 'about:'].includes(url.protocol) && url.origin !== this.url) this.#faults.push(`request to another site: ${url}`);
    });
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      // The browser itself breaks off what a newer request replaces, and the navigation that turns into a download.
      if (why === 'net::ERR_ABORTED') return;
      this.#faults.push(`request failed: ${request.method()} ${request.url()}: ${why}`);
    });
    page.on('response', (answer) => {
      if (answer.status() < 400 || this.#isAnnounced(answer.status(), answer.url())) return;
      this.#faults.push(`answer ${answer.status()}: ${answer.request().method()} ${answer.url()}`);
    });
    page.on('dialog', async (dialog) => {
      const answer = this.#dialogs.get(dialog.type());
      if (!answer) this.#faults.push(`dialog: ${dialog.type()} ${dialog.message()}`);
      await (answer === 'accept' ? dialog.accept() : dialog.dismiss());
    });
  }

  /** Says how dialogs of the browser are answered; by default there are none. @param {'beforeunload'} type @param {'accept' | 'dismiss'} answer */
  answerDialogs(type, answer) { this.#dialogs.set(type, answer); }

  /** Says that an answer of 400 or above is what the test is about. @param {number} status @param {string} path */
  expectAnswer(status, path) { this.#announced.push({ status, path }); }

  /** @param {number} status @param {string} url */
  #isAnnounced(status, url) {
    return this.#announced.some((a) => a.status === status && new URL(url).pathname === a.path);
  }

  /** Opens a path; the answer has to be the given one. @param {string} path @param {number} [status] */
  async goto(path, status = 200) {
    if (status >= 400) this.expectAnswer(status, new URL(path, this.url).pathname);
    const answer = await this.page.goto(path);
    assert.equal(answer?.status(), status, `status of ${path}`);
    return /** @type {Response} */ (answer);
  }

  /** Sets language and theme as the buttons of the bar do. @param {'en' | 'de'} language @param {'light' | 'dark'} theme */
  async prefer(language, theme) {
    await this.page.context().addCookies([
      { name: 'llmhub_language', value: language, url: this.url }, { name: 'llmhub_theme', value: theme, url: this.url },
    ]);
  }

  /** What has happened so far that a clean page does not do. */
  get faults() { return [...this.#faults]; }

  /** Fails if anything has happened that a clean page does not do. */
  assertClean() {
    assert.deepEqual(this.#faults, [], 'the pages are not clean');
  }

  /** Checks that all was clean, and leaves. */
  async leave() {
    await this.page.context().close();
    this.assertClean();
  }
}
