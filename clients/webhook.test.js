// Standard Webhooks' own library against the calls of a tenant's webhook.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { baseURL, operatorToken, tenantID } from './hub.js'

/** @param {string} method @param {string} path @param {object} [body] */
async function manage(method, path, body) {
  const answer = await fetch(`${baseURL}/api/v1${path}?tenant_id=${tenantID}`, {
    method, headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  })
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return JSON.parse(text)
}

test('a signed call', async (t) => {
  /** @type {{ headers: Record<string, string>, body: string }[]} */
  const calls = []
  const receiver = createServer(async (request, answer) => {
    let body = ''
    for await (const part of request) body += part
    calls.push({ headers: /** @type {Record<string, string>} */ (request.headers), body })
    answer.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  t.after(() => receiver.close())
  await once(receiver, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (receiver.address())

  const { secret } = await manage('PUT', '/webhook', { url: `http://127.0.0.1:${port}/hooks` })
  assert.equal((await manage('GET', '/webhook')).secret, undefined)
  assert.deepEqual(await manage('POST', '/webhook/test'), { delivered: true })
  await manage('DELETE', '/webhook')

  assert.equal(calls.length, 1)
  const [{ headers, body }] = calls
  const hook = new Webhook(secret)
  assert.deepEqual(/** @type {any} */ (hook.verify(body, headers)).data, { tenant_id: tenantID })
  assert.throws(() => hook.verify(body.replace('webhook.test', 'webhook.tent'), headers), WebhookVerificationError)
  assert.throws(() => hook.verify(body, { ...headers, 'webhook-id': 'tst_other' }), WebhookVerificationError)
})
