// The view Tiles: all tiles as a map, and what the chosen one holds and does at a superstep.
import {
  exe, memoryOf, pool, step, stepCount, tileCount, tileName, uses, variablesOf,
} from './data.js';
import { boxInWords, boxOnTile } from './boxes.js';
import {
  bytes, capital, count, el, link, longTable, nameAxes, percent, plural, select, smallTable, words,
} from './format.js';
import { messagesOf, tilesInWords } from './messages.js';
import { TileMap } from './tile_map.js';

const maxOf = (values) => values.reduce((most, value) => Math.max(most, value), 0);
const minOf = (values) => values.reduce((least, value) => Math.min(least, value), Infinity);

// Cycles of each tile over all supersteps, by part.
function cyclesOfAll(part) {
  const sums = new Float64Array(tileCount);
  for (const one of exe.supersteps) {
    const values = pool(one.by_tile[part]);
    for (let tile = 0; tile < tileCount; tile += 1) sums[tile] += values[tile];
  }
  return sums;
}

function idleOf(total, parts) {
  return parts[0].map((_, tile) => total - parts.reduce((sum, part) => sum + part[tile], 0));
}

const cycleParts = ['compute', 'exchange', 'rearrange'];

// The choices of the map: the title, and values by tile.
function sources() {
  const list = new Map();
  list.set('peak', ['bytes at the peak', () => pool(exe.tiles.peak), 'bytes']);
  list.set('always_live', ['bytes always live', () => pool(exe.tiles.always_live), 'bytes']);
  for (const use of uses) {
    list.set(use, [`bytes at the peak: ${words(use)}`, () => pool(exe.tiles.at_peak[use]),
      'bytes']);
  }
  for (const part of cycleParts) {
    list.set(`all-${part}`, [`cycles per batch: ${part}`, () => cyclesOfAll(part), 'cycles']);
  }
  list.set('all-idle', ['cycles per batch: idle', () => idleOf(
    exe.inspection.cycles.total - exe.inspection.cycles.sync, cycleParts.map(cyclesOfAll)),
  'cycles']);
  for (const part of cycleParts) {
    list.set(`step-${part}`, [`cycles of the superstep: ${part}`,
      (at) => pool(exe.supersteps[at].by_tile[part]), 'cycles']);
  }
  list.set('step-idle', ['cycles of the superstep: idle', (at) => idleOf(
    exe.supersteps[at].cycles - step(at).sync_cycles,
    cycleParts.map((part) => pool(exe.supersteps[at].by_tile[part]))), 'cycles']);
  list.set('step-received', ['bytes received in the superstep',
    (at) => pool(exe.supersteps[at].by_tile.received_bytes), 'bytes']);
  list.set('step-live', ['bytes in the superstep',
    (at) => Float64Array.from({ length: tileCount }, (_, tile) => Object.values(
      memoryOf(tile, at)).reduce((sum, part) => sum + part, 0)), 'bytes']);
  return list;
}

function vertexRows(tile, at) {
  const now = step(at);
  const rows = [];
  const add = (what, region, vertices) => {
    const box = boxOnTile(region, vertices, tile);
    if (!box) return;
    rows.push([what, link(`variables/${region[0]}`, exe.variables[region[0]].name),
      boxInWords(box)]);
  };
  for (const region of now.reads || []) {
    add('reads', region, now.vertices);
  }
  for (const region of now.writes || []) {
    add('writes', region, now.vertices);
  }
  return rows;
}

// The numbers of tiles; many are behind a line that says how many.
function tilesCell(tiles) {
  const [first, all] = tilesInWords(tiles);
  return first === all ? all
    : el('details', {}, el('summary', {}, `${first}, … (${plural(tiles.length, 'tile')})`), all);
}

// The messages from and to a tile. Those that are received of one variable with equal bytes are a
// row.
function messageTables(tile, at) {
  const { received, sent } = messagesOf(tile, at);
  const titles = (who) => ['variable', 'bytes', who];
  const from = new Map();
  for (const [source, number, size] of received) {
    const key = `${number}/${size}`;
    if (!from.has(key)) from.set(key, [number, size, []]);
    from.get(key)[2].push(source);
  }
  const name = (number) => link(`variables/${number}`, exe.variables[number].name);
  const table = (caption, who, rows) => (rows.length === 0 ? [] : [longTable(caption, titles(who),
    rows.map(([number, size, tiles]) => [name(number), size, tilesCell(tiles)]))]);
  return [
    ...table(`Messages that it receives: ${count(received.length)}.`, 'from each of the tiles',
      [...from.values()]),
    ...table(`Messages that it sends: ${count(sent.length)}.`, 'to all of the tiles',
      sent.map(([tiles, number, size]) => [number, size, tiles])),
  ];
}

export function tileDetails(tile, at) {
  const now = step(at);
  const memory = memoryOf(tile, at);
  const total = Object.values(memory).reduce((sum, part) => sum + part, 0);
  const of = (name) => pool(now.by_tile[name])[tile];
  const variables = variablesOf(tile, at);
  const vertex = vertexRows(tile, at);
  return [
    el('h3', {}, `${capital(tileName(tile))} at superstep ${at}, `,
      link(`supersteps/${at}`, now.name)),
    el('p', {}, `${count(total)} bytes of ${count(exe.target.bytes_per_tile)} `
      + `(${percent(total / exe.target.bytes_per_tile)}). Compute ${count(of('compute'))}, `
      + `exchange ${count(of('exchange'))}, rearrange ${count(of('rearrange'))} cycles of `
      + `${count(now.cycles)}.`),
    el('p', {}, `Received ${bytes(of('received_bytes'))} in `
      + `${plural(of('received_messages'), 'message')}, sent ${bytes(of('sent_bytes'))} in `
      + `${count(of('sent_messages'))}.`),
    smallTable('What the tile holds there.', ['use', 'bytes'],
      uses.map((use) => [words(use), memory[use]])),
    vertex.length === 0 ? el('p', {}, 'It has no vertex in this superstep.')
      : smallTable(`Its vertex: codelet ${now.codelet}.`, ['', 'variable', 'box'], vertex),
    ...messageTables(tile, at),
    longTable('Its variables, the largest first.', ['variable', 'kind', 'bytes'], variables.map(
      ([number, size]) => [link(`variables/${number}`, exe.variables[number].name),
        exe.variables[number].kind, size])),
  ];
}

function profile(values, limit, unit, width, height) {
  const x = d3.scaleLinear([0, values.length - 1], [60, width - 8]);
  const most = Math.max(maxOf(values), limit === Infinity ? 0 : limit) * 1.05 || 1;
  const y = d3.scaleLinear([0, most], [height - 32, 16]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', 'The same values by the number of the tile');
  svg.append('path').attr('class', 'area').attr('d', d3.area().x((_, i) => x(i)).y0(y(0))
    .y1((value) => y(value))(values));
  if (limit !== Infinity) {
    svg.append('line').attr('class', 'limit').attr('x1', 60).attr('x2', width - 8)
      .attr('y1', y(limit)).attr('y2', y(limit));
  }
  svg.append('g').attr('transform', `translate(0,${height - 32})`).call(d3.axisBottom(x).ticks(10));
  svg.append('g').attr('transform', 'translate(60,0)').call(d3.axisLeft(y).ticks(4, '~s'));
  nameAxes(svg, {
    x: 'tile', y: unit, right: width - 8, bottom: height - 2,
  });
  return svg.node();
}

export function tilesView(place, state, go) {
  const list = sources();
  let shown = 'peak';
  let values = [];
  const map = new TileMap({
    label: 'Tiles. Arrow keys move, Enter chooses.',
    onchoose: (tile) => go(`tiles/${tile}`),
    describe: (tile) => `${tileName(tile)}: ${count(values[tile])} ${list.get(shown)[2]}`,
  });
  const panel = el('div', { class: 'panel', id: 'tile-panel' });
  const line = el('div');
  const [label, choice] = select('Colour by', [...list].map(([name, [title]]) => [name, title]),
    (name) => { shown = name; draw(); });
  choice.id = 'tile-source';
  const slider = el('input', {
    type: 'range', min: 0, max: Math.max(0, stepCount - 1), 'aria-label': 'superstep',
    oninput: () => { state.step = Number(slider.value); draw(); },
  });
  const name = el('output', {});
  function draw() {
    const [, of, unit] = list.get(shown);
    values = of(state.step);
    const isBytes = shown === 'peak' || shown === 'always_live' || shown === 'step-live';
    const limit = isBytes ? exe.target.bytes_per_tile : Infinity;
    map.show(values, { low: minOf(values), high: maxOf(values), limit, unit });
    map.choose(state.tile);
    line.replaceChildren(profile(values, limit, unit, 736, 170));
    slider.value = state.step;
    name.textContent = ` ${state.step}: ${step(state.step).name}`;
    panel.replaceChildren(...tileDetails(state.tile, state.step));
  }
  place.append(el('p', { class: 'tools' }, label, el('label', {}, 'Superstep ', slider, name)),
    el('div', { class: 'side' }, el('div', {}, map.element, line), panel));
  return draw;
}
