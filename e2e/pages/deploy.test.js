// @ts-check
// The steps of a deployment and the pages of a workload. They take a Kubernetes control plane, whose kubeconfig the variable names.
import { test } from 'node:test';
import { Mouse } from '../lib/hands.js';
import { beginDeployment, chooseCluster, signIn } from '../lib/people.js';
import { Stage } from '../lib/stage.js';

/** @typedef {import('../lib/page.js').Visitor} Visitor */

const kubeconfig = process.env.LLMHUB_TEST_KUBECONFIG;
const hand = new Mouse();

if (!kubeconfig) test('pages of a deployment', { skip: 'LLMHUB_TEST_KUBECONFIG is not set' }, () => {});
else {
  const stage = new Stage(['--kubeconfig', kubeconfig]);
  stage.looks('pages of a deployment', async (visitor) => {
    const { page } = visitor;
    await signIn(visitor, stage.demo.customer('jana.weber'));
    const begun = await beginDeployment(visitor, hand, 'licensed-app');
    const chosen = await chooseCluster(visitor, begun);
    await goOn(visitor, '**/licence');
    const draft = await beginDeployment(visitor, hand, 'valkey');
    await chooseCluster(visitor, draft);
    await goOn(visitor, '**/configuration');
    await page.getByRole('button', { name: /^Generate/ }).click();
    await goOn(visitor, '**/review');
    const workload = await deployed(visitor);
    const upgrade = await changed(visitor, workload);
    visitor.expectAnswer(422, `${begun}/licence`);
    visitor.expectAnswer(422, `${workload}/uninstall`);
    return [
      { name: 'deploy-chosen', path: chosen },
      { name: 'deploy-licence', path: `${begun}/licence` },
      { name: 'deploy-licence-refused', path: `${begun}/licence`, ready: async (p) => { await p.getByRole('main').locator('form[enctype] button.primary').click(); await p.getByRole('alert').waitFor(); } },
      { name: 'deploy-configuration', path: `${upgrade}/configuration`, ready: unfold },
      { name: 'deploy-review', path: `${upgrade}/review`, ready: unfold },
      { name: 'workloads-some', path: '/workloads' },
      { name: 'workload', path: workload, ready: unfold },
      { name: 'workload-agreement', path: `${workload}/agreement` },
      { name: 'workload-rollback', path: `${workload}/rollback` },
      { name: 'workload-rollback-asked', path: `${workload}/rollback?revision=1` },
      { name: 'workload-uninstall', path: `${workload}/uninstall` },
      { name: 'workload-uninstall-refused', path: `${workload}/uninstall`, ready: async (p) => { await p.locator('#typed').fill('another'); await p.locator('button.danger.solid').click(); await p.getByRole('alert').waitFor(); } },
      { name: 'workload-forget', path: `${workload}/forget` },
    ];
  });
}

/** Presses "Continue", with a namespace of one's own where it is asked for. @param {Visitor} visitor @param {string} to */
async function goOn({ page }, to) {
  const namespace = page.locator('#new_namespace');
  if (await namespace.count() > 0) await namespace.fill(`look-${Math.random().toString(36).slice(2, 10)}`);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(to);
}

/** Accepts what is asked for, deploys, and waits for the end. @param {Visitor} visitor */
async function deployed({ page }) {
  for (const box of await page.getByRole('main').getByRole('checkbox').all()) await box.check();
  await page.getByRole('button', { name: 'Deploy now' }).click();
  await page.waitForURL('**/workloads/wl_*');
  await page.locator('h1 + .lead .badge', { hasText: 'Ready' }).waitFor();
  return new URL(page.url()).pathname;
}

/** Begins to change a workload and returns the path of the draft. @param {Visitor} visitor @param {string} workload */
async function changed(visitor, workload) {
  const { page } = visitor;
  await visitor.goto(workload);
  await page.getByRole('button', { name: 'Change configuration' }).click();
  await page.waitForURL('**/configuration');
  return new URL(page.url()).pathname.replace(/\/configuration$/, '');
}

/** Opens what is folded, and goes back to the top, where nothing is covered. @param {import('playwright-core').Page} page */
async function unfold(page) {
  await page.locator('main details').evaluateAll((all) => { for (const e of all) e.setAttribute('open', ''); });
  await page.evaluate(() => scrollTo(0, 0));
}
