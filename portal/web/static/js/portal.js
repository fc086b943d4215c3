// @ts-check
// What pages do more with JavaScript than without. Every page works without this file: it only replaces regions instead of
// whole pages, copies, and keeps people from sending a form twice.
import { wireCopyButtons } from './copy.js';
import { wireDeployForms } from './deploy.js';
import { wireFragments } from './fragment.js';
import { wireForms } from './form.js';
import { wireMenus } from './menu.js';
import { wirePlayground } from './playground.js';
import { wirePoll } from './poll.js';
import { wireOnce } from './once.js';

/** Wires what is inside of a part of the page that is new. @param {ParentNode} root */
export function wire(root) {
  wireCopyButtons(root);
  wireForms(root);
  wireDeployForms(root);
  wireFragments(root, wire);
}

wire(document);
wireOnce(document);
wireMenus();
wirePlayground(document);
wirePoll(wire);

const first = document.querySelector('[data-focus]');
if (first instanceof HTMLElement) first.focus();
