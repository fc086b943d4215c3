// @ts-check
// Products of the catalog are deployed to a real Kubernetes control plane: from the sign-in to Ready, in the ways in which people use
// the pages. What has arrived there is asked of the cluster itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { Cluster, kubeconfig, withoutCluster } from './lib/cluster.js';
import { Keyboard, Mouse } from './lib/hands.js';
import { Visitor } from './lib/page.js';
import { signIn } from './lib/people.js';
import { Demo } from './lib/server.js';
import { Wire } from './lib/wire.js';
import { Wizard } from './lib/wizard.js';

if (withoutCluster) test('deployments', { skip: withoutCluster }, () => undefined);
else deployments();

function deployments() {
  const cluster = new Cluster(kubeconfig);
  /** @type {Demo} */
  let demo;
  /** @type {import('playwright-core').Browser} */
  let browser;
  before(async () => { [demo, browser] = await Promise.all([Demo.start(['--kubeconfig', kubeconfig]), launch()]); });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    await cluster.tidy();
  });

  /**
   * Adds a test of a customer who has signed in. Afterwards the pages have to be clean, and what is named a secret must be in no answer
   * to the browser and in nothing that the program has said.
   * @param {string} name @param {{ script?: boolean, keyboard?: boolean }} how
   * @param {(customer: { visitor: Visitor, hand: import('./lib/hands.js').Hand, secret: (text: string) => string }) => Promise<unknown>} deploys
   */
  const journey = (name, { script = true, keyboard = false }, deploys) => test(name, async (t) => {
    const wire = await Wire.open();
    t.after(() => wire.close());
    const visitor = await Visitor.open(browser, demo.url, { script, proxy: wire.url });
    const hand = keyboard ? new Keyboard(visitor.page) : new Mouse();
    /** @type {string[]} */
    const secrets = [];
    await signIn(visitor, demo.customer('jana.weber'), hand);
    await deploys({ visitor, hand, secret: (text) => { secrets.push(text); return text; } });
    await visitor.leave();
    for (const text of secrets) {
      const found = wire.answersWith(text);
      assert.ok(found.of > 10, `${found.of} answers were looked into`);
      assert.deepEqual(found.with, [], 'a secret is in no answer');
      assert.ok(!demo.output.includes(text), 'a secret is in no log');
    }
  });

  journey('a data store with a password and a disk, by mouse', {}, async ({ visitor, hand, secret }) => {
    const { page } = visitor;
    const w = new Wizard(visitor, hand);
    const namespace = cluster.name();
    await w.begin('Valkey');
    await w.target({ namespace });
    await w.at('configuration');
    await hand.press(page.getByRole('button', { name: 'Generate Password' }));
    const password = secret(await page.getByLabel('Password', { exact: false }).first().inputValue());
    assert.match(password, /^\w{24}$/);
    await hand.choose(page.getByLabel('Storage class'), 'csi-nas');
    await hand.type(page.getByLabel('Size of the disk'), '3Gi');
    await w.next();
    await w.at('review');
    await w.assertPassed();
    const volume = page.getByRole('row').filter({ hasText: 'Volume' });
    assert.match(await volume.innerText(), /csi-nas\s+3 GiB/);
    const path = await w.deploy();
    await hand.press(page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Workloads' }));
    await hand.press(page.getByRole('row').filter({ hasText: namespace }).getByRole('link', { name: 'Valkey', exact: true }));
    assert.equal(new URL(page.url()).pathname, path, 'who has left comes back to it');
    await w.state('ready').waitFor();

    const release = await page.locator('.lead code').innerText();
    const [helm] = await cluster.releases(namespace, release);
    assert.equal(helm.info.status, 'deployed');
    assert.deepEqual(helm.config, {
      auth: { password }, maxMemory: '256mb', persistence: { enabled: true, size: '3Gi', storageClass: 'csi-nas' },
    }, 'the values have arrived with their types');
    assert.ok((await cluster.secret(namespace, release))['auth.conf'].includes(password), 'the password is where Valkey reads it');
    const [claim] = await cluster.list(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`);
    assert.equal(claim.spec.storageClassName, 'csi-nas');
    assert.equal((await cluster.readyPods(namespace)).length, 1);
  });

  journey('an application with a licence of its own, by keyboard alone', { keyboard: true }, async ({ visitor, hand, secret }) => {
    const { page } = visitor;
    const file = secret('BEGIN-LICENCE-4b1d9\nfor one server\n'), text = secret('pasted-licence-77c0e');
    const namespace = await cluster.namespace(), release = 'our-app';
    await hand.press(page.getByRole('button', { name: 'Deutsch' }));
    await page.locator('html[lang="de"]').waitFor();
    const w = new Wizard(visitor, hand, 'de');
    const summary = page.getByRole('complementary', { name: w.words.summary });
    await w.begin('Licensed App');
    await w.target({ namespace, existing: true, release });
    await w.at('licence');
    visitor.expectAnswer(422, new URL(page.url()).pathname);
    await w.next();
    await page.getByRole('alert').waitFor();
    await hand.give(page.getByLabel(w.words.licenceFile), { name: 'bought.txt', mimeType: 'text/plain', buffer: Buffer.from(file) });
    await w.next();
    await w.at('configuration');
    await summary.getByText('bought.txt (35 B)').waitFor();
    await hand.type(page.getByLabel('Titel der Seite'), 'Unser Fuhrpark');
    await hand.press(page.getByRole('button', { name: 'Speichern', exact: true }));
    await page.getByText('Die Konfiguration ist gespeichert.').waitFor();

    await w.goTo('target');
    assert.equal(await page.getByLabel(w.words.namespace).inputValue(), namespace);
    assert.equal(await page.getByLabel(w.words.release).inputValue(), release);
    await w.next();
    await w.at('licence');
    await page.getByRole('heading', { name: /^Eine Lizenz ist hinterlegt/ }).waitFor();
    await w.next();
    await w.at('configuration');
    assert.equal(await page.getByLabel('Titel der Seite').inputValue(), 'Unser Fuhrpark', 'Back has lost nothing');
    await w.next();
    await w.at('review');
    await w.assertPassed();
    await w.goTo('licence');
    await hand.type(page.getByLabel(w.words.licenceText), text);
    await w.next();
    await w.at('configuration');
    await summary.getByText('Text, 20 B').waitFor();
    await w.next();
    await w.deploy();
    await w.state('ready').waitFor();

    assert.deepEqual(await cluster.secret(namespace, 'licensed-app-licence'), { 'licence.txt': text }, 'the text has replaced the file');
    const [helm] = await cluster.releases(namespace, release);
    assert.deepEqual([helm.info.status, helm.config.page.title], ['deployed', 'Unser Fuhrpark']);
    assert.equal((await cluster.readyPods(namespace)).length, 1);
  });

  journey('a web page, without JavaScript', { script: false }, async ({ visitor, hand }) => {
    const { page } = visitor;
    const namespace = cluster.name();
    const w = new Wizard(visitor, hand);
    await w.begin('Web Page');
    await w.target({ namespace, release: 'hello' });
    await w.at('configuration');
    await hand.type(page.getByLabel('Title'), '');
    await hand.type(page.getByLabel('Text', { exact: true }), 'It is <b>ours</b>: {{ .Values.replicas }}');
    await hand.choose(page.getByLabel('Servers'), '3');
    visitor.expectAnswer(422, new URL(page.url()).pathname);
    await w.next();
    await page.getByRole('alert').getByRole('link', { name: /^Title/ }).waitFor();
    assert.equal(await page.getByLabel('Servers').inputValue(), '3', 'what is wrong does not lose the rest');
    await hand.type(page.getByLabel('Title'), 'Hello');
    await w.next();
    await w.at('review');
    await w.assertPassed();
    await w.deploy();
    for (const end = Date.now() + 60_000; await w.state('ready').count() === 0;) {
      assert.ok(Date.now() < end, 'it does not become ready');
      await hand.press(page.getByRole('link', { name: 'Refresh' }).or(page.getByRole('link', { name: 'Overview' })).first());
    }
    const [helm] = await cluster.releases(namespace, 'hello');
    assert.deepEqual(helm.config, {
      page: { title: 'Hello', text: 'It is <b>ours</b>: {{ .Values.replicas }}' }, replicas: 3, service: { type: 'ClusterIP' },
    }, 'a number of the list has arrived as a number, and a text as a text');
    assert.equal((await cluster.readyPods(namespace)).length, 3);
  });

  journey('a workload from the first deployment to its removal', {}, async ({ visitor, hand }) => {
    const { page } = visitor;
    const main = page.getByRole('main');
    const namespace = await cluster.namespace(), release = 'inspector';
    const w = new Wizard(visitor, hand);
    const revisions = async () => (await cluster.releases(namespace, release)).map((r) => [r.info.status, r.config.displayName]);
    await w.begin('Request Inspector');
    await w.target({ namespace, existing: true, release });
    await w.at('configuration');
    await hand.choose(page.getByLabel('Reachable from'), 'LoadBalancer');
    await w.next();
    await w.at('review');
    await page.getByRole('row').filter({ hasText: 'Load balancer' }).waitFor();
    const path = await w.deploy();
    await w.state('ready').waitFor();
    await main.getByText('192.0.2.10').first().waitFor();

    await hand.press(main.getByRole('button', { name: 'Change configuration' }));
    await w.at('configuration');
    assert.equal(await page.getByLabel('Reachable from').inputValue(), 'LoadBalancer', 'it starts from what is deployed');
    await hand.type(page.getByLabel('Name', { exact: true }), 'second');
    await w.next();
    await w.at('review');
    await page.getByRole('row', { name: /changed.*Deployment/i }).waitFor();
    await w.deploy('upgrade');
    await w.state('ready').waitFor();
    assert.deepEqual(await revisions(), [['superseded', 'inspector'], ['deployed', 'second']]);

    await hand.press(main.getByRole('link', { name: 'Roll back' }));
    await hand.press(main.getByRole('row').filter({ has: page.getByRole('rowheader', { name: '1', exact: true }) }).getByRole('link', { name: 'Choose' }));
    await hand.press(main.getByRole('button', { name: 'Roll back to revision 1' }));
    await page.waitForURL((url) => url.pathname === path);
    await w.state('ready').waitFor();
    assert.deepEqual(await revisions(), [['superseded', 'inspector'], ['superseded', 'second'], ['deployed', 'inspector']]);
    const done = await page.getByRole('region', { name: 'History' }).getByRole('rowheader').allInnerTexts();
    assert.deepEqual(done.map((text) => text.split(',')[0]), ['Rollback', 'Upgrade', 'Deployment']);

    await hand.press(main.getByRole('link', { name: 'Uninstall' }));
    const typed = page.getByLabel(`Type the release name ${release}`);
    visitor.expectAnswer(422, `${path}/uninstall`);
    await hand.type(typed, 'inspecter');
    await hand.press(main.getByRole('button', { name: 'Uninstall' }));
    await page.getByRole('alert').waitFor();
    assert.equal((await cluster.readyPods(namespace)).length, 1, 'a wrong name removes nothing');
    await hand.type(typed, release);
    await hand.press(main.getByRole('button', { name: 'Uninstall' }));
    await page.waitForURL((url) => url.pathname === path);
    await w.state('removed').waitFor();
    assert.deepEqual(await revisions(), []);
    assert.equal((await cluster.list(`/apis/apps/v1/namespaces/${namespace}/deployments`)).length, 0);
    await visitor.goto('/workloads');
    assert.equal(await main.getByRole('row').filter({ hasText: namespace }).count(), 0);
    await hand.press(main.getByRole('link', { name: /^Removed/ }));
    await main.getByRole('row').filter({ hasText: namespace }).filter({ hasText: 'Removed' }).waitFor();
  });

  journey('what keeps from deploying is said before', {}, async ({ visitor, hand }) => {
    const { page } = visitor;
    const w = new Wizard(visitor, hand);
    const namespace = await cluster.namespace();
    await cluster.quota(namespace, { hard: { pods: '1', 'requests.cpu': '30m', 'requests.memory': '64Mi', 'limits.memory': '256Mi' } });
    await cluster.otherRelease(namespace, 'taken');
    await w.begin('Web Page');
    visitor.expectAnswer(422, new URL(page.url()).pathname);
    await w.target({ namespace, existing: true, release: 'taken' });
    await page.getByRole('alert').getByText('there is a release of this name in the namespace already').waitFor();
    await hand.type(page.getByLabel(w.words.release), 'free');
    await w.next();
    await w.at('configuration');
    await cluster.otherRelease(namespace, 'free');
    await w.next();
    await w.at('review');
    const button = page.getByRole('button', { name: 'Deploy now' });
    assert.deepEqual([await w.check('Release name').innerText(), await w.check('Quota of the namespace').innerText()], ['failed', 'failed']);
    await page.getByText('pods: 2 asked for, 0 of 1 used').waitFor({ state: 'attached' });
    assert.ok(await button.isDisabled());

    await w.goTo('target');
    await hand.type(page.getByLabel(w.words.release), 'still-free');
    await w.next();
    await w.at('configuration');
    await w.next();
    await w.at('review');
    assert.deepEqual([await w.check('Release name').innerText(), await w.check('Quota of the namespace').innerText()], ['passed', 'failed']);
    assert.ok(await button.isDisabled());
    await cluster.remove(`/api/v1/namespaces/${namespace}/resourcequotas/tight`);
    await hand.press(page.getByRole('link', { name: 'Check again' }).first());
    await page.getByRole('checkbox', { name: w.words.accept }).first().waitFor();
    await w.assertPassed();
    assert.ok(await button.isEnabled());
    await hand.press(page.getByRole('button', { name: 'Discard' }));
    await page.getByText('The draft has been discarded.').waitFor();
  });

  /** Begins a deployment of two pods where a quota, which holds for pods of its kind only, lets one be. @param {import('./lib/page.js').Visitor} visitor @param {import('./lib/hands.js').Hand} hand */
  const halfDeployed = async (visitor, hand) => {
    const namespace = await cluster.namespace();
    await cluster.quota(namespace, { hard: { pods: '1' }, scopes: ['NotBestEffort'] });
    const w = new Wizard(visitor, hand);
    await w.begin('Web Page');
    await w.target({ namespace, existing: true, release: 'half' });
    await w.at('configuration');
    await w.next();
    const path = await w.deploy();
    await visitor.page.getByText('1 of 2 pods ready', { exact: true }).waitFor();
    await listen(visitor.page);
    return { w, namespace, path };
  };

  journey('progress is seen as it comes, and told', {}, async ({ visitor, hand }) => {
    const { page } = visitor;
    const { w, namespace, path } = await halfDeployed(visitor, hand);
    const progress = page.getByRole('region', { name: 'Deployment' });
    await progress.getByText('The quota of the namespace is used up.').waitFor();
    await hand.press(progress.getByText('Details', { exact: true }));
    await progress.locator('details code').filter({ hasText: 'exceeded quota' }).waitFor();
    await visitor.goto('/workloads?state=pending');
    await hand.press(page.getByRole('row').filter({ hasText: namespace }).getByRole('link', { name: 'Web Page', exact: true }));
    assert.equal(new URL(page.url()).pathname, path);
    await progress.getByText('1 of 2 pods ready', { exact: true }).waitFor();
    await listen(page);
    await cluster.free(namespace);
    await w.state('ready').waitFor();
    await assertHeard(page, 'Ready');
    await page.getByRole('region', { name: 'Resources' }).waitFor();
    assert.equal((await cluster.readyPods(namespace)).length, 2);
  });

  journey('a deployment that fails says why, and can be removed', {}, async ({ visitor, hand }) => {
    const { page } = visitor;
    const { w, namespace, path } = await halfDeployed(visitor, hand);
    await cluster.remove(`/api/v1/namespaces/${namespace}`);
    await w.state('error').waitFor();
    await assertHeard(page, 'Error');
    await page.getByText('The namespace does not exist any more, or is being deleted.').first().waitFor();
    await hand.press(page.getByRole('button', { name: 'Deutsch' }));
    await page.getByText('Den Namespace gibt es nicht mehr, oder er wird gerade gelöscht.').first().waitFor();
    await hand.press(page.getByRole('button', { name: 'English' }));
    await page.locator('html[lang="en"]').waitFor();
    await hand.press(page.getByRole('link', { name: 'Uninstall' }));
    await hand.type(page.getByLabel(/^Type the release name/), 'half');
    await hand.press(page.getByRole('button', { name: 'Uninstall' }));
    await page.waitForURL((url) => url.pathname === path);
    await w.state('removed').waitFor();
  });
}

/** Begins to note what a page announces, for as long as it is not loaded anew. @param {import('playwright-core').Page} page */
function listen(page) {
  return page.evaluate(() => {
    const announcer = document.getElementById('announcer');
    /** @type {string[]} */
    const said = [];
    Object.assign(globalThis, { said });
    new MutationObserver(() => { if (announcer?.textContent) said.push(announcer.textContent); }).observe(/** @type {Node} */ (announcer), { childList: true });
  });
}

/** Checks that a page has announced an end, has said nothing twice, and was not loaded anew. @param {import('playwright-core').Page} page @param {string} end */
async function assertHeard(page, end) {
  await page.locator('#announcer').filter({ hasText: end }).waitFor({ state: 'attached' });
  /** @type {string[] | undefined} */
  const said = await page.evaluate(() => /** @type {any} */ (globalThis).said);
  assert.ok(said, 'the page was loaded anew');
  assert.deepEqual(said, [...new Set(said)], 'nothing is said twice');
}
