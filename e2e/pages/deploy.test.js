// @ts-check
// The pages of a deployment, with a real Kubernetes control plane behind them: the steps before, the progress, and what can be done
// with a workload.
import { after, test } from 'node:test';
import { Cluster, kubeconfig, withoutCluster } from '../lib/cluster.js';
import { Mouse } from '../lib/hands.js';
import { signIn } from '../lib/people.js';
import { Stage } from '../lib/stage.js';
import { Wizard } from '../lib/wizard.js';

if (withoutCluster) test('pages of a deployment', { skip: withoutCluster }, () => undefined);
else pages();

function pages() {
  const stage = new Stage(['--kubeconfig', kubeconfig]);
  const cluster = new Cluster(kubeconfig);
  const hand = new Mouse();
  after(() => cluster.tidy());

  /** @param {import('../lib/page.js').Visitor} visitor */
  const arrive = async (visitor) => {
    await signIn(visitor, stage.demo.customer('jana.weber'));
    return new Wizard(visitor, hand);
  };
  /** The path of the page that is shown, without its last part. @param {import('playwright-core').Page} page */
  const base = (page) => new URL(page.url()).pathname.replace(/\/[^/]+$/, '');

  stage.looks('pages of a deployment that is prepared', async (visitor) => {
    const { page } = visitor;
    const w = await arrive(visitor);
    await w.begin('Valkey');
    await w.target({ namespace: cluster.name() });
    await hand.press(page.getByRole('button', { name: 'Generate Password' }));
    await w.next();
    await w.at('review');
    const good = base(page);

    await w.begin('Licensed App');
    await w.target({ namespace: cluster.name() });
    await w.at('licence');
    const empty = base(page);

    const namespace = await cluster.namespace();
    await cluster.quota(namespace, { hard: { pods: '0', 'requests.cpu': '1', 'requests.memory': '1Gi', 'limits.memory': '1Gi' } });
    await w.begin('Licensed App');
    await w.target({ namespace, existing: true, release: 'x'.repeat(53) });
    await w.at('licence');
    await hand.type(page.getByLabel(w.words.licenceText), 'looked-at');
    await w.next();
    await w.at('configuration');
    await w.next();
    await w.at('review');
    const bad = base(page);
    visitor.expectAnswer(422, `${good}/configuration`);
    visitor.expectAnswer(422, `${empty}/licence`);
    return [
      { name: 'deploy-target', path: `${bad}/target`, brief: true },
      { name: 'deploy-licence', path: `${bad}/licence`, brief: true },
      { name: 'deploy-licence-refused', path: `${empty}/licence`, brief: true, ready: refusedLicence },
      { name: 'deploy-configuration', path: `${good}/configuration`, brief: true, ready: unfold },
      { name: 'deploy-review', path: `${good}/review`, brief: true, ready: reviewed },
      { name: 'deploy-review-blocked', path: `${bad}/review`, brief: true, ready: reviewed },
      // What was wrong stays, and keeps from the review.
      { name: 'deploy-configuration-refused', path: `${good}/configuration`, brief: true, ready: refusedSize },
    ];
  });

  stage.looks('pages of workloads', async (visitor) => {
    const { page } = visitor;
    const w = await arrive(visitor);
    /** @param {string} product @param {string} namespace */
    const deploy = async (product, namespace) => {
      await w.begin(product);
      await w.target({ namespace, existing: true, release: 'looked-at' });
      await w.at('configuration');
      await w.next();
      return w.deploy();
    };
    const half = await cluster.namespace(), gone = await cluster.namespace(), whole = await cluster.namespace();
    for (const name of [half, gone]) await cluster.quota(name, { hard: { pods: '1' }, scopes: ['NotBestEffort'] });
    const failed = await deploy('Web Page', gone);
    await page.getByText('1 of 2 pods ready', { exact: true }).waitFor();
    await cluster.remove(`/api/v1/namespaces/${gone}`);
    const running = await deploy('Web Page', half);
    const ready = await deploy('Request Inspector', whole);
    await w.state('ready').waitFor();
    /** @param {string} name */
    const change = async (name) => {
      await hand.press(page.getByRole('button', { name: 'Change configuration' }));
      await w.at('configuration');
      await hand.type(page.getByLabel('Name', { exact: true }), name);
      await w.next();
      await w.at('review');
      return base(page);
    };
    await change('second');
    await w.deploy('upgrade');
    await w.state('ready').waitFor();
    const upgrade = await change('third');
    await visitor.goto(failed);
    await w.state('error').waitFor();
    visitor.expectAnswer(422, `${ready}/uninstall`);
    return [
      { name: 'workload-list', path: '/workloads', brief: true },
      { name: 'workload-running', path: running, brief: true },
      { name: 'workload-failed', path: failed, brief: true, ready: unfold },
      { name: 'workload-ready', path: ready, brief: true, ready: unfold },
      { name: 'workload-agreement', path: `${ready}/agreement`, brief: true },
      { name: 'workload-change', path: `${upgrade}/configuration`, brief: true, ready: unfold },
      { name: 'workload-upgrade', path: `${upgrade}/review`, brief: true, ready: reviewed },
      { name: 'workload-revisions', path: `${ready}/rollback`, brief: true },
      { name: 'workload-rollback', path: `${ready}/rollback?revision=1`, brief: true },
      { name: 'workload-uninstall', path: `${ready}/uninstall`, brief: true, ready: refusedName },
      { name: 'workload-forget', path: `${ready}/forget`, brief: true },
    ];
  });
}

/** Unfolds all that is folded up. @param {import('playwright-core').Page} page */
function unfold(page) {
  return page.evaluate(() => { for (const fold of document.querySelectorAll('main details')) fold.setAttribute('open', ''); });
}

/** @param {import('playwright-core').Page} page */
async function reviewed(page) {
  await page.locator('#checks').waitFor();
  await unfold(page);
}

/** @param {import('playwright-core').Page} page */
async function refusedLicence(page) {
  await page.locator('main form[enctype] button.primary').click();
  await page.getByRole('alert').waitFor();
}

/** @param {import('playwright-core').Page} page */
async function refusedSize(page) {
  await page.locator('input[name="f.persistence.size"]').fill('much');
  await page.locator('button[name="then"][value="review"]').click();
  await page.getByRole('alert').waitFor();
}

/** @param {import('playwright-core').Page} page */
async function refusedName(page) {
  await page.locator('#typed').fill('another');
  await page.locator('main form button.danger').click();
  await page.getByRole('alert').waitFor();
}
