// @ts-check
// The ways in which people use a page. A journey is written once and gone with each of them.
import assert from 'node:assert/strict';

/** @typedef {import('playwright-core').Locator} Locator */
/** @typedef {import('playwright-core').Page} Page */
/**
 * What hands can do: press links and buttons, type into a field in place of what is there, tick a box, choose from a list, and give a file.
 * @typedef {{
 *   press(target: Locator): Promise<void>, type(field: Locator, text: string): Promise<void>, tick(box: Locator): Promise<void>,
 *   choose(list: Locator, value: string): Promise<void>, give(field: Locator, file: File): Promise<void>,
 * }} Hand
 * @typedef {{ name: string, mimeType: string, buffer: Buffer }} File
 */

/** Points and clicks. @implements {Hand} */
export class Mouse {
  /** @param {Locator} target */
  press(target) { return target.click(); }

  /** @param {Locator} field @param {string} text */
  async type(field, text) {
    await field.click({ clickCount: 3 });
    await field.press('Delete');
    await field.pressSequentially(text);
  }

  /** @param {Locator} box */
  async tick(box) {
    await box.click();
    assert.equal(await box.isChecked(), true);
  }

  /** The list that the browser shows is not part of the page. @param {Locator} list @param {string} value */
  async choose(list, value) { await list.selectOption(value); }

  /** @param {Locator} field @param {File} file */
  async give(field, file) {
    const asked = field.page().waitForEvent('filechooser');
    await field.click();
    await (await asked).setFiles(file);
  }
}

/** Has a keyboard alone, and sees at every step where the focus is. @implements {Hand} */
export class Keyboard {
  /** @param {Page} page */
  constructor(page) { this.page = page; }

  /** @param {Locator} target */
  async press(target) {
    await this.reach(target);
    const link = await target.evaluate((e) => e.tagName === 'A');
    await this.page.keyboard.press(link ? 'Enter' : 'Space');
  }

  /** @param {Locator} field @param {string} text */
  async type(field, text) {
    await this.reach(field);
    await this.page.keyboard.press('ControlOrMeta+A');
    await this.page.keyboard.press('Delete');
    await this.page.keyboard.type(text);
  }

  /** @param {Locator} box */
  async tick(box) {
    await this.reach(box);
    await this.page.keyboard.press('Space');
    assert.equal(await box.isChecked(), true);
  }

  /**
   * Goes through a list with the arrow keys. A list that asks for more is replaced at each step: the focus and the choice have to
   * outlive that.
   * @param {Locator} list @param {string} value
   */
  async choose(list, value) {
    await this.reach(list);
    const way = await list.evaluate((e, to) => {
      const { options, selectedIndex } = /** @type {HTMLSelectElement} */ (e);
      const usable = [...options].filter((o) => !o.disabled);
      return usable.findIndex((o) => o.value === to) - usable.indexOf(options[selectedIndex]);
    }, value);
    for (let i = 0; i < Math.abs(way); i++) {
      await this.page.keyboard.press(way > 0 ? 'ArrowDown' : 'ArrowUp');
      await this.page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
    }
    assert.equal(await list.inputValue(), value, `chosen in ${list}`);
  }

  /** @param {Locator} field @param {File} file */
  async give(field, file) {
    await this.reach(field);
    const asked = this.page.waitForEvent('filechooser');
    await this.page.keyboard.press('Space');
    await (await asked).setFiles(file);
  }

  /** Goes on with Tab until a target has the focus. On the way the focus has to be seen wherever it is. @param {Locator} target */
  async reach(target) {
    await target.waitFor();
    const goal = await target.elementHandle();
    let at = await focus(this.page, goal);
    for (let steps = 1, ends = 0; !at.there; steps++) {
      await this.page.keyboard.press('Tab');
      at = await focus(this.page, goal);
      assert.equal(at.fault, '', `after ${steps} steps to ${target} on ${this.page.url()}`);
      // At its end the page hands the focus to the browser's own bars, and takes it back at its beginning.
      if (at.end) ends++;
      assert.ok(ends < 2 && steps < 300, `${target} cannot be reached with Tab on ${this.page.url()}`);
    }
  }
}

/**
 * Says what is wrong with the focus, whether it has left the page, and whether it is at its goal.
 * @param {Page} page @param {import('playwright-core').ElementHandle<Node> | null} goal
 */
function focus(page, goal) {
  return page.evaluate((target) => {
    const e = document.activeElement;
    if (!e || e === document.body) return { fault: '', end: true, there: false };
    const at = (/** @type {string} */ fault) => ({ fault, end: false, there: e === target });
    const name = `${e.tagName.toLowerCase()}#${e.id} "${(e.getAttribute('aria-label') ?? e.textContent ?? '').trim().slice(0, 40)}"`;
    // A link that stands for its card shows the focus around the card.
    const shown = [e, e.closest('.product-card')].some((x) => x && getComputedStyle(x).outlineStyle !== 'none' && parseFloat(getComputedStyle(x).outlineWidth) >= 2);
    // The calendar's own button in a field for a day is the browser's, and so is its ring.
    const native = e instanceof HTMLInputElement && e.type === 'date' && !e.matches(':focus-visible');
    if (!native && !(e.matches(':focus-visible') && shown)) return at(`the focus is on ${name} but nothing shows it`);
    const box = e.getClientRects()[0];
    if (!box || box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) return at(`the focus is on ${name}, which is not in sight`);
    const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, y = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;
    const top = document.elementFromPoint(x, y);
    return at(top && (top.contains(e) || e.contains(top)) ? '' : `the focus is on ${name}, which ${top?.tagName} covers`);
  }, goal);
}
