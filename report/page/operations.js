// The view Operations: cycles as areas, by codelet and operation, and what an operation became. An
// operation whose supersteps run several codelets has an area in each.
import { exe, step } from './data.js';
import {
  bytes, count, el, fitted, isLight, link, longTable, percent, smallTable,
} from './format.js';

const planText = (plan) => `${plan.serial > 1 ? `${plan.serial} parts in turn, ` : ''}`
  + `[${plan.g},${plan.m},${plan.k}] by [${plan.k},${plan.n}]`;

export function planDetails(plan) {
  const parts = (size, block) => Math.ceil(size / block);
  const rows = plan.cheapest.map((one) => [one.chosen ? 'chosen' : '', planText(one),
    parts(plan.g, one.g) * parts(plan.m / one.serial, one.m) * parts(plan.k, one.k)
      * parts(plan.n, one.n), parts(plan.k, one.k), one.cycles, one.bytes]);
  return [
    el('h3', {}, 'How the matmul was cut'),
    el('p', {}, `[${plan.g},${plan.m},${plan.k}] by [${plan.k},${plan.n}] in ${plan.dtype}`
      + `${plan.bias ? ', with a bias' : ''}${plan.residual ? ', with a residual' : ''}. The `
      + `planner considered ${count(plan.considered)} cuts; chosen was ${planText(plan.chosen)}. `
      + 'Plans whose operands take more than a tile may spend on them are passed over '
      + '(--available_memory_proportion), and within 3 % of the fewest cycles the host decides.'),
    smallTable(`The cheapest of ${count(plan.considered)} by modelled cycles, and the one chosen.`,
      ['', 'a vertex multiplies', 'tiles', 'parts of the sum', 'cycles', 'bytes on a tile'], rows),
  ];
}

function treemap(onchoose) {
  const groups = d3.nest().key((at) => step(at).codelet).key((at) => exe.supersteps[at].operation)
    .entries(d3.range(exe.supersteps.length));
  const colorOf = d3.scaleOrdinal(groups.map((group) => group.key), d3.schemeTableau10);
  const [width, height] = [1100, 320];
  const root = d3.hierarchy({ values: groups }, (node) => (
    typeof node.values[0] === 'number' ? null : node.values))
    .sum((node) => (typeof node.values[0] === 'number'
      ? d3.sum(node.values, (at) => exe.supersteps[at].cycles) : 0))
    .sort((a, b) => b.value - a.value);
  d3.treemap().size([width, height]).paddingInner(1)
    .paddingTop((node) => (node.depth === 1 ? 16 : 0))(root);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', 'Cycles of the operations as areas, by codelet');
  for (const group of root.children || []) {
    svg.append('text').attr('class', 'note').attr('x', group.x0 + 3).attr('y', group.y0 + 12)
      .text(fitted(`${group.data.key} ${percent(group.value / root.value)}`,
        group.x1 - group.x0 - 6, '12px system-ui, sans-serif'));
  }
  const cells = svg.selectAll('g').data(root.leaves()).enter().append('g')
    .attr('transform', (leaf) => `translate(${leaf.x0},${leaf.y0})`);
  cells.append('rect').attr('class', 'cell').attr('width', (leaf) => leaf.x1 - leaf.x0)
    .attr('height', (leaf) => leaf.y1 - leaf.y0)
    .attr('fill', (leaf) => colorOf(leaf.parent.data.key));
  const operationOf = (leaf) => Number(leaf.data.key);
  const nameOf = (leaf) => exe.operations[operationOf(leaf)].name;
  cells.append('title').text((leaf) => `${nameOf(leaf)}, ${leaf.parent.data.key}: `
    + `${count(leaf.value)} cycles, ${percent(leaf.value / root.value)}`);
  cells.filter((leaf) => leaf.x1 - leaf.x0 > 60 && leaf.y1 - leaf.y0 > 14).append('text')
    .attr('class', 'on-cell').classed('on-light', (leaf) => isLight(colorOf(leaf.parent.data.key)))
    .attr('x', 3).attr('y', 12)
    .text((leaf) => fitted(nameOf(leaf), leaf.x1 - leaf.x0 - 6));
  for (const cell of cells.nodes()) {
    cell.addEventListener('click', () => onchoose(operationOf(d3.select(cell).datum())));
  }
  return svg.node();
}

function details(number) {
  const one = exe.operations[number];
  const plans = [...new Set(one.supersteps.map((at) => exe.supersteps[at].plan))]
    .filter((plan) => plan !== undefined);
  return [
    el('h3', {}, `Operation: ${one.name}`),
    el('dl', {}, ...[
      ['ONNX nodes', one.origin.length ? one.origin.join(', ') : 'added by the compiler'],
      ['cycles', `${count(one.cycles)}, ${percent(one.share)} of a batch`],
      ['bytes', `${bytes(one.bytes_moved)} moved, ${bytes(one.result_bytes)} of results, `
        + `${bytes(one.weight_bytes)} of weights`],
      ['its result lies', one.placed],
    ].map(([name, what]) => el('div', {}, el('dt', {}, name), el('dd', {}, what)))),
    longTable('Its supersteps.', ['superstep', 'codelet', 'cycles', 'bytes moved'],
      one.supersteps.map((at) => [link(`supersteps/${at}`, `${at} ${step(at).name}`),
        step(at).codelet, step(at).cycles, step(at).exchange_bytes])),
    ...plans.flatMap((plan) => planDetails(exe.plans[plan])),
  ];
}

export function operationsView(place, state, go) {
  const panel = el('div', { class: 'panel', id: 'operation-panel' });
  place.append(treemap((number) => go(`operations/${number}`)), panel);
  return () => panel.replaceChildren(...(state.operation < 0 ? [] : details(state.operation)));
}
