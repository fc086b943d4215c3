// @ts-check
import { announce } from './announce.js';
import { events } from './events.js';

/**
 * The playground asks the gateway itself, as an application would, and shows the answer while it comes. The key stays in its input:
 * it is sent to the gateway alone, and nothing is kept.
 * @param {ParentNode} root
 */
export function wirePlayground(root) {
  const form = root.querySelector('form[data-playground]');
  if (!(form instanceof HTMLFormElement)) return;
  const view = new View(form);
  let running = new AbortController();
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (view.busy) return;
    running = new AbortController();
    const data = new FormData(form);
    view.begin(String(data.get('model')));
    try {
      await ask(String(data.get('key')).trim(), String(data.get('model')), String(data.get('prompt')), running.signal, view);
      view.end(form.dataset.done ?? '');
    } catch (error) {
      if (running.signal.aborted) view.cut();
      else view.fail(error instanceof Refusal ? error.message : form.dataset.failed ?? '');
    }
  });
  form.querySelector('[data-stop]')?.addEventListener('click', () => running.abort());
}

/** What the gateway says of a request that it does not answer. */
class Refusal extends Error {}

/**
 * @param {string} key @param {string} model @param {string} prompt @param {AbortSignal} signal @param {View} view
 */
async function ask(key, model, prompt, signal, view) {
  const answer = await fetch('/v1/chat/completions', {
    method: 'POST', signal, credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], stream: true, stream_options: { include_usage: true } }),
  });
  if (!answer.ok || !answer.body) {
    const refusal = await answer.json().catch(() => null);
    throw typeof refusal?.error?.message === 'string' ? new Refusal(refusal.error.message) : new Error('no answer');
  }
  let ended = false;
  for await (const data of events(answer.body)) {
    if (data === '[DONE]') { ended = true; continue; }
    const event = JSON.parse(data);
    if (typeof event.error?.message === 'string') throw new Refusal(event.error.message);
    view.add(event.choices?.[0]?.delta?.content);
    if (event.usage) view.used(event.usage);
  }
  if (!ended) throw new Refusal(view.form.dataset.broken ?? '');
}

/** The parts of the page that show an answer. */
class View {
  busy = false;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.send = part(form, '[data-send]');
    this.stop = part(form, '[data-stop]');
    this.problem = part(document, '[data-problem]');
    this.problemText = part(document, '[data-problem-text]');
    this.answer = part(document, '[data-answer]');
    this.answeredBy = part(document, '[data-answered-by]');
    this.text = part(document, '[data-text]');
    this.usedText = part(document, '[data-used]');
  }

  /** @param {string} model */
  begin(model) {
    this.#running(true);
    this.problem.hidden = true;
    this.answer.hidden = false;
    this.answeredBy.textContent = model;
    this.text.textContent = '';
    this.usedText.textContent = this.form.dataset.uncounted ?? '';
  }

  /** @param {unknown} text */
  add(text) {
    if (typeof text === 'string') this.text.append(text);
  }

  /** @param {{prompt_tokens?: number, completion_tokens?: number}} usage */
  used(usage) {
    const number = new Intl.NumberFormat(document.documentElement.lang);
    const { tokens, input, output } = this.form.dataset;
    this.usedText.textContent = `${tokens}: ${number.format(usage.prompt_tokens ?? 0)} ${input}, ${number.format(usage.completion_tokens ?? 0)} ${output}`;
  }

  /** @param {string} text */
  end(text) {
    this.#running(false);
    announce(text);
  }

  /** Ends an answer whose tokens nobody tells. */
  cut() {
    this.usedText.textContent = this.form.dataset.counted ?? '';
    this.end(this.form.dataset.stopped ?? '');
  }

  /** @param {string} text */
  fail(text) {
    this.#running(false);
    if (this.text.textContent === '') this.answer.hidden = true;
    this.problem.hidden = false;
    this.problemText.textContent = text;
  }

  /** @param {boolean} on */
  #running(on) {
    this.busy = on;
    const [from, to] = on ? [this.send, this.stop] : [this.stop, this.send];
    to.hidden = false;
    if (document.activeElement === from) to.focus();
    from.hidden = true;
    this.text.setAttribute('aria-busy', String(on));
  }
}

/** @param {ParentNode} root @param {string} selector @returns {HTMLElement} */
function part(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return found;
}
