// The tiles that a tile hears from and sends to in a superstep, as cost/exchange.cpp counts
// messages: what the exchange delivers to a tile from another is one message, and so is what a tile
// sends, whoever receives it.
import { exe } from './data.js';
import { boxesOf, boxOnTile, elementsOf, numberOn, placeOf, tileOf } from './boxes.js';

const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

// A box's elements as [begin, end] of the variable's memory, in runs that lie in one row of both
// views.
function runsOf(view, box, width) {
  const last = view.length - 1;
  const runs = [];
  const outer = box.slice(0, last).map(([begin, end]) => end - begin);
  for (let k = 0; k < product(outer); k += 1) {
    const row = placeOf(k, outer).reduce((sum, at, i) => sum * view[i] + box[i][0] + at, 0);
    const end = row * view[last] + box[last][1];
    let begin = row * view[last] + box[last][0];
    while (begin < end) {
      const stop = Math.min(end, (Math.floor(begin / width) + 1) * width);
      runs.push([begin, stop]);
      begin = stop;
    }
  }
  return runs;
}

const countsOf = ({ view, block }) => view.map((size, i) => Math.ceil(size / block[i]));

// Elements of a box by the tile on which they lie.
function sourcesOf(variable, view, box) {
  const counts = countsOf(variable);
  const last = variable.view.length - 1;
  const found = new Map();
  for (const [begin, end] of runsOf(view, box, variable.view[last])) {
    const place = placeOf(begin, variable.view);
    let at = begin;
    while (at < end) {
      const column = place[last] + at - begin;
      const edge = (Math.floor(column / variable.block[last]) + 1) * variable.block[last];
      const stop = Math.min(end, at + edge - column);
      const number = counts.reduce((sum, size, i) => sum * size
        + Math.floor((i === last ? column : place[i]) / variable.block[i]), 0);
      const tile = tileOf(number, counts, variable);
      found.set(tile, (found.get(tile) || 0) + stop - at);
      at = stop;
    }
  }
  return found;
}

// The different boxes that a transfer brings, each with the tiles that want it.
const known = new Map();
function sharedBoxes(transfer) {
  if (known.has(transfer)) return known.get(transfer);
  const { region, ...vertices } = transfer;
  const shared = new Map();
  for (const [tile, box] of boxesOf(region, vertices)) {
    const key = box.join(';');
    if (!shared.has(key)) shared.set(key, [box, []]);
    shared.get(key)[1].push(tile);
  }
  known.set(transfer, [...shared.values()]);
  return known.get(transfer);
}

// Runs of what a tile holds of a variable, as places and ends in a region's view.
function heldBy(tile, variable, view) {
  const counts = countsOf(variable);
  const number = numberOn(tile, counts, variable);
  if (number < 0) return [];
  const block = placeOf(number, counts).map((at, i) => [at * variable.block[i],
    Math.min(variable.view[i], (at + 1) * variable.block[i])]);
  return runsOf(variable.view, block, view[view.length - 1])
    .map(([begin, end]) => [placeOf(begin, view), end - begin]);
}

function elementsIn(held, box) {
  const last = box.length - 1;
  let sum = 0;
  for (const [place, length] of held) {
    let inside = true;
    for (let i = 0; i < last && inside; i += 1) {
      inside = box[i][0] <= place[i] && place[i] < box[i][1];
    }
    if (inside) {
      sum += Math.max(0, Math.min(place[last] + length, box[last][1])
        - Math.max(place[last], box[last][0]));
    }
  }
  return sum;
}

const bytesOfElement = (variable) => variable.bytes / Math.max(1, product(variable.shape));

// { received: [[tile, variable, bytes], …], sent: [[tiles, variable, bytes], …] }, with numbers of
// variables.
export function messagesOf(tile, at) {
  const received = [];
  const sent = [];
  for (const transfer of exe.supersteps[at].transfers.filter((one) => !one.kept)) {
    const [number, view] = transfer.region;
    const variable = exe.variables[number];
    const size = bytesOfElement(variable);
    const box = boxOnTile(transfer.region, transfer, tile);
    if (box && elementsOf(box) > 0) {
      const sources = sourcesOf(variable, view, box);
      sources.delete(tile);
      for (const [from, elements] of sources) received.push([from, number, elements * size]);
    }
    const held = heldBy(tile, variable, view);
    if (held.length === 0) continue;
    for (const [wanted, tiles] of sharedBoxes(transfer)) {
      const elements = elementsIn(held, wanted);
      if (elements === 0 || (tiles.length === 1 && tiles[0] === tile)) continue;
      sent.push([tiles.filter((one) => one !== tile), number, elements * size]);
    }
  }
  return { received, sent };
}

// Tile numbers as runs, "0–3, 8": the first of them, and all.
export function tilesInWords(tiles) {
  const runs = [];
  for (const tile of [...tiles].sort((a, b) => a - b)) {
    const run = runs[runs.length - 1];
    if (run && run[1] === tile - 1) run[1] = tile;
    else runs.push([tile, tile]);
  }
  const text = runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  return [text.slice(0, 12).join(', '), text.join(', ')];
}
