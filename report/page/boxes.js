// Which part of a tensor is on which tile, as program/program.h defines it: blocks of a mapping,
// and boxes of a region at the positions of a grid. A box is a list of [begin, end].
const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

// The place of number k in row-major order.
function placeOf(k, counts) {
  const place = new Array(counts.length);
  for (let i = counts.length - 1; i >= 0; i -= 1) {
    place[i] = k % counts[i];
    k = Math.floor(k / counts[i]);
  }
  return place;
}

// [[tile, box], …] of all blocks.
export function blocksOf(variable) {
  const counts = variable.view.map((size, i) => Math.ceil(size / variable.block[i]));
  const blocks = [];
  for (let k = 0; k < product(counts); k += 1) {
    blocks.push([variable.first + k, placeOf(k, counts).map((at, i) => [
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

// [[tile, box], …] of a region, one for each vertex of the grid.
export function boxesOf(region, grid, first) {
  const boxes = [];
  for (let k = 0; k < product(grid); k += 1) {
    boxes.push([first + k, boxAt(region, placeOf(k, grid))]);
  }
  return boxes;
}

// The box on one tile; null where the grid has no vertex there.
export function boxOnTile(region, grid, first, tile) {
  const k = tile - first;
  return k < 0 || k >= product(grid) ? null : boxAt(region, placeOf(k, grid));
}

export const elementsOf = (box) => product(box.map(([begin, end]) => end - begin));
export const boxInWords = (box) => `[${box.map(([begin, end]) => `${begin}:${end}`).join(', ')}]`;
