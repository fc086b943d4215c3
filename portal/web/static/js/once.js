// @ts-check
import { announce } from './announce.js';

/**
 * A key that is shown once. Without JavaScript it stands in the page; here it becomes a dialog that neither Escape nor a click outside
 * closes, and when it is done the key leaves the document.
 * @param {ParentNode} root
 */
export function wireOnce(root) {
  const dialog = root.querySelector('dialog[data-once]');
  const key = dialog?.querySelector('input[data-key]');
  const form = dialog?.querySelector('form[data-once-form]');
  const stored = form?.querySelector('input[type="checkbox"]');
  const done = form?.querySelector('button[data-done]');
  if (!(dialog instanceof HTMLDialogElement) || !(key instanceof HTMLInputElement) || !(form instanceof HTMLFormElement) ||
    !(stored instanceof HTMLInputElement) || !(done instanceof HTMLButtonElement)) return;
  keepOpen(dialog);

  const guard = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
  const follow = () => {
    done.disabled = !stored.checked;
    if (stored.checked) removeEventListener('beforeunload', guard);
    else addEventListener('beforeunload', guard);
  };
  stored.checked = false; // what a browser has kept of the form before
  stored.addEventListener('change', follow);
  follow();

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    key.value = '';
    key.removeAttribute('value');
    location.replace(form.action);
  });
  wireDownload(dialog, key);
}

/** Makes a dialog modal and keeps it open. @param {HTMLDialogElement} dialog */
function keepOpen(dialog) {
  dialog.removeAttribute('open');
  dialog.showModal();
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  dialog.addEventListener('keydown', (event) => { if (event.key === 'Escape') event.preventDefault(); });
  // Some browsers close at a second Escape whatever a page says.
  dialog.addEventListener('close', () => dialog.showModal());
}

/** @param {HTMLDialogElement} dialog @param {HTMLInputElement} key */
function wireDownload(dialog, key) {
  const button = dialog.querySelector('button[data-download]');
  if (!(button instanceof HTMLButtonElement)) return;
  button.hidden = false;
  button.addEventListener('click', () => {
    const text = `${dialog.dataset.variable}=${key.value}\n${dialog.dataset.further}\n`;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    link.download = button.dataset.download ?? '';
    link.click();
    URL.revokeObjectURL(link.href);
    announce(dialog.dataset.saved ?? '');
  });
}
