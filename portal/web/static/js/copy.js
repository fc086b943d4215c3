// @ts-check
import { announce } from './announce.js';

/**
 * Buttons with data-copy="#id" copy the text of that element. They are hidden in the page, since without JavaScript they could do nothing.
 * @param {ParentNode} root
 */
export function wireCopyButtons(root) {
  for (const button of root.querySelectorAll('button[data-copy]')) {
    if (!(button instanceof HTMLButtonElement)) continue;
    button.hidden = false;
    button.addEventListener('click', () => copy(button));
  }
}

/** @param {HTMLButtonElement} button */
async function copy(button) {
  const source = document.querySelector(button.dataset.copy ?? '');
  if (!source) return;
  const text = source instanceof HTMLInputElement || source instanceof HTMLTextAreaElement ? source.value : source.textContent ?? '';
  try {
    await navigator.clipboard.writeText(text.trim());
    confirm(button, button.dataset.copied ?? '');
  } catch {
    // The clipboard is closed to this page: the text is selected, to be copied by hand.
    if (source instanceof HTMLInputElement || source instanceof HTMLTextAreaElement) source.select();
    else getSelection()?.selectAllChildren(source);
    confirm(button, button.dataset.selected ?? '');
  }
}

/** @param {HTMLButtonElement} button @param {string} text */
function confirm(button, text) {
  const label = button.querySelector('span') ?? button;
  const before = label.textContent;
  label.textContent = text;
  announce(text);
  setTimeout(() => { label.textContent = before; }, 2000);
}
