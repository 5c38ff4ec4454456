// One view at a time, by the address: #VIEW, #tiles/TILE, #supersteps/N, #operations/N,
// #variables/N, #placement/STEP/reads/K, #packing/BATCH, #plan/BATCH, #events/N. Printed, all views
// stand below each other.
import { alwaysLive, exe, report, stepCount, tileCount } from './data.js';
import { differencesView } from './differences.js';
import { count, el, legend, percent } from './format.js';
import { memoryView, useColor } from './memory.js';
import { operationsView } from './operations.js';
import { packingView } from './packing.js';
import { placementView } from './placement.js';
import { recompilesView } from './recompiles.js';
import { partColor, parts, superstepsView } from './supersteps.js';
import { enhanceTable } from './table.js';
import { tilesView } from './tiles.js';

const state = {
  tile: exe ? exe.inspection.memory.peak_tile : 0,
  step: 0,
  chosenStep: false,
  operation: -1,
  variable: 0,
  operand: null,
  batch: 0,
  planned: 0,
  event: -1,
};
if (exe) {
  state.step = Math.max(0, exe.inspection.supersteps.findIndex(
    (one) => one.name === exe.inspection.memory.peak_superstep));
}

// A browser scrolls to the element that an address names. Here an address names a view and what is
// chosen in it, so the names go.
const sections = {};
for (const element of document.querySelectorAll('main > section')) {
  sections[element.id] = element;
}
document.querySelectorAll('main > section, main tr').forEach((one) => one.removeAttribute('id'));

// Parts of a whole; where they are more than it, a mark stands at the whole.
function shareBar(title, shares) {
  const sum = Math.max(1, shares.reduce((all, [, share]) => all + share, 0));
  const bar = el('div', { class: 'share-bar', role: 'img', 'aria-label': title });
  for (const [name, share, fill] of shares) {
    const part = el('span', { title: `${name}: ${percent(share)}` },
      share / sum > 0.07 ? `${name} ${percent(share)}` : '');
    part.style.width = `${(100 * share) / sum}%`;
    part.style.background = fill;
    bar.append(part);
  }
  const box = el('div', { class: 'share-box' }, bar);
  if (sum > 1.0001) {
    const mark = el('span', { class: 'share-limit' }, '100 %');
    mark.style.left = `${100 / sum}%`;
    box.append(mark);
    box.classList.add('has-limit');
  }
  return el('div', {}, el('h3', {}, title), box);
}

function verdictView(place) {
  if (!exe) return () => {};
  return () => {
    const { cycles, memory } = exe.inspection;
    const byPart = { ...cycles, rearrange: exe.rearrange };
    if (!memory.fits) sections.verdict.classList.add('does-not-fit');
    const room = exe.target.bytes_per_tile;
    place.replaceChildren(
      shareBar(`Where ${count(cycles.total)} cycles go`,
        parts.map((part) => [part, byPart[part] / cycles.total, partColor(part)])),
      shareBar(`What tile ${memory.peak_tile} holds at its peak: ${count(memory.peak_bytes)} of `
        + `${count(room)} bytes, ${percent(memory.peak_bytes / room)}`,
      Object.entries(exe.at_peak).map(([use, bytes]) => [use.replace(/_/g, ' '), bytes / room,
        useColor(use)])),
      legend([...alwaysLive, 'variables', 'receive_buffers', 'temporaries', 'gaps'], useColor));
  };
}

const views = {
  verdict: verdictView,
  tiles: tilesView,
  memory: memoryView,
  supersteps: superstepsView,
  operations: operationsView,
  placement: placementView,
  packing: packingView,
  recompiles: recompilesView,
  differences: differencesView,
};
const draws = {};

const go = (where) => { window.location.hash = where; };
const within = (text, size, usual) => {
  const number = Number(text);
  return text !== undefined && Number.isInteger(number) && number >= 0 && number < size
    ? number : usual;
};

// The view of an address, with what it names chosen.
function route(hash) {
  const [name, first, kind, which] = hash.replace(/^#/, '').split('/');
  if (name === 'tiles') state.tile = within(first, tileCount, state.tile);
  if (name === 'supersteps' && first !== undefined) {
    state.step = within(first, stepCount, state.step);
    state.chosenStep = true;
  }
  if (name === 'operations') {
    state.operation = within(first, exe ? exe.operations.length : 0, -1);
  }
  if (name === 'variables') {
    state.variable = within(first, exe ? exe.variables.length : 0, 0);
    state.operand = null;
    return 'placement';
  }
  if (name === 'placement' && which !== undefined) {
    const at = within(first, stepCount, 0);
    const list = exe.supersteps[at][kind] || [];
    state.operand = list.length ? [at, kind, within(which, list.length, 0)] : null;
  }
  if (name === 'packing') {
    state.batch = within(first, report.run ? report.run.batches.length : 0, 0);
  }
  if (name === 'plan') {
    state.planned = within(first, report.plan ? report.plan.batches.length : 0, 0);
    return 'packing';
  }
  if (name === 'events') {
    state.event = within(first, report.logs ? report.logs[0].events.length : 0, -1);
    return 'recompiles';
  }
  return name in views || name === 'provenance' ? name : 'verdict';
}

function draw(name) {
  const place = document.getElementById(`chart-${name}`);
  if (!place || !(name in views)) return;
  if (!draws[name]) draws[name] = views[name](place, state, go);
  draws[name]();
}

function show() {
  const name = route(window.location.hash);
  const section = name in sections ? name : 'verdict';
  for (const [one, element] of Object.entries(sections)) element.hidden = one !== section;
  for (const anchor of document.querySelectorAll('nav a')) {
    const isHere = anchor.getAttribute('href') === `#${section}`;
    if (isHere) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  // A selection that is left behind in a hidden view would have it laid out again and again.
  window.getSelection().removeAllRanges();
  // A canvas takes its fonts from a view that the browser knows to be visible by now.
  sections[section].getBoundingClientRect();
  draw(section);
  window.scrollTo(0, 0);
}

// Left and right bracket go to the view before and after.
function nextView(by) {
  const anchors = [...document.querySelectorAll('nav a')];
  const here = anchors.findIndex((anchor) => anchor.hasAttribute('aria-current'));
  anchors[(here + by + anchors.length) % anchors.length].click();
}

// In a notebook the page is the text of a frame, and an address is completed by the notebook's own:
// a link would leave the page. The link that skips the menu names no view.
document.addEventListener('click', (event) => {
  const anchor = event.target.closest('a[href^="#"]');
  if (!anchor || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (anchor.matches('.skip')) document.getElementById('views').focus();
  else go(anchor.getAttribute('href'));
});

document.documentElement.classList.add('scripted');
document.querySelectorAll('main table').forEach(enhanceTable);
window.addEventListener('hashchange', show);
window.addEventListener('keydown', (event) => {
  if (event.target.matches('input, select')) return;
  if (event.key === '[') nextView(-1);
  if (event.key === ']') nextView(1);
});
window.addEventListener('beforeprint', () => {
  for (const [one, element] of Object.entries(sections)) {
    element.hidden = false;
    draw(one);
  }
});
window.addEventListener('afterprint', show);
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
show();
