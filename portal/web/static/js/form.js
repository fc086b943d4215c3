// @ts-check
/**
 * A form that changes something is sent once, however often its button is pressed. It can be sent again when the page is shown anew.
 * @param {ParentNode} root
 */
export function wireForms(root) {
  for (const form of root.querySelectorAll('form[method="post"]')) {
    if (!(form instanceof HTMLFormElement)) continue;
    form.addEventListener('submit', (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = 'yes';
    });
  }
}

addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-sent]')) form.removeAttribute('data-sent');
});
