// @ts-check
// Starts the real program as its users do: `llmhub demo` on a free port, told apart by what it prints.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const program = process.env.LLMHUB_BIN ?? fileURLToPath(new URL('../../bin/llmhub', import.meta.url));
const startTimeout = 30_000;

/** @typedef {{ domain: string, user: string, password: string }} Customer */

/** A running demo with its people. Each has a folder of its own, so that no test sees what another did. */
export class Demo {
  /** @type {Map<string, Customer>} */
  #customers = new Map();
  #output = '';
  /** @param {import('node:child_process').ChildProcess} process */
  constructor(process) {
    this.process = process;
    this.url = '';
    /** The name and password of the operator. */
    this.operator = { name: '', password: '' };
    /** A key of the customer who has a subscription. */
    this.key = '';
  }

  /** All that the program has printed and logged so far. */
  get output() { return this.#output; }

  /** Returns a customer by the name of the user. @param {string} user */
  customer(user) {
    const found = this.#customers.get(user);
    if (!found) throw new Error(`the demo has no ${user}, only ${[...this.#customers.keys()].join(', ')}`);
    return found;
  }

  /** Starts a demo and waits until it has said who can sign in. @param {string[]} [args] further arguments */
  static async start(args = []) {
    const child = spawn(program, ['demo', '--listen', '127.0.0.1:0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const demo = new Demo(child);
    process.once('exit', () => child.kill('SIGINT')); // a test run that is broken off leaves nothing behind
    const timer = setTimeout(() => child.kill('SIGKILL'), startTimeout);
    try {
      await new Promise((resolve, reject) => {
        const listen = (/** @type {Buffer} */ chunk) => {
          demo.#output += chunk;
          if (demo.#read()) resolve(undefined);
        };
        child.stdout?.on('data', listen);
        child.stderr?.on('data', listen);
        child.once('error', reject);
        child.once('exit', (code, signal) => reject(new Error(`${program} ended (${code ?? signal}) before it was ready:\n${demo.#output}`)));
      });
    } finally {
      clearTimeout(timer);
    }
    return demo;
  }

  /** Reads what has been printed; returns whether it is complete. */
  #read() {
    this.url = /https?:\/\/127\.0\.0\.1:\d+/.exec(this.#output)?.[0] ?? '';
    for (const m of this.#output.matchAll(/domain (\S+)\s+user (\S+)\s+password (\S+)/g)) {
      this.#customers.set(m[2], { domain: m[1], user: m[2], password: m[3] });
    }
    const operator = /\/operator\/login\s+name (\S+)\s+password (\S+)/.exec(this.#output);
    if (operator) this.operator = { name: operator[1], password: operator[2] };
    this.key = /Bearer (sk-[\w-]+)/.exec(this.#output)?.[1] ?? '';
    return this.url !== '' && operator !== null && this.#customers.size > 0 && this.#output.includes('Ctrl-C');
  }

  /** Ends the demo as Ctrl-C does and waits for its end. */
  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGINT');
    const [code] = await ended;
    if (code !== 0) throw new Error(`the demo ended with ${code}:\n${this.#output}`);
  }
}
