// @ts-check
// The JSON API describes itself: a validator that knows nothing of this project judges the description.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Demo } from './lib/server.js';

/** @type {Demo} */
let demo;
before(async () => { demo = await Demo.start(); });
after(() => demo?.stop());

test('the description of the API is OpenAPI 3.1', async () => {
  const answer = await fetch(`${demo.url}/api/v1/openapi.json`);
  assert.equal(answer.status, 200);
  const description = /** @type {Record<string, unknown>} */ (await answer.json());
  const validator = new Validator();
  const judged = await validator.validate(description);
  assert.deepEqual(judged.errors ?? [], []);
  assert.equal(judged.valid, true);
  assert.equal(validator.version, '3.1');

  const without = await new Validator().validate({ ...description, paths: { '/x': { get: { responses: 7 } } } });
  assert.equal(without.valid, false, 'the validator takes anything');
});
