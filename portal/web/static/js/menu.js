// @ts-check
/** Menus close with Escape and by a click elsewhere. */
export function wireMenus() {
  document.addEventListener('click', (event) => {
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute('open');
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      menu.removeAttribute('open');
      const summary = menu.querySelector('summary');
      if (summary instanceof HTMLElement) summary.focus();
    }
  });
}
