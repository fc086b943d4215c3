// @ts-check
// What axe does not see: pages that scroll sideways, and targets that are too small to be hit.

/** @typedef {import('playwright-core').Page} Page */

/** Returns what sticks out of the page sideways, one line each. @param {Page} page @returns {Promise<string[]>} */
export function sidewaysScroll(page) {
  return page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const scrolls = (/** @type {Element} */ e) => ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(e).overflowX);
    const guilty = [...document.body.querySelectorAll('*')].filter((e) => {
      if (e.getBoundingClientRect().right <= root.clientWidth + 1) return false;
      for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (scrolls(p)) return false;
      return true;
    });
    return [`the page is ${root.scrollWidth} px wide in ${root.clientWidth} px:`, ...guilty.slice(0, 5).map((e) =>
      `  ${e.tagName.toLowerCase()}${e.id ? '#' + e.id : ''}.${e.getAttribute('class') ?? ''} "${(e.textContent ?? '').trim().slice(0, 40)}"`)];
  });
}

/**
 * Returns the targets smaller than 24 by 24 px, one line each. As in WCAG 2.5.8 links in a line of text are exempt; a box counts with its
 * label, which is as good to press.
 * @param {Page} page @returns {Promise<string[]>}
 */
export function smallTargets(page) {
  return page.evaluate(() => {
    const least = 24;
    /** @param {Element} e */
    const inText = (e) => {
      if (getComputedStyle(e).display !== 'inline') return false;
      const own = (e.textContent ?? '').trim();
      let block = e.parentElement;
      while (block && getComputedStyle(block).display.startsWith('inline')) block = block.parentElement;
      return (block?.textContent ?? '').trim().length > own.length;
    };
    /** @param {Element} e */
    const seen = (e) => {
      const box = e.getBoundingClientRect();
      return e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && box.width > 1 && box.height > 1 && box.bottom + scrollY > 0 && box.right > 0;
    };
    /** @param {Element} e */
    const size = (e) => {
      const boxes = [e, ...(e instanceof HTMLInputElement ? e.labels ?? [] : [])].map((x) => x.getBoundingClientRect());
      return { width: Math.max(...boxes.map((b) => b.width)), height: Math.max(...boxes.map((b) => b.height)) };
    };
    const all = document.querySelectorAll('a[href], button, input:not([type="hidden"]), select, textarea, summary, [role="button"], [tabindex="0"]');
    return [...all].filter((e) => seen(e) && !inText(e)).flatMap((e) => {
      const { width, height } = size(e);
      if (Math.round(width) >= least && Math.round(height) >= least) return [];
      const name = e.getAttribute('aria-label') ?? (e.textContent ?? '').trim().slice(0, 40);
      return [`${e.tagName.toLowerCase()}.${e.getAttribute('class') ?? ''} "${name}" is ${width.toFixed(1)} × ${height.toFixed(1)} px`];
    });
  });
}
