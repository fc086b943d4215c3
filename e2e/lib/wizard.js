// @ts-check
// What a customer does to deploy a product, as steps that tests share, in both languages.
import assert from 'node:assert/strict';

/** @typedef {import('./page.js').Visitor} Visitor */
/** @typedef {import('./hands.js').Hand} Hand */
/** @typedef {keyof typeof words} Language */
/** @typedef {{ project?: string, cluster?: string, namespace: string, existing?: boolean, release?: string }} Target */

/** What the pages call things. */
export const words = {
  en: {
    navigation: 'Main navigation', catalog: 'Catalog', workloads: 'Workloads', configure: 'Configure to deploy', project: /^Project/, cluster: /^Cluster/, namespace: /^Namespace/,
    newNamespace: /^Name of the new namespace/, release: /^Release name/, next: 'Continue', target: 'Target', licence: 'Licence', configuration: 'Configuration', review: 'Review', summary: 'Summary',
    licenceFile: 'Licence file', licenceText: 'or the licence as text', entered: /has been entered/, accept: /^I accept/, deploy: 'Deploy now', upgrade: 'Upgrade now', checks: 'Checks', passed: 'passed',
    warning: 'warning', failed: 'failed', confirm: /^I have read the warnings/, ready: 'Ready', error: 'Error', removed: 'Removed', refresh: 'Refresh',
  },
  de: {
    navigation: 'Hauptnavigation', catalog: 'Katalog', workloads: 'Workloads', configure: 'Für das Deployment konfigurieren', project: /^Projekt/, cluster: /^Cluster/, namespace: /^Namespace/,
    newNamespace: /^Name des neuen Namespace/, release: /^Release-Name/, next: 'Weiter', target: 'Ziel', licence: 'Lizenz', configuration: 'Konfiguration', review: 'Prüfung', summary: 'Zusammenfassung',
    licenceFile: 'Lizenzdatei', licenceText: 'oder die Lizenz als Text', entered: /Ist eingegeben/, accept: /^Ich akzeptiere/, deploy: 'Jetzt bereitstellen', upgrade: 'Jetzt aktualisieren', checks: 'Prüfungen', passed: 'bestanden',
    warning: 'Warnung', failed: 'fehlgeschlagen', confirm: /^Ich habe die Warnungen gelesen/, ready: 'Bereit', error: 'Fehler', removed: 'Entfernt', refresh: 'Aktualisieren',
  },
};

/** A customer who has signed in and deploys. */
export class Wizard {
  /** @param {Visitor} visitor @param {Hand} hand @param {Language} [language] that the pages have */
  constructor(visitor, hand, language = 'en') {
    this.page = visitor.page;
    this.main = visitor.page.getByRole('main');
    this.hand = hand;
    this.words = words[language];
  }

  /** Finds a product in the catalog and begins to deploy it. @param {string} product */
  async begin(product) {
    const { hand, page, main } = this;
    await hand.press(page.getByRole('navigation', { name: this.words.navigation }).getByRole('link', { name: this.words.catalog }));
    await hand.press(main.getByRole('link', { name: product, exact: true }).first());
    await hand.press(main.getByRole('button', { name: this.words.configure }));
    await this.at('target');
  }

  /** Says where to. @param {Target} target */
  async target({ project = 'eu-de', cluster = 'production', namespace, existing = false, release = '' }) {
    const { hand, main } = this;
    await this.#pick(main.getByLabel(this.words.project), project, this.words.cluster);
    await this.#pick(main.getByLabel(this.words.cluster), cluster, this.words.namespace);
    if (existing) await hand.choose(main.getByLabel(this.words.namespace), namespace);
    else await hand.type(main.getByLabel(this.words.newNamespace), namespace);
    if (release) await hand.type(main.getByLabel(this.words.release), release);
    await this.next();
  }

  /**
   * Chooses by the text of an option; without JavaScript a button has to be pressed to be asked what comes after.
   * @param {import('playwright-core').Locator} list @param {string} text @param {RegExp} after
   */
  async #pick(list, text, after) {
    const option = list.locator('option').filter({ hasText: new RegExp(`^${text}( · |$)`) });
    await this.hand.choose(list, await option.getAttribute('value') ?? '');
    const button = this.main.getByRole('button', { name: this.words.next }).first();
    if (await button.isVisible() && !await this.main.getByLabel(after).isVisible()) await this.hand.press(button);
    await this.main.getByLabel(after).waitFor();
  }

  /** Presses the button that leads on. */
  next() { return this.hand.press(this.main.getByRole('button', { name: this.words.next, exact: true }).last()); }

  /** Waits for a step. @param {'target' | 'licence' | 'configuration' | 'review'} step */
  at(step) { return this.page.getByRole('listitem').filter({ hasText: this.words[step] }).and(this.page.locator('[aria-current="step"]')).waitFor(); }

  /** Goes to a step by the list of steps. @param {'target' | 'licence' | 'configuration' | 'review'} step */
  async goTo(step) {
    await this.hand.press(this.page.locator('.wizard').getByRole('link', { name: this.words[step] }));
    await this.at(step);
  }

  /** The outcome of a check of the review. @param {string} name */
  check(name) { return this.page.getByRole('region', { name: this.words.checks }).getByRole('listitem').filter({ hasText: name }).locator('.word'); }

  /** Checks that no check has failed or warned. */
  async assertPassed() {
    const outcomes = await this.page.getByRole('region', { name: this.words.checks }).locator('li').allInnerTexts();
    assert.ok(outcomes.length > 5, `${outcomes.length} checks`);
    for (const text of outcomes) assert.ok(text.trim().endsWith(this.words.passed), text);
  }

  /** Accepts what is to be accepted and deploys. Returns the path of the workload. @param {'deploy' | 'upgrade'} [verb] */
  async deploy(verb = 'deploy') {
    await this.at('review');
    const consents = this.main.getByRole('checkbox', { name: this.words.accept });
    for (const box of await consents.all()) {
      assert.equal(await box.isChecked(), false, 'a consent is ticked by nobody but the customer');
      await this.hand.tick(box);
    }
    await this.hand.press(this.main.getByRole('button', { name: this.words[verb], exact: true }));
    await this.page.waitForURL(/\/workloads\/wl_/);
    return new URL(this.page.url()).pathname;
  }

  /** The state of the workload that is shown. @param {'ready' | 'error' | 'removed'} state */
  state(state) { return this.main.locator('#workload .head .badge').filter({ hasText: new RegExp(`^${this.words[state]}$`) }); }
}
