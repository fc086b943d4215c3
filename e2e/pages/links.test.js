// @ts-check
// No link leads to nothing, and every page that a link leads to is among those that are looked at.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { crawl } from '../lib/crawl.js';
import { signIn, signInOperator } from '../lib/people.js';
import { Stage } from '../lib/stage.js';

const stage = new Stage();

/** @type {{ who: string, start: string, arrive?: (visitor: import('../lib/page.js').Visitor) => Promise<void> }[]} */
const visits = [
  { who: 'visitor', start: '/catalog' },
  { who: 'customer', start: '/catalog', arrive: (v) => signIn(v, stage.demo.customer('jana.weber')) },
  { who: 'operator', start: '/operator/approvals', arrive: (v) => signInOperator(v, stage.demo.operator) },
];

for (const { who, start, arrive } of visits) {
  test(`the links that a ${who} finds`, async () => {
    const visitor = await stage.visitor();
    await arrive?.(visitor);
    const pages = await crawl(visitor, start);
    const looked = await readFile(new URL(`${who}.test.js`, import.meta.url), 'utf8');
    const forgotten = [...pages].filter(([pattern]) => !looked.includes(`'${pattern}'`));
    assert.deepEqual(forgotten, [], `pages that ${who}.test.js does not look at`);
    await visitor.leave();
  });
}
