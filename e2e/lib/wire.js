// @ts-check
// Between a browser and the portal, to see all that is answered: what a page shows, and what it only loads.
import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** A proxy that keeps every answer. */
export class Wire {
  /** @type {{ what: string, body: string }[]} */
  #answers = [];
  #server = createServer((asked, answer) => this.#forward(asked, answer));

  /** Starts to listen and returns the proxy. */
  static async open() {
    const wire = new Wire();
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  /** The address for the browser. */
  get url() {
    const address = this.#server.address();
    if (!address || typeof address === 'string') throw new Error('the proxy is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Returns which requests were answered with a text, and in how many answers was looked. @param {string} text */
  answersWith(text) {
    return { with: this.#answers.filter((a) => a.body.includes(text)).map((a) => a.what), of: this.#answers.length };
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** @param {import('node:http').IncomingMessage} asked @param {import('node:http').ServerResponse} answer */
  #forward(asked, answer) {
    const headers = { ...asked.headers };
    delete headers['accept-encoding']; // to read what comes
    const onward = request(asked.url ?? '', { method: asked.method, headers });
    onward.on('response', async (got) => {
      const chunks = [];
      answer.writeHead(got.statusCode ?? 502, got.rawHeaders);
      try {
        for await (const chunk of got) {
          chunks.push(chunk);
          answer.write(chunk);
        }
        answer.end();
      } catch {
        answer.destroy();
      }
      const head = JSON.stringify(got.headers);
      this.#answers.push({ what: `${asked.method} ${asked.url}`, body: head + Buffer.concat(chunks).toString('utf8') });
    });
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  }
}
