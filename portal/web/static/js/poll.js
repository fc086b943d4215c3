// @ts-check
import { announce } from './announce.js';
import { parse } from './fragment.js';

const slowest = 30_000;

/**
 * A region with data-poll is asked for again after so many milliseconds, for as long as the page says so. At the end all of the
 * workload is shown anew, since there is more to see and to do then. A server that does not answer is asked less and less often.
 * @param {(root: ParentNode) => void} wire
 */
export function wirePoll(wire) {
  const region = document.querySelector('[data-poll]');
  if (!(region instanceof HTMLElement)) return;
  for (const link of region.querySelectorAll('[data-without-script]')) link.setAttribute('hidden', '');
  const pause = Number(region.dataset.poll);
  let wait = pause;
  const next = () => setTimeout(ask, wait);
  const ask = async () => {
    if (document.hidden) { next(); return; }
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (answer.redirected || answer.status === 404) { location.reload(); return; }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      wait = pause;
      if (show(parse(await answer.text()), wire)) next();
    } catch {
      wait = Math.min(2 * wait, slowest);
      next();
    }
  };
  next();
}

/** Shows what is new and says whether to ask again. @param {Document} page @param {(root: ParentNode) => void} wire */
function show(page, wire) {
  const now = document.getElementById('progress');
  const fresh = page.getElementById('progress');
  const running = fresh?.hasAttribute('data-poll') ?? false;
  const said = fresh?.getAttribute('data-announce') ?? page.querySelector('h1 + .lead .badge')?.textContent ?? '';
  if (said !== now?.getAttribute('data-announce')) announce(said);
  const [from, to] = running ? [now, fresh] : [document.getElementById('workload'), page.getElementById('workload')];
  if (from && to && from.innerHTML !== to.innerHTML) {
    const focused = from.contains(document.activeElement) ? document.activeElement : null;
    for (const link of running ? to.querySelectorAll('[data-without-script]') : []) link.setAttribute('hidden', '');
    // What has been unfolded stays so; at the end the page is another one.
    const folds = running ? [...from.querySelectorAll('details')] : [];
    to.querySelectorAll('details').forEach((fold, i) => { if (folds[i]?.open) fold.open = true; });
    from.replaceWith(document.adoptNode(to));
    wire(to);
    // What has just been begun has ended.
    if (!running) document.querySelector('main > [role="status"]')?.remove();
    if (focused?.id) document.getElementById(focused.id)?.focus();
  }
  return running;
}
