// The vendor's own SDK against every endpoint.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import OpenAI, { toFile } from 'openai'
import { apiKey, baseURL, metered, otherKey, usage } from './hub.js'

const client = new OpenAI({ apiKey, baseURL: `${baseURL}/v1`, maxRetries: 0 })
const messages = /** @type {const} */ ([{ role: 'user', content: 'Say some words.' }])
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const chatUsage = (answer) => ({
  requests: 1, input_tokens: answer.usage.prompt_tokens, output_tokens: answer.usage.completion_tokens, estimated_tokens: 0,
})
const responseUsage = (answer) => ({
  requests: 1, input_tokens: answer.usage.input_tokens, output_tokens: answer.usage.output_tokens, estimated_tokens: 0,
})

test('chat completions', async () => {
  const answer = await metered(() => client.chat.completions.create({ model: 'all', messages }), chatUsage)
  assert.equal(answer.choices[0].finish_reason, 'stop')
  assert.ok(answer.choices[0].message.content)
  assert.ok(answer.usage.completion_tokens > 0)
})

test('chat completions, streamed with usage', async () => {
  const chunks = await metered(async () => {
    const all = []
    for await (const chunk of await client.chat.completions.create({ model: 'all', messages, stream: true, stream_options: { include_usage: true } })) all.push(chunk)
    return all
  }, (all) => chatUsage(all.at(-1)))
  assert.deepEqual(chunks.at(-1).choices, [])
  assert.ok(chunks.some((c) => c.choices[0]?.finish_reason === 'stop'))
})

test('chat completions, streamed without usage: no chunk without choices', async () => {
  await metered(async () => {
    for await (const chunk of await client.chat.completions.create({ model: 'all', messages, stream: true })) {
      assert.equal(chunk.choices.length, 1)
      assert.ok(!('usage' in chunk) || chunk.usage === null)
    }
  }, () => ({ requests: 1, estimated_tokens: 0 }))
})

test('the SDK gathers a stream', async () => {
  const stream = client.chat.completions.stream({ model: 'all', messages })
  const final = await stream.finalChatCompletion()
  assert.equal(final.choices[0].finish_reason, 'stop')
})

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }]

test('tools', async () => {
  const answer = await metered(() => client.chat.completions.create({ model: 'tools', messages, tools }), chatUsage)
  assert.equal(answer.choices[0].finish_reason, 'tool_calls')
  const call = answer.choices[0].message.tool_calls[0]
  assert.equal(call.function.name, 'weather')
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Bonn' })
  const streamed = await client.chat.completions.stream({ model: 'tools', messages, tools }).finalChatCompletion()
  assert.deepEqual(JSON.parse(streamed.choices[0].message.tool_calls[0].function.arguments), { city: 'Bonn' })
  const then = await client.chat.completions.create({
    model: 'all', tools,
    messages: [...messages, answer.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '{"celsius":21}' }],
  })
  assert.equal(then.choices[0].finish_reason, 'stop')
})

test('structured outputs', async () => {
  const answer = await client.chat.completions.parse({
    model: 'structured', messages,
    response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: { type: 'object', properties: { answer: { type: 'integer' } }, required: ['answer'], additionalProperties: false } } },
  })
  assert.deepEqual(JSON.parse(answer.choices[0].message.content), { answer: 42 })
})

test('vision input', async () => {
  const answer = await metered(() => client.chat.completions.create({
    model: 'all',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }] }],
  }), chatUsage)
  assert.ok(answer.choices[0].message.content)
})

test('legacy completions', async () => {
  const answer = await metered(() => client.completions.create({ model: 'all', prompt: 'Say some words.' }), chatUsage)
  assert.ok(answer.choices[0].text)
})

test('embeddings', async () => {
  const answer = await metered(() => client.embeddings.create({ model: 'all', input: ['one', 'two'], encoding_format: 'float' }),
    (a) => ({ requests: 1, input_tokens: a.usage.prompt_tokens, output_tokens: 0 }))
  assert.equal(answer.data.length, 2)
})

test('responses', async () => {
  const answer = await metered(() => client.responses.create({ model: 'all', input: 'Say some words.' }), responseUsage)
  assert.equal(answer.status, 'completed')
  assert.ok(answer.output_text)
})

test('responses, streamed', async () => {
  const events = await metered(async () => {
    const all = []
    for await (const event of await client.responses.create({ model: 'all', input: 'Say some words.', stream: true })) all.push(event)
    return all
  }, (all) => responseUsage(all.at(-1).response))
  assert.equal(events[0].type, 'response.created')
  assert.equal(events.at(-1).type, 'response.completed')
  const text = events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('')
  assert.equal(text, events.at(-1).response.output[0].content[0].text)
  assert.equal(events[0].response.id, events.at(-1).response.id)
})

test('responses with tools', async () => {
  const answer = await metered(() => client.responses.create({
    model: 'tools', input: 'Weather?', tools: [{ type: 'function', name: 'weather', strict: false, parameters: tools[0].function.parameters }],
  }), responseUsage)
  const call = answer.output.find((o) => o.type === 'function_call')
  assert.deepEqual(JSON.parse(call.arguments), { city: 'Bonn' })
  const final = await client.responses.stream({ model: 'tools', input: 'Weather?' }).finalResponse()
  assert.deepEqual(JSON.parse(final.output.find((o) => o.type === 'function_call').arguments), { city: 'Bonn' })
})

test('stored responses: gone on from, retrieved, listed, deleted; nobody else has them', async () => {
  const first = await client.responses.create({ model: 'all', input: 'Say some words.' })
  const second = await client.responses.create({ model: 'all', input: 'And more.', previous_response_id: first.id })
  assert.equal(second.previous_response_id, first.id)
  assert.equal((await client.responses.retrieve(first.id)).id, first.id)
  assert.ok((await client.responses.inputItems.list(first.id)).data.length > 0)
  const stranger = new OpenAI({ apiKey: otherKey, baseURL: `${baseURL}/v1`, maxRetries: 0 })
  await assert.rejects(stranger.responses.retrieve(first.id), OpenAI.NotFoundError)
  await assert.rejects(stranger.responses.delete(first.id), OpenAI.NotFoundError)
  await assert.rejects(stranger.responses.create({ model: 'all', input: 'x', previous_response_id: first.id }), OpenAI.NotFoundError)
  await client.responses.delete(first.id)
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError)
})

test('what responses cannot do is said', async () => {
  await assert.rejects(client.responses.create({ model: 'all', input: 'x', background: true }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === 'background')
  await assert.rejects(client.responses.create({ model: 'all', input: 'x', conversation: 'conv_1' }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === 'conversation')
})

test('images', async () => {
  const answer = await metered(() => client.images.generate({ model: 'all', prompt: 'A cat', n: 2, size: '1024x1024' }), () => ({ requests: 1 }))
  assert.equal(answer.data.length, 2)
  const edited = await client.images.edit({ model: 'all', prompt: 'A dog', image: await toFile(Buffer.from(pixel, 'base64'), 'cat.png', { type: 'image/png' }) })
  assert.equal(edited.data.length, 1)
})

test('images, streamed', async () => {
  const types = []
  for await (const event of await client.images.generate({ model: 'all', prompt: 'A cat', stream: true, partial_images: 1 })) types.push(event.type)
  assert.equal(types.at(-1), 'image_generation.completed')
})

test('speech', async () => {
  const answer = await metered(() => client.audio.speech.create({ model: 'all', voice: 'alloy', input: 'Grüße aus Bonn' }), () => ({ requests: 1 }))
  assert.ok((await answer.arrayBuffer()).byteLength > 0)
})

test('transcriptions and translations', async () => {
  const sound = Buffer.alloc(200_000, 'sound')
  const file = () => toFile(sound, 'speech.wav', { type: 'audio/wav' })
  const answer = await metered(async () => client.audio.transcriptions.create({ model: 'all', file: await file() }), () => ({ requests: 1 }))
  assert.ok(answer.text)
  const text = await client.audio.transcriptions.create({ model: 'all', file: await file(), response_format: 'text' })
  assert.equal(typeof text, 'string')
  const events = []
  for await (const event of await client.audio.transcriptions.create({ model: 'all', file: await file(), stream: true })) events.push(event.type)
  assert.equal(events.at(-1), 'transcript.text.done')
  assert.ok((await client.audio.translations.create({ model: 'all', file: await file() })).text)
})

test('moderations', async () => {
  const answer = await metered(() => client.moderations.create({ model: 'all', input: 'harmless' }), () => ({ requests: 1 }))
  assert.equal(answer.results.length, 1)
})

test('rerank', async () => {
  const answer = await metered(() => client.post('/rerank', { body: { model: 'all', query: 'q', documents: ['a', 'b', 'c'], top_n: 2 } }), () => ({ requests: 1 }))
  assert.equal(answer.results.length, 2)
})

test('models', async () => {
  const names = []
  for await (const model of client.models.list()) names.push(model.id)
  assert.ok(names.includes('all') && names.includes('tools'))
  assert.equal((await client.models.retrieve('all')).id, 'all')
})

test('errors become the SDK\'s own', async () => {
  const stranger = new OpenAI({ apiKey: 'sk-lh-nothing', baseURL: `${baseURL}/v1`, maxRetries: 0 })
  await assert.rejects(stranger.chat.completions.create({ model: 'all', messages }), OpenAI.AuthenticationError)
  await assert.rejects(client.chat.completions.create({ model: 'none', messages }), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found')
  await assert.rejects(client.responses.create({ model: 'none', input: 'x' }), OpenAI.NotFoundError)
  await assert.rejects(client.chat.completions.create({ model: 'broken', messages }), OpenAI.InternalServerError)
  await assert.rejects(client.chat.completions.create({ model: 'all', messages, n: 0 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'n')
  await assert.rejects(client.images.edit({ model: 'none', prompt: 'x', image: await toFile(Buffer.from('x'), 'x.png') }), OpenAI.NotFoundError)
  await assert.rejects(client.post('/nothing', { body: {} }), (e) => e instanceof OpenAI.NotFoundError && e.code === 'unknown_url')
})

test('a stream that breaks off throws', async () => {
  for (const create of [
    () => client.chat.completions.create({ model: 'cut', messages, stream: true }),
    () => client.responses.create({ model: 'cut', input: 'x', stream: true }),
  ]) {
    await assert.rejects(async () => { for await (const event of await create()) assert.ok(event) })
  }
})

test('a client that leaves is charged what it got', async () => {
  for (const create of [
    (signal) => client.chat.completions.create({ model: 'slow', messages, stream: true }, { signal }),
    (signal) => client.responses.create({ model: 'slow', input: 'x', stream: true }, { signal }),
  ]) {
    const before = await usage()
    const leave = new AbortController()
    let events = 0
    try {
      for await (const event of await create(leave.signal)) {
        assert.ok(event)
        if (++events === 10) leave.abort()
      }
    } catch (e) {
      assert.ok(e instanceof OpenAI.APIUserAbortError || e.name === 'AbortError')
    }
    let after = before
    for (const deadline = Date.now() + 20_000; after.requests === before.requests; after = await usage()) assert.ok(Date.now() < deadline, 'no entry in the ledger')
    assert.equal(after.requests - before.requests, 1)
    const output = after.output_tokens - before.output_tokens
    assert.ok(output > 0 && output < 400, `${output} tokens`)
  }
})

test('an Idempotency-Key has a request charged once', async () => {
  const options = { headers: { 'Idempotency-Key': createHash('sha256').update(String(Math.random())).digest('hex') } }
  const ask = () => client.chat.completions.create({ model: 'idempotent', messages }, options)
  const [first, second] = await metered(async () => [await ask(), await ask()], () => ({ requests: 1 }))
  assert.deepEqual(first, second)
})
