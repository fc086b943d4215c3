// @ts-check
// The harness itself: what a page must not do is noticed, and a wrong page is told from a right one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from './lib/axe.js';
import { sidewaysScroll, smallTargets } from './lib/geometry.js';
import { Keyboard } from './lib/hands.js';
import { Stage } from './lib/stage.js';

const stage = new Stage();

/** @type {{ what: string, fault: RegExp, act: () => unknown }[]} */
const misdeeds = [
  { what: 'an inline style', fault: /content policy: style-src-attr/, act: () => document.body.setAttribute('style', 'margin: 1px') },
  { what: 'a warning in the console', fault: /console: careful/, act: () => console.warn('careful') },
  { what: 'an error in a script', fault: /error in a script: oops/, act: () => { setTimeout(() => { throw new Error('oops'); }); } },
  { what: 'an answer of 404', fault: /answer 404: GET .*\/nothing/, act: () => fetch('/nothing') },
  { what: 'a request to another site', fault: /request to another site: http:\/\/localhost:9\//, act: () => { new Image().src = 'http://localhost:9/'; } },
  { what: 'a dialog', fault: /dialog: alert hello/, act: () => alert('hello') },
];

for (const { what, fault, act } of misdeeds) {
  test(`${what} is noticed`, async () => {
    const visitor = await stage.visitor();
    await visitor.goto('/catalog');
    visitor.assertClean();
    await visitor.page.evaluate(act);
    const noticed = () => visitor.faults.some((f) => fault.test(f));
    for (const end = Date.now() + 10_000; !noticed(); await visitor.page.waitForTimeout(50)) {
      assert.ok(Date.now() < end, `not noticed, but ${visitor.faults.join('; ')}`);
    }
    assert.throws(() => visitor.assertClean(), /not clean/);
    await visitor.page.context().close();
  });
}

test('a page that is wrong is told from one that is right', async () => {
  const visitor = await stage.visitor({ width: 320, height: 640 });
  const { page } = visitor;
  await visitor.goto('/catalog');
  assert.deepEqual([...await violations(page), ...await sidewaysScroll(page), ...await smallTargets(page)], []);
  await page.evaluate(() => {
    const link = document.createElement('a');
    link.href = '#';
    link.id = 'wrong';
    Object.assign(link.style, { position: 'absolute', top: '0', width: '900px', height: '10px', outline: 'none' });
    document.body.prepend(link);
  });
  assert.match((await violations(page)).join('\n'), /link-name/);
  assert.match((await sidewaysScroll(page)).join('\n'), /#wrong/);
  assert.match((await smallTargets(page)).join('\n'), /900\.0 × 10\.0/);
  await assert.rejects(new Keyboard(page).reach(page.getByRole('button', { name: 'Menu' })), /a#wrong "" but nothing shows it/);
  await page.context().close();
});
