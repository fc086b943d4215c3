// @ts-check
import { announce } from './announce.js';

/**
 * Fields with data-show="name" are of use only while the control of that name has the value data-show-value; without JavaScript they
 * are always shown. A secret can be made up and looked at, and a file that is too large is refused before it is sent.
 * @param {ParentNode} root
 */
export function wireDeployForms(root) {
  for (const form of root.querySelectorAll('form')) {
    const dependent = [...form.querySelectorAll('[data-show]')].filter((e) => e instanceof HTMLElement);
    if (dependent.length === 0) continue;
    const follow = () => { for (const e of dependent) e.hidden = valueOf(form, e.dataset.show ?? '') !== e.dataset.showValue; };
    form.addEventListener('change', follow);
    follow();
  }
  for (const line of root.querySelectorAll('[data-secret]')) wireSecret(line);
  for (const input of root.querySelectorAll('input[data-max-bytes]')) if (input instanceof HTMLInputElement) wireFile(input);
}

/**
 * What a control of the form would send; a box that is not ticked sends its hidden companion.
 * @param {HTMLFormElement} form @param {string} name
 */
function valueOf(form, name) {
  const sent = new FormData(form).getAll(name);
  return String(sent[sent.length - 1] ?? '');
}

/** @param {Element} line */
function wireSecret(line) {
  const input = line.querySelector('input');
  const reveal = line.querySelector('button[data-reveal]');
  const generate = line.querySelector('button[data-generate]');
  if (!(input instanceof HTMLInputElement) || !(reveal instanceof HTMLButtonElement) || !(generate instanceof HTMLButtonElement)) return;
  const show = (/** @type {boolean} */ on) => {
    input.type = on ? 'text' : 'password';
    reveal.setAttribute('aria-pressed', String(on));
    const label = reveal.querySelector('span');
    if (label) label.textContent = (on ? reveal.dataset.hide : reveal.dataset.showText) ?? '';
  };
  reveal.hidden = generate.hidden = false;
  reveal.addEventListener('click', () => show(input.type === 'password'));
  generate.addEventListener('click', () => {
    input.value = password(24);
    show(true);
    announce(generate.dataset.generated ?? '');
  });
  // What is sent, or kept by the browser, is a password.
  input.form?.addEventListener('submit', () => show(false));
}

/** Makes a password of letters and digits that are told apart in every font. @param {number} length */
function password(length) {
  const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789';
  let text = '';
  while (text.length < length) {
    for (const n of crypto.getRandomValues(new Uint8Array(64))) {
      // Beyond the last whole run of the letters some would come more often.
      if (n < 256 - 256 % letters.length && text.length < length) text += letters[n % letters.length];
    }
  }
  return text;
}

/** @param {HTMLInputElement} input */
function wireFile(input) {
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    const large = file !== undefined && file.size > Number(input.dataset.maxBytes);
    input.setCustomValidity(large ? input.dataset.tooLarge ?? '' : '');
    input.reportValidity();
  });
}
