// Anthropic's own SDK: against model servers of that kind, and against those of OpenAI's kind that know messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { apiKey, baseURL, metered, usage } from './hub.js'

const client = new Anthropic({ apiKey, baseURL, maxRetries: 0 })
const messages = /** @type {const} */ ([{ role: 'user', content: 'Say some words.' }])
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

// The ledger counts all of the input, cached parts too.
const tokens = (answer) => ({
  requests: 1, estimated_tokens: 0, output_tokens: answer.usage.output_tokens,
  input_tokens: answer.usage.input_tokens + (answer.usage.cache_read_input_tokens ?? 0) + (answer.usage.cache_creation_input_tokens ?? 0),
})

for (const model of ['all', 'claude']) {
  test(`messages at ${model}`, async () => {
    const answer = await metered(() => client.messages.create({ model, max_tokens: 100, messages }), tokens)
    assert.equal(answer.stop_reason, 'end_turn')
    assert.equal(answer.content[0].type, 'text')
  })

  test(`messages at ${model}, streamed`, async () => {
    const answer = await metered(() => client.messages.stream({ model, max_tokens: 100, messages }).finalMessage(), tokens)
    assert.ok(answer.content[0].text)
    const types = []
    for await (const event of await client.messages.create({ model, max_tokens: 100, messages, stream: true })) types.push(event.type)
    assert.equal(types[0], 'message_start')
    assert.equal(types.at(-1), 'message_stop')
  })

  test(`tools at ${model}`, async () => {
    const tools = [{ name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }]
    const tooled = model === 'all' ? 'tools' : 'claude-tools'
    for (const ask of [
      () => client.messages.create({ model: tooled, max_tokens: 100, messages, tools }),
      () => client.messages.stream({ model: tooled, max_tokens: 100, messages, tools }).finalMessage(),
    ]) {
      const answer = await metered(ask, tokens)
      const call = answer.content.find((c) => c.type === 'tool_use')
      assert.equal(answer.stop_reason, 'tool_use')
      assert.deepEqual(call.input, { city: 'Bonn' })
    }
  })

  test(`vision input at ${model}`, async () => {
    await metered(() => client.messages.create({
      model, max_tokens: 100,
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }, { type: 'text', text: 'What is this?' }] }],
    }), tokens)
  })

  test(`tokens are counted free of charge at ${model}`, async () => {
    const count = await metered(() => client.messages.countTokens({ model, messages }), () => ({ requests: 0, input_tokens: 0 }))
    assert.ok(count.input_tokens > 0)
  })
}

test('errors become the SDK\'s own', async () => {
  const stranger = new Anthropic({ apiKey: 'sk-lh-nothing', baseURL, maxRetries: 0 })
  const ask = { model: 'all', max_tokens: 10, messages }
  await assert.rejects(stranger.messages.create(ask), (e) => e instanceof Anthropic.AuthenticationError && e.error.error.type === 'authentication_error')
  await assert.rejects(client.messages.create({ ...ask, model: 'none' }), (e) => e instanceof Anthropic.NotFoundError && e.error.error.type === 'not_found_error')
  await assert.rejects(client.messages.create({ ...ask, model: 'broken' }), (e) => e instanceof Anthropic.InternalServerError && e.error.type === 'error')
  await assert.rejects(client.messages.create({ ...ask, max_tokens: -1 }), Anthropic.BadRequestError)
})

test('a stream that breaks off throws', async () => {
  for (const model of ['cut', 'claude-cut']) {
    await assert.rejects(client.messages.stream({ model, max_tokens: 100, messages }).finalMessage())
  }
})

test('a client that leaves is charged what it got', async () => {
  const before = await usage()
  const stream = client.messages.stream({ model: 'slow', max_tokens: 400, messages })
  let events = 0
  await assert.rejects(async () => {
    for await (const event of stream) {
      assert.ok(event)
      if (++events === 10) stream.abort()
    }
    await stream.finalMessage()
  })
  let after = before
  for (const deadline = Date.now() + 20_000; after.requests === before.requests; after = await usage()) assert.ok(Date.now() < deadline, 'no entry in the ledger')
  const output = after.output_tokens - before.output_tokens
  assert.ok(output > 0 && output < 400, `${output} tokens`)
})
