// @ts-check
// The Kubernetes control plane behind the customers' clusters, asked as kubectl asks it.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { gunzipSync, gzipSync } from 'node:zlib';

/** The kubeconfig of the control plane that is deployed to; testcluster/with.sh sets it. Empty if there is none. */
export const kubeconfig = process.env.LLMHUB_TEST_KUBECONFIG ?? '';
if (kubeconfig === '' && process.env.CI) throw new Error('LLMHUB_TEST_KUBECONFIG names no control plane: run testcluster/with.sh ./test-e2e.sh');

/** Why tests that deploy are skipped; false if they are not. */
export const withoutCluster = kubeconfig === '' && 'LLMHUB_TEST_KUBECONFIG is not set: testcluster/with.sh ./test-e2e.sh sets it';

/**
 * An object of Kubernetes, as far as the tests read it.
 * @typedef {{ metadata: { name: string, namespace?: string, labels?: Record<string, string> }, data?: Record<string, string>, spec?: any, status?: any }} KubeObject
 */
/** @typedef {{ version: number, info: { status: string }, config: Record<string, any> }} Release */

/** A control plane, and the namespaces that a test has there. */
export class Cluster {
  #server;
  #agent;
  /** @type {string[]} */
  #namespaces = [];

  /** @param {string} path of a kubeconfig with one cluster and one user who has a certificate */
  constructor(path) {
    const text = readFileSync(path, 'utf8');
    const value = (/** @type {string} */ key) => new RegExp(`${key}: (\\S+)`).exec(text)?.[1] ?? '';
    const decoded = (/** @type {string} */ key) => Buffer.from(value(`${key}-data`), 'base64');
    this.#server = value('server');
    this.#agent = new Agent({ ca: decoded('certificate-authority'), cert: decoded('client-certificate'), key: decoded('client-key'), keepAlive: true });
  }

  /** Returns a name that no namespace has yet, or takes one. It is deleted at the end, whoever makes it. */
  name(name = `e2e-${randomBytes(5).toString('hex')}`) {
    this.#namespaces.push(name);
    return name;
  }

  /** Makes a namespace. */
  async namespace() {
    const name = this.name();
    await this.create('/api/v1/namespaces', { kind: 'Namespace', metadata: { name } });
    return name;
  }

  /** Makes a quota in a namespace and waits until it holds. @param {string} namespace @param {object} spec */
  async quota(namespace, spec) {
    const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
    await this.create(path, { kind: 'ResourceQuota', metadata: { name: 'tight' }, spec });
    for (const end = Date.now() + 30_000; !(await this.get(`${path}/tight`)).status?.hard;) {
      if (Date.now() > end) throw new Error(`the quota of ${namespace} does not hold`);
    }
  }

  /** @param {string} path @returns {Promise<KubeObject>} */
  get(path) { return this.#ask('GET', path); }

  /** @param {string} path @returns {Promise<KubeObject[]>} */
  async list(path) { return (await this.#ask('GET', path)).items; }

  /** @param {string} path @param {object} object @returns {Promise<KubeObject>} */
  create(path, object) { return this.#ask('POST', path, { apiVersion: 'v1', ...object }); }

  /** Removes a quota, and has the pods made that it has kept back: by itself the cluster tries that less and less often. @param {string} namespace */
  async free(namespace) {
    await this.remove(`/api/v1/namespaces/${namespace}/resourcequotas/tight`);
    const path = `/apis/apps/v1/namespaces/${namespace}/replicasets`;
    for (const set of await this.list(path)) {
      await this.#ask('PATCH', `${path}/${set.metadata.name}`, { metadata: { annotations: { 'test.example/again': 'yes' } } });
    }
  }

  /** @param {string} path */
  remove(path) { return this.#ask('DELETE', path); }

  /** Returns a Secret's values. @param {string} namespace @param {string} name @returns {Promise<Record<string, string>>} */
  async secret(namespace, name) {
    const { data = {} } = await this.get(`/api/v1/namespaces/${namespace}/secrets/${name}`);
    return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]));
  }

  /** Returns the pods of a namespace that are ready. @param {string} namespace */
  async readyPods(namespace) {
    const pods = await this.list(`/api/v1/namespaces/${namespace}/pods`);
    return pods.filter((p) => p.status.conditions?.some((/** @type {any} */ c) => c.type === 'Ready' && c.status === 'True'));
  }

  /** Returns what Helm has stored of a release, the newest revision last. @param {string} namespace @param {string} name @returns {Promise<Release[]>} */
  async releases(namespace, name) {
    const secrets = await this.list(`/api/v1/namespaces/${namespace}/secrets?labelSelector=owner%3Dhelm%2Cname%3D${name}`);
    const stored = secrets.map((s) => Buffer.from(Buffer.from(s.data?.release ?? '', 'base64').toString('latin1'), 'base64'));
    return stored.map((zipped) => JSON.parse(gunzipSync(zipped).toString('utf8'))).sort((a, b) => a.version - b.version);
  }

  /** Stores a release that nobody at the portal has deployed. @param {string} namespace @param {string} name */
  async otherRelease(namespace, name) {
    const release = { name, namespace, version: 1, info: { status: 'deployed' }, chart: { metadata: { name: 'other', version: '1.0.0', apiVersion: 'v2' } }, config: {}, manifest: '' };
    const stored = gzipSync(JSON.stringify(release)).toString('base64');
    await this.create(`/api/v1/namespaces/${namespace}/secrets`, {
      kind: 'Secret', type: 'helm.sh/release.v1', data: { release: Buffer.from(stored).toString('base64') },
      metadata: { name: `sh.helm.release.v1.${name}.v1`, labels: { owner: 'helm', name, status: 'deployed', version: '1' } },
    });
  }

  /** Removes the namespaces. */
  async tidy() {
    await Promise.all(this.#namespaces.map((name) => this.remove(`/api/v1/namespaces/${name}`).catch(() => undefined)));
    this.#agent.destroy();
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  #ask(method, path, body) {
    return new Promise((resolve, reject) => {
      const call = request(new URL(path, this.#server), { method, agent: this.#agent, headers: { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json', Accept: 'application/json' } });
      call.on('response', async (answer) => {
        const chunks = [];
        try {
          for await (const chunk of answer) chunks.push(chunk);
          const text = Buffer.concat(chunks).toString('utf8');
          if ((answer.statusCode ?? 0) >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
          resolve(JSON.parse(text));
        } catch (error) {
          reject(error);
        }
      });
      call.on('error', reject);
      call.end(body && JSON.stringify(body));
    });
  }
}
