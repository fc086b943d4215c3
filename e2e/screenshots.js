// @ts-check
// Makes the pictures of docs/screenshots from a demo: testcluster/with.sh npm --prefix e2e run screenshots, after make build.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './lib/browser.js';
import { Cluster, kubeconfig, withoutCluster } from './lib/cluster.js';
import { Mouse } from './lib/hands.js';
import { Visitor } from './lib/page.js';
import { signIn, signInOperator, submitProfile } from './lib/people.js';
import { compressed } from './lib/png.js';
import { Demo } from './lib/server.js';
import { Wizard } from './lib/wizard.js';

/** @typedef {import('playwright-core').Page} Page */

const folder = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));
const maxBytes = 150 << 10;

if (withoutCluster) throw new Error(withoutCluster);
const cluster = new Cluster(kubeconfig);
const demo = await Demo.start(['--kubeconfig', kubeconfig]);
const browser = await launch();
try {
  await customerPictures();
  await deploymentPictures();
  await operatorPictures();
} finally {
  await browser.close();
  await demo.stop();
  await cluster.tidy();
}

async function customerPictures() {
  const newcomer = await visitor();
  await signIn(newcomer, demo.customer('lars.petersen'));
  await submitProfile(newcomer, new Mouse(), 'Petersen Reederei GmbH');
  const customer = await visitor();
  const { page } = customer;
  await signIn(customer, demo.customer('jana.weber'));
  await customer.goto('/subscriptions');
  const subscription = await page.getByRole('link', { name: /^Manage/ }).first().getAttribute('href') ?? '';
  await customer.prefer('de', 'light');
  await picture(customer, 'catalog', '/catalog');
  await picture(customer, 'keys', subscription);
  await picture(customer, 'consumption', `${subscription}/consumption`);
  await customer.prefer('de', 'dark');
  await picture(customer, 'key-once', `${subscription}/keys/new`, async () => {
    await page.locator('#name').fill('checkout-assistant');
    await page.locator('main form[method="post"] button.primary').click();
    await page.locator('#new-key').waitFor();
  });
}

async function deploymentPictures() {
  const customer = await visitor();
  const { page } = customer;
  await signIn(customer, demo.customer('jana.weber'));
  const w = new Wizard(customer, new Mouse());
  const deploy = async (/** @type {string} */ product, /** @type {string} */ namespace) => {
    await w.begin(product);
    await w.target({ namespace: cluster.name(namespace), release: namespace });
    if (product === 'Valkey') await page.getByRole('button', { name: 'Generate Password' }).click();
    await w.next();
    await w.at('review');
  };
  await deploy('Web Page', 'landing-page');
  await w.deploy();
  await deploy('Request Inspector', 'edge-check');
  await w.deploy();
  await deploy('Valkey', 'session-store');
  await customer.prefer('de', 'light');
  await picture(customer, 'deploy-review', new URL(page.url()).pathname);
  await customer.prefer('en', 'light');
  await page.reload();
  const workload = await w.deploy();
  await w.state('ready').waitFor();
  await customer.prefer('de', 'light');
  await picture(customer, 'workload', workload);
  await customer.prefer('de', 'dark');
  await picture(customer, 'workloads', '/workloads');
}

async function operatorPictures() {
  const operator = await visitor();
  await signInOperator(operator, demo.operator);
  await operator.page.getByRole('link', { name: 'Review Petersen' }).click();
  await operator.page.getByRole('button', { name: 'Approve profile' }).click();
  const customer = await visitor();
  await signIn(customer, demo.customer('lars.petersen'));
  await customer.prefer('de', 'light');
  await picture(customer, 'subscribe', '/catalog/llm-hub');
  await operator.prefer('de', 'dark');
  await picture(operator, 'operator-usage', '/operator/usage');
}

async function visitor() {
  const v = await Visitor.open(browser, demo.url);
  await v.prefer('en', 'light');
  v.answerDialogs('beforeunload', 'accept');
  return v;
}

/** Takes the first screen of a page. @param {Visitor} v @param {string} name @param {string} path @param {() => Promise<void>} [ready] */
async function picture(v, name, path, ready) {
  await v.goto(path);
  await ready?.();
  await v.page.evaluate(() => document.fonts.ready.then(() => undefined));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.png`);
  const png = compressed(await v.page.screenshot());
  if (png.length > maxBytes) throw new Error(`${file} has ${png.length} bytes, more than ${maxBytes}`);
  writeFileSync(file, png);
}
