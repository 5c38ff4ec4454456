// The view Placement: how a variable, or an operand of a superstep, lies on the machine. The tensor
// is drawn as a plane, its first dimensions down and its last across; every part has the colour of
// its tile, and the map beside it shows how much is on each.
import { exe, step, tileCount, tileName } from './data.js';
import { blocksOf, boxInWords, boxesOf, elementsOf } from './boxes.js';
import { color, count, el, link, sharpContext } from './format.js';
import { TileMap } from './tile_map.js';

const elementBytes = (variable) => variable.bytes
  / Math.max(1, variable.shape.reduce((all, size) => all * size, 1));

// A drawing: a view of a variable and [tile, box] of its parts.
function mapped(number) {
  const variable = exe.variables[number];
  return {
    variable,
    number,
    view: variable.view,
    parts: blocksOf(variable),
    title: [`${variable.name} as it is mapped`],
  };
}

function operand(at, kind, which) {
  const now = step(at);
  const vertices = kind === 'transfers' ? now.transfers[which] : now.vertices;
  const region = kind === 'transfers' ? now.transfers[which].region : now[kind][which];
  const verb = { transfers: 'is delivered', reads: 'is read', writes: 'is written' }[kind];
  return {
    variable: exe.variables[region[0]],
    number: region[0],
    view: region[1],
    parts: boxesOf(region, vertices),
    title: [`${exe.variables[region[0]].name} as it ${verb} in superstep ${at}, `,
      link(`supersteps/${at}`, now.name)],
  };
}

// The places that a box covers among these dimensions joined to one, as runs of [begin, end].
function runsOf(sizes, box) {
  let runs = [[0, 1]];
  let inner = 1;
  for (let i = sizes.length - 1; i >= 0; i -= 1) {
    const [begin, end] = box[i];
    if (runs.length === 1 && runs[0][0] === 0 && runs[0][1] === inner) {
      runs = [[begin * inner, end * inner]];
    } else {
      const next = [];
      for (let at = begin; at < end && next.length < 4000; at += 1) {
        for (const [from, to] of runs) next.push([at * inner + from, at * inner + to]);
      }
      runs = next;
    }
    inner *= sizes[i];
  }
  return runs;
}

const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

// How many dimensions go down, so that the plane is about as wide as it is high.
function splitOf(view) {
  const shape = (at) => Math.abs(Math.log(product(view.slice(0, at)) / product(view.slice(at))));
  let best = Math.max(0, view.length - 1);
  for (let at = 0; at < view.length; at += 1) if (shape(at) < shape(best)) best = at;
  return best;
}

const tileColor = (tile, first, last) => d3.interpolateRainbow((tile - first)
  / Math.max(1, last - first + 1));

class Plane {
  constructor(onpoint) {
    this.canvas = el('canvas', { role: 'img', 'aria-label': 'The tensor, coloured by tile' });
    this.canvas.addEventListener('mousemove', (event) => onpoint(this.under(event)));
  }

  show(drawn) {
    const { view, parts } = drawn;
    this.view = view;
    this.parts = parts;
    this.split = splitOf(view);
    this.across = product(view.slice(this.split));
    this.down = product(view.slice(0, this.split));
    this.width = 560;
    this.height = Math.round(Math.max(48, Math.min(420,
      this.width * Math.sqrt(this.down / this.across))));
    const context = sharpContext(this.canvas, this.width, this.height);
    context.fillStyle = color('faint');
    context.fillRect(0, 0, this.width, this.height);
    const first = Math.min(...parts.map(([tile]) => tile));
    const last = Math.max(...parts.map(([tile]) => tile));
    const x = (column) => (column / this.across) * this.width;
    const y = (row) => (row / this.down) * this.height;
    for (const [tile, box] of parts) {
      context.fillStyle = tileColor(tile, first, last);
      const columns = runsOf(view.slice(this.split), box.slice(this.split));
      for (const [from, to] of runsOf(view.slice(0, this.split), box.slice(0, this.split))) {
        for (const [begin, end] of columns) {
          const gap = y(to) - y(from) > 4 && x(end) - x(begin) > 4 ? 1 : 0;
          context.fillRect(x(begin), y(from), x(end) - x(begin) - gap, y(to) - y(from) - gap);
        }
      }
    }
  }

  // [tile, box] of the parts under the pointer.
  under(event) {
    let column = Math.floor((event.offsetX / this.width) * this.across);
    let row = Math.floor((event.offsetY / this.height) * this.down);
    const at = new Array(this.view.length);
    for (let i = this.view.length - 1; i >= this.split; i -= 1) {
      at[i] = column % this.view[i];
      column = Math.floor(column / this.view[i]);
    }
    for (let i = this.split - 1; i >= 0; i -= 1) {
      at[i] = row % this.view[i];
      row = Math.floor(row / this.view[i]);
    }
    return this.parts.filter(([, box]) => box.every(
      ([begin, end], i) => begin <= at[i] && at[i] < end));
  }
}

function usesOf(number) {
  const rows = [];
  exe.supersteps.forEach((now, at) => {
    for (const kind of ['transfers', 'reads', 'writes']) {
      (now[kind] || []).forEach((one, which) => {
        const region = kind === 'transfers' ? one.region : one;
        if (region[0] !== number) return;
        const verb = { transfers: 'delivered in', reads: 'read in', writes: 'written in' }[kind];
        rows.push(el('li', {}, link(`placement/${at}/${kind}/${which}`,
          `${verb} ${at} ${step(at).name}`)));
      });
    }
  });
  return rows;
}

export function placementView(place, state, go) {
  const title = el('h3');
  const facts = el('p', { id: 'placement-facts' });
  const hint = 'Point at the tensor to see whose a part is.';
  const tip = el('p', { class: 'tip' }, hint);
  let held = new Float64Array(tileCount);
  const plane = new Plane((there) => {
    tip.textContent = there.length === 0 ? '' : `${boxInWords(there[0][1])} on `
      + `${there.length === 1 ? 'tile' : `${there.length} tiles:`} `
      + `${there.slice(0, 12).map(([tile]) => tile).join(', ')}${there.length > 12 ? ', …' : ''}`;
  });
  const map = new TileMap({
    label: 'Bytes of this variable on each tile',
    onchoose: (tile) => go(`tiles/${tile}`),
    describe: (tile) => `${tileName(tile)}: ${count(held[tile])} bytes of it`,
    width: 520,
  });
  const list = el('ul', { class: 'uses' });
  const chooser = el('select', {
    id: 'placement-variable', 'aria-label': 'Variable',
    onchange: () => go(`variables/${chooser.value}`),
  }, ...exe.variables.map((variable, number) => el('option', { value: number }, variable.name)));
  place.append(el('p', { class: 'tools' }, el('label', {}, 'Variable ', chooser)), title, facts,
    el('div', { class: 'side' }, el('div', { class: 'scroll' }, plane.canvas, tip), map.element),
    el('h3', {}, 'Where it is used'), list);
  return () => {
    const drawn = state.operand ? operand(...state.operand) : mapped(state.variable);
    const { variable, number, view, parts } = drawn;
    held = new Float64Array(tileCount);
    for (const [tile, box] of parts) held[tile] += elementsOf(box) * elementBytes(variable);
    const tiles = parts.filter(([, box]) => elementsOf(box) > 0).length;
    const total = held.reduce((sum, part) => sum + part, 0);
    tip.textContent = hint;
    title.replaceChildren(...drawn.title);
    facts.dataset.v = total;
    const split = splitOf(view);
    facts.textContent = `${variable.kind} ${variable.dtype}[${variable.shape.join(',')}], `
      + `${count(variable.bytes)} bytes, seen as [${view.join(',')}] ([${view.slice(0, split)}] `
      + `down, [${view.slice(split)}] across); on ${count(tiles)} tiles, at `
      + `most ${count(Math.max(...held))} bytes on one, ${count(total)} bytes on all.`;
    chooser.value = number;
    plane.show(drawn);
    map.show(held.map((part) => (part === 0 ? NaN : part)), { low: 0, high: Math.max(...held) });
    list.replaceChildren(el('li', {}, link(`variables/${number}`, 'as it is mapped')),
      ...usesOf(number));
  };
}
