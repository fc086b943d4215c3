// @ts-check
import assert from 'node:assert/strict';

/**
 * Follows all links from a page on, as the visitor, and returns the pages that they lead to: an example of each, by its pattern. No link
 * may lead to nothing. Pages that differ in nothing but an ID, a name or the values of their parameters are one.
 * @param {import('./page.js').Visitor} visitor @param {string} start
 * @returns {Promise<Map<string, string>>}
 */
export async function crawl({ page, url }, start) {
  /** @type {Map<string, string>} */
  const pages = new Map();
  const seen = new Set([keyOf(new URL(start, url))]);
  for (const queue = [{ path: start, from: 'the start' }]; queue.length > 0;) {
    const { path, from } = /** @type {{ path: string, from: string }} */ (queue.shift());
    const answer = await page.request.get(path);
    assert.ok(answer.ok(), `${path}, which ${from} links to, answers with ${answer.status()}`);
    const at = new URL(answer.url());
    if (!(answer.headers()['content-type'] ?? '').startsWith('text/html')) continue;
    if (!pages.has(patternOf(at))) pages.set(patternOf(at), path);
    for (const link of links(await answer.text(), at)) {
      if (link.origin !== url || seen.has(keyOf(link))) continue;
      seen.add(keyOf(link));
      queue.push({ path: link.pathname + link.search, from: path });
    }
  }
  return pages;
}

/** @param {string} html @param {URL} base */
function links(html, base) {
  return [...html.matchAll(/<a\b[^>]*\shref="([^"]*)"/g)].map((m) => new URL(m[1].replaceAll('&amp;', '&'), base));
}

/** What makes a page another one. @param {URL} url */
function keyOf(url) {
  return `${patternOf(url)}?${[...new Set(url.searchParams.keys())].sort().join('&')}`;
}

/** The path of a page without what is its own. @param {URL} url */
export function patternOf({ pathname }) {
  return pathname.replace(/\/(sub|key|ten|pat|wl|drf)_[^/]+/g, '/:$1').replace(/^\/catalog\/[^/]+/, '/catalog/:product').replace(/\/documents\/[^/]+/, '/documents/:document');
}
