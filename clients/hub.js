// What the tests know of the gateway that they are run against: cmd/llmhub's TestNodeClients starts it and sets these.
import assert from 'node:assert/strict'

/** @param {string} name */
function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: these tests are run by go test -run TestNodeClients ./cmd/llmhub`)
  return value
}

export const baseURL = setting('LLMHUB_URL')
export const apiKey = setting('LLMHUB_KEY')
/** A key of another subscription. */
export const otherKey = setting('LLMHUB_OTHER_KEY')
/** What operators come with, and the tenant that the key belongs to. */
export const operatorToken = setting('LLMHUB_ADMIN_TOKEN')
export const tenantID = setting('LLMHUB_TENANT')

/** What the key has used so far. */
export async function usage() {
  const answer = await fetch(`${baseURL}/v1/usage`, { headers: { authorization: `Bearer ${apiKey}` } })
  assert.equal(answer.status, 200)
  return (await answer.json()).total
}

/**
 * Runs f and returns its result; what it used must be what want says, requests among it.
 * @template T
 * @param {() => Promise<T>} f
 * @param {(result: T) => Record<string, number>} want
 */
export async function metered(f, want) {
  const before = await usage()
  const result = await f()
  const after = await usage()
  for (const [name, n] of Object.entries(want(result))) {
    assert.equal(after[name] - before[name], n, `${name} in the ledger`)
  }
  return result
}
