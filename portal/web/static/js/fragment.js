// @ts-check
import { announce } from './announce.js';

const policy = window.trustedTypes?.createPolicy('portal', { createHTML: (/** @type {string} */ text) => text });

/**
 * Reads a page of this site. @param {string} html @returns {Document}
 */
export function parse(html) {
  const trusted = policy ? policy.createHTML(html) : html;
  return new DOMParser().parseFromString(/** @type {string} */ (trusted), 'text/html');
}

/**
 * Links and forms of method GET with data-fragment="#id" replace that region instead of the page. The address changes as it would
 * without, so that it can be kept, sent to others, and gone back to.
 * @param {ParentNode} root @param {(root: ParentNode) => void} wire
 */
export function wireFragments(root, wire) {
  for (const link of root.querySelectorAll('a[data-fragment]')) {
    if (!(link instanceof HTMLAnchorElement)) continue;
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      load(link.href, link.dataset.fragment ?? '', wire, true);
    });
  }
  for (const form of root.querySelectorAll('form[data-fragment]')) {
    if (!(form instanceof HTMLFormElement)) continue;
    const go = () => {
      const url = new URL(form.action);
      url.search = '';
      for (const [name, value] of new FormData(form)) if (typeof value === 'string' && value !== '') url.searchParams.append(name, value);
      load(url.href, form.dataset.fragment ?? '', wire, true);
    };
    form.addEventListener('submit', (event) => { event.preventDefault(); go(); });
    // The form hears it, not the field: fields in a region are replaced with it.
    form.addEventListener('change', (event) => { if (event.target instanceof Element && event.target.matches('[data-go]')) go(); });
    for (const button of form.querySelectorAll('[data-without-script]')) if (button instanceof HTMLElement) button.hidden = true;
  }
  if (root === document && document.querySelector('[data-fragment]')) {
    addEventListener('popstate', () => {
      const region = document.querySelector('[data-region]');
      if (region) load(location.href, '#' + region.id, wire, false);
      else location.reload();
    });
  }
}

let loading = new AbortController();

/**
 * @param {string} url @param {string} selector @param {(root: ParentNode) => void} wire @param {boolean} push
 */
async function load(url, selector, wire, push) {
  loading.abort();
  loading = new AbortController();
  const region = document.querySelector(selector);
  region?.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(url, { signal: loading.signal, headers: { Accept: 'text/html' } });
    const page = parse(await answer.text());
    const fresh = page.querySelector(selector);
    if (!answer.ok || answer.redirected || !region || !fresh) { location.assign(url); return; }
    const focused = region.contains(document.activeElement) ? document.activeElement : null;
    region.replaceWith(document.adoptNode(fresh));
    document.title = page.title;
    if (push) history.pushState(null, '', url);
    wire(fresh);
    if (focused) focusAgain(focused, fresh);
    announce(fresh.getAttribute('data-announce') ?? page.title);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) location.assign(url);
  }
}

/**
 * Gives the focus to what had it before, or where that is gone, to the new region, so that reading and Tab go on from there.
 * @param {Element} focused @param {Element} region
 */
function focusAgain(focused, region) {
  const sameLink = (/** @type {HTMLAnchorElement} */ link) => focused instanceof HTMLAnchorElement && link.href === focused.href;
  const again = focused.id ? document.getElementById(focused.id) : [...region.querySelectorAll('a')].find(sameLink);
  if (again) { again.focus(); return; }
  if (!(region instanceof HTMLElement)) return;
  region.tabIndex = -1;
  region.focus();
}
