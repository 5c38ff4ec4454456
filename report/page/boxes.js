// The part of a tensor on each tile, as program/program.h defines it: blocks of a mapping, and
// boxes of a region at the positions of a grid. A box is a list of [begin, end].
const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

// The place of number k in row-major order.
export function placeOf(k, counts) {
  const place = new Array(counts.length);
  for (let i = counts.length - 1; i >= 0; i -= 1) {
    place[i] = k % counts[i];
    k = Math.floor(k / counts[i]);
  }
  return place;
}

// A deal, [axis, each, stride], gives `each` positions of the axis to an IPU, and the next to the
// next one, whose tiles are `stride` further. Counts before the axis, on it, and behind it.
const partsOf = (counts, [axis]) => [product(counts.slice(0, axis)), counts[axis],
  product(counts.slice(axis + 1))];

export function tileOf(k, counts, { first, deal }) {
  if (!deal) return first + k;
  const [, own, inner] = partsOf(counts, deal);
  const [, each, stride] = deal;
  const at = Math.floor(k / inner) % own;
  const row = Math.floor(k / (inner * own)) * each + (at % each);
  return first + Math.floor(at / each) * stride + row * inner + (k % inner);
}

// The number of the block or vertex on a tile; -1 where there is none.
export function numberOn(tile, counts, { first, deal }) {
  const place = tile - first;
  if (place < 0) return -1;
  if (!deal) return place < product(counts) ? place : -1;
  const [outer, own, inner] = partsOf(counts, deal);
  const [, each, stride] = deal;
  const rest = place % stride;
  const row = Math.floor(rest / inner);
  const at = Math.floor(place / stride) * each + (row % each);
  if (rest >= outer * each * inner || at >= own) return -1;
  return (Math.floor(row / each) * own + at) * inner + (rest % inner);
}

export const lastTile = (vertices) => tileOf(product(vertices.grid) - 1, vertices.grid, vertices);

// [[tile, box], …] of all blocks.
export function blocksOf(variable) {
  const counts = variable.view.map((size, i) => Math.ceil(size / variable.block[i]));
  const blocks = [];
  for (let k = 0; k < product(counts); k += 1) {
    blocks.push([tileOf(k, counts, variable), placeOf(k, counts).map((at, i) => [
      at * variable.block[i], Math.min(variable.view[i], (at + 1) * variable.block[i])])]);
  }
  return blocks;
}

export function boxAt([, view, dims], place) {
  return dims.map(([axis, offset, move, size], i) => {
    const begin = offset + (axis < 0 ? 0 : place[axis] * move);
    return [Math.min(begin, view[i]), Math.min(view[i], begin + size)];
  });
}

// [[tile, box], …] of a region, one for each vertex of those of a superstep or a transfer.
export function boxesOf(region, vertices) {
  const { grid } = vertices;
  const boxes = [];
  for (let k = 0; k < product(grid); k += 1) {
    boxes.push([tileOf(k, grid, vertices), boxAt(region, placeOf(k, grid))]);
  }
  return boxes;
}

// The box on one tile; null where the grid has no vertex there.
export function boxOnTile(region, vertices, tile) {
  const k = numberOn(tile, vertices.grid, vertices);
  return k < 0 ? null : boxAt(region, placeOf(k, vertices.grid));
}

export const elementsOf = (box) => product(box.map(([begin, end]) => end - begin));
export const boxInWords = (box) => `[${box.map(([begin, end]) => `${begin}:${end}`).join(', ')}]`;
