// The view Supersteps: cycles of each as a stacked bar, with zoom and search, and all that is known
// of the chosen one.
import {
  exe, ipuCount, ipuOf, pool, step, stepCount, tileName,
} from './data.js';
import { boxAt, boxInWords, lastTile } from './boxes.js';
import {
  bytes, color, count, el, legend, link, percent, sharpContext, smallTable,
} from './format.js';
import { planDetails } from './operations.js';
import { TileMap } from './tile_map.js';

export const parts = ['compute', 'exchange', 'rearrange', 'sync'];
export const partColor = (part) => color(part);
const height = 300;
const edge = {
  left: 70, right: 48, top: 20, bottom: 34,
};

const cyclesOf = (now) => ({
  compute: now.compute_cycles,
  exchange: now.exchange_cycles,
  rearrange: now.rearrange_cycles,
  sync: now.sync_cycles,
});

class Bars {
  constructor(onchoose) {
    this.width = 1100;
    this.steps = d3.range(stepCount).map(step);
    this.most = Math.max(1, ...this.steps.map((now) => now.cycles));
    this.all = d3.scaleLinear([0, stepCount], [edge.left, this.width - edge.right]);
    this.x = this.all;
    this.y = d3.scaleLinear([0, this.most * 1.03], [height - edge.bottom, edge.top]);
    this.balance = d3.scaleLinear([0, 1], [height - edge.bottom, edge.top]);
    this.canvas = el('canvas', {
      tabindex: 0, role: 'application',
      'aria-label': 'Cycles of the supersteps. Arrow keys move, Enter chooses, + and - zoom.',
    });
    this.tip = el('p', { class: 'tip', 'aria-live': 'polite' });
    this.found = null;
    this.chosen = -1;
    this.at = 0;
    this.zoom = d3.zoom().scaleExtent([1, Math.max(1, stepCount / 5)])
      .translateExtent([[edge.left, 0], [this.width - edge.right, height]])
      .extent([[edge.left, 0], [this.width - edge.right, height]])
      .on('zoom', () => {
        this.x = d3.event.transform.rescaleX(this.all);
        this.draw();
      });
    this.canvas.addEventListener('mousemove', (event) => this.point(this.stepUnder(event)));
    this.canvas.addEventListener('click', (event) => onchoose(this.stepUnder(event)));
    this.canvas.addEventListener('keydown', (event) => this.key(event, onchoose));
    d3.select(this.canvas).call(this.zoom).on('dblclick.zoom', null);
  }

  stepUnder(event) {
    return Math.max(0, Math.min(stepCount - 1, Math.floor(this.x.invert(event.offsetX))));
  }

  key(event, onchoose) {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) {
      const at = Math.max(0, Math.min(stepCount - 1, this.at + moves[event.key]));
      this.reveal(at);
      this.point(at);
    } else if (event.key === 'Enter') onchoose(this.at);
    else if (event.key === '+') d3.select(this.canvas).call(this.zoom.scaleBy, 1.5);
    else if (event.key === '-') d3.select(this.canvas).call(this.zoom.scaleBy, 1 / 1.5);
    else return;
    event.preventDefault();
  }

  // Moves what is shown so far that the superstep is there.
  reveal(at) {
    const [left, right] = [this.x(at), this.x(at + 1)];
    if (left > edge.left - 1 && right < this.width - edge.right + 1) return;
    d3.select(this.canvas).call(this.zoom.translateTo, this.all(at + 0.5), 0);
  }

  point(at) {
    this.at = at;
    const now = this.steps[at];
    this.tip.textContent = `${at} ${now.name} (${now.codelet}): ${count(now.cycles)} cycles, `
      + `balance ${percent(now.balance)}`;
    this.draw();
  }

  draw() {
    const context = sharpContext(this.canvas, this.width, height);
    context.font = '12px system-ui, sans-serif';
    const bottom = height - edge.bottom;
    context.save();
    context.beginPath();
    context.rect(edge.left, 0, this.width - edge.left - edge.right, height);
    context.clip();
    const [from, to] = [Math.max(0, Math.floor(this.x.invert(edge.left))),
      Math.min(stepCount, Math.ceil(this.x.invert(this.width - edge.right)))];
    const colors = parts.map(partColor);
    for (let at = from; at < to; at += 1) {
      const now = cyclesOf(this.steps[at]);
      const left = this.x(at);
      const gap = this.x(at + 1) - left > 4 ? 1 : 0;
      let below = 0;
      context.globalAlpha = this.found && !this.found.has(at) ? 0.2 : 1;
      parts.forEach((part, i) => {
        const top = this.y(below + now[part]);
        context.fillStyle = colors[i];
        context.fillRect(left, top, Math.max(0.5, this.x(at + 1) - left - gap),
          this.y(below) - top);
        below += now[part];
      });
    }
    context.globalAlpha = 1;
    context.strokeStyle = color('ink');
    context.lineWidth = 1;
    context.beginPath();
    for (let at = from; at < to; at += 1) {
      context.lineTo(this.x(at + 0.5), this.balance(this.steps[at].balance));
    }
    context.setLineDash([3, 2]);
    context.stroke();
    context.setLineDash([]);
    const frame = (at, style, width) => {
      if (at < 0) return;
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(this.x(at), edge.top, this.x(at + 1) - this.x(at), bottom - edge.top);
    };
    frame(this.at, color('muted'), 1);
    frame(this.chosen, color('accent'), 2);
    context.restore();
    this.axes(context, bottom);
  }

  axes(context, bottom) {
    context.fillStyle = color('muted');
    context.textAlign = 'right';
    for (const tick of this.y.ticks(5)) {
      context.fillText(count(tick), edge.left - 6, this.y(tick) + 4);
    }
    context.textAlign = 'left';
    for (const tick of [0, 0.5, 1]) {
      context.fillText(`${100 * tick} %`, this.width - edge.right + 6, this.balance(tick) + 4);
    }
    context.fillText('cycles', 4, 11);
    context.textAlign = 'right';
    context.fillText('balance', this.width, 11);
    context.fillText('superstep', this.width - edge.right, bottom + 30);
    context.textAlign = 'center';
    for (const tick of this.x.ticks(14)) {
      if (Number.isInteger(tick) && tick < stepCount) {
        context.fillText(String(tick), this.x(tick + 0.5), bottom + 16);
      }
    }
  }
}

function regionRow(what, region, at, kind, which) {
  const now = exe.supersteps[at];
  const transfer = kind === 'transfers' ? now.transfers[which] : null;
  const first = (transfer || now.vertices).grid.map(() => 0);
  return [what, link(`variables/${region[0]}`, exe.variables[region[0]].name),
    `[${region[1].join(',')}]`, boxInWords(boxAt(region, first)),
    link(`placement/${at}/${kind}/${which}`, 'where')];
}

function operandTable(at) {
  const now = step(at);
  const rows = [];
  now.transfers.forEach((one, i) => {
    rows.push(regionRow('exchange delivers', one.region, at, 'transfers', i));
  });
  (now.reads || []).forEach((one, i) => rows.push(regionRow('reads', one, at, 'reads', i)));
  (now.writes || []).forEach((one, i) => rows.push(regionRow('writes', one, at, 'writes', i)));
  return smallTable('What it exchanges, reads and writes.',
    ['', 'variable', 'as', 'box of the first vertex', ''], rows);
}

function ipusOf(vertices) {
  const [first, last] = [ipuOf(vertices.first), ipuOf(lastTile(vertices))];
  return first === last ? `IPU ${first}` : `IPUs ${first}–${last}`;
}

export function stepDetails(at, go) {
  const now = step(at);
  const operation = exe.operations[now.operation];
  const grid = now.vertices.grid.join(' × ');
  const map = new TileMap({
    label: 'Compute cycles of each tile in this superstep',
    onchoose: (tile) => go(`tiles/${tile}`),
    describe: (tile) => `${tileName(tile)}: ${count(pool(now.by_tile.compute)[tile])} compute `
      + 'cycles',
    width: 368,
  });
  const compute = pool(now.by_tile.compute);
  map.show(compute, { low: 0, high: Math.max(...compute), unit: 'compute cycles' });
  const nearby = el('p', { class: 'tools' },
    at > 0 ? link(`supersteps/${at - 1}`, '← previous') : null,
    at + 1 < stepCount ? link(`supersteps/${at + 1}`, 'next →') : null,
    link('tiles', 'tiles'), link('memory', 'memory'));
  return [
    el('h3', {}, `Superstep ${at}: ${now.name}`), nearby,
    el('dl', {},
      ...[['operation', link(`operations/${now.operation}`, operation.name)],
        ['ONNX nodes', now.origin.length ? now.origin.join(', ') : 'added by the compiler'],
        ['codelet', `${now.codelet}, ${count(now.vertices_count)} vertices as ${grid} from tile `
          + `${now.vertices.first}`],
        ...(ipuCount > 1 ? [['computes on', ipusOf(now.vertices)]] : []),
        ['parameters', JSON.stringify(now.vertices.params)],
        ['cycles', `${count(now.cycles)}: compute ${count(now.compute_cycles)}, exchange `
          + `${count(now.exchange_cycles)}, rearrange ${count(now.rearrange_cycles)}, sync `
          + `${count(now.sync_cycles)}`],
        ['balance', `${percent(now.balance)} over ${count(now.active_tiles)} tiles; AMP `
          + `${percent(now.amp)}`],
        ['exchange', `${bytes(now.exchange_bytes)} in ${count(now.messages)} messages, at most `
          + `${bytes(now.max_receive_bytes)} to a tile`],
      ].map(([name, what]) => el('div', {}, el('dt', {}, name), el('dd', {}, what)))),
    el('div', { class: 'side' }, el('div', {}, operandTable(at)), map.element),
    ...(now.plan === undefined ? [] : planDetails(exe.plans[now.plan])),
  ];
}

export function superstepsView(place, state, go) {
  const bars = new Bars((at) => go(`supersteps/${at}`));
  const panel = el('div', { class: 'panel', id: 'superstep-panel' });
  const found = el('output', {});
  const search = el('input', {
    type: 'search', placeholder: 'Search names, nodes, codelets', id: 'superstep-search',
    'aria-label': 'Search supersteps',
    oninput: () => {
      const wanted = search.value.toLowerCase();
      bars.found = wanted === '' ? null : new Set(d3.range(stepCount).filter((at) => {
        const now = bars.steps[at];
        return [now.name, now.codelet, ...now.origin].some(
          (text) => text.toLowerCase().includes(wanted));
      }));
      found.textContent = bars.found ? ` ${bars.found.size} found` : '';
      bars.draw();
    },
    onkeydown: (event) => {
      if (event.key === 'Enter' && bars.found && bars.found.size) {
        const next = [...bars.found].find((at) => at > state.step);
        go(`supersteps/${next === undefined ? [...bars.found][0] : next}`);
      }
    },
  });
  const zoomBy = (factor) => d3.select(bars.canvas).call(bars.zoom.scaleBy, factor);
  place.append(el('p', { class: 'tools' }, search, found,
    el('button', { type: 'button', onclick: () => zoomBy(2) }, 'Zoom in'),
    el('button', { type: 'button', onclick: () => zoomBy(0.5) }, 'Zoom out')),
  legend(parts, partColor, [['dashed', 'balance of the tiles, on the right']]),
  el('div', { class: 'scroll' }, bars.canvas), bars.tip, panel);
  return () => {
    bars.chosen = state.step;
    bars.at = state.step;
    bars.reveal(state.step);
    bars.draw();
    panel.replaceChildren(...stepDetails(state.step, go));
  };
}
