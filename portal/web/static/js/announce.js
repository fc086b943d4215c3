// @ts-check
/**
 * Says something to those who do not see the page, in its one live region, or in that of the dialog that makes the page inert.
 * @param {string} text
 */
export function announce(text) {
  const region = document.querySelector('dialog:modal [data-announcer]') ?? document.getElementById('announcer');
  if (!region) return;
  region.textContent = '';
  // A change in a later task is spoken even if the text is the same as before.
  setTimeout(() => { region.textContent = text; }, 50);
}
