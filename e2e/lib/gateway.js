// @ts-check
// What a customer's application does: it calls models with a key.

/** @typedef {{ status: number, input: number, output: number }} Answer */

const path = '/v1/chat/completions';

/** Asks for a whole answer. @param {string} url @param {string} key @param {string} model @returns {Promise<Answer>} */
export async function chat(url, key, model) {
  const answer = await post(url, key, { model, messages: [{ role: 'user', content: 'Hello!' }] });
  const body = await answer.json();
  return { status: answer.status, input: body.usage?.prompt_tokens ?? 0, output: body.usage?.completion_tokens ?? 0 };
}

/** Asks for an answer in a stream and reads it to its end. @param {string} url @param {string} key @param {string} model @returns {Promise<Answer>} */
export async function stream(url, key, model) {
  const answer = await post(url, key, {
    model, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'Hello!' }],
  });
  const chunks = (await answer.text()).split('\n').filter((l) => l.startsWith('data: {')).map((l) => JSON.parse(l.slice(6)));
  const usage = chunks.at(-1)?.usage;
  return { status: answer.status, input: usage?.prompt_tokens ?? 0, output: usage?.completion_tokens ?? 0 };
}

/** @param {string} url @param {string} key @param {object} body */
function post(url, key, body) {
  return fetch(url + path, {
    method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
}
