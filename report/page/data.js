// The document of the report. Lists of numbers by tile are kept as runs, and unrolled when they are
// first asked for.
import { lastTile } from './boxes.js';

export const report = JSON.parse(document.getElementById('tessera-report').textContent);
export const exe = report.executables ? report.executables[0] : null;
export const ipuCount = exe ? exe.target.ipus || 1 : 0;
export const tileCount = exe ? exe.target.tiles * ipuCount : 0;

export const ipuOf = (tile) => Math.floor(tile / exe.target.tiles);
// "tile 70", and of several IPUs "tile 70 (IPU 1)".
export const tileName = (tile) => `tile ${tile}${ipuCount > 1 ? ` (IPU ${ipuOf(tile)})` : ''}`;

const unrolled = new Map();
export function pool(place) {
  if (!unrolled.has(place)) {
    const values = new Float64Array(tileCount);
    let at = 0;
    for (const run of exe.pools[place]) {
      const [value, count] = Array.isArray(run) ? run : [run, 1];
      values.fill(value, at, at + count);
      at += count;
    }
    unrolled.set(place, values);
  }
  return unrolled.get(place);
}

// The figures of a superstep in `tessera inspect --json`, and beside it.
export function step(number) {
  const said = exe.inspection.supersteps[number];
  return { ...said, ...exe.supersteps[number], vertices_count: said.vertices };
}
export const stepCount = exe ? exe.supersteps.length : 0;

export const alwaysLive = ['constants', 'code', 'vertex_state', 'exchange_code', 'control_code',
  'stack', 'reserved'];
export const notAlwaysLive = ['variables', 'receive_buffers', 'temporaries', 'gaps'];
export const uses = [...alwaysLive, ...notAlwaysLive];

const isLive = (variable, at) => variable.life[0] <= at && at <= variable.life[1];
const gaps = (bytes) => Math.floor((bytes * exe.tiles.gap_percent + 99) / 100);

// Bytes on a tile at a superstep, by use.
export function memoryOf(tile, at) {
  const memory = {};
  for (const use of alwaysLive) memory[use] = pool(exe.tiles.at_peak[use])[tile];
  const now = exe.supersteps[at];
  memory.variables = 0;
  for (const variable of exe.variables) {
    if (isLive(variable, at)) memory.variables += pool(variable.tiles)[tile];
  }
  memory.receive_buffers = now ? pool(now.receive_buffers)[tile] : 0;
  memory.temporaries = now ? pool(now.temporaries)[tile] : 0;
  const computes = now && ipuOf(tile) >= ipuOf(now.vertices.first)
    && ipuOf(tile) <= ipuOf(lastTile(now.vertices));
  if (computes) memory.temporaries += now.arranged;
  memory.gaps = gaps(memory.variables + memory.receive_buffers + memory.temporaries);
  return memory;
}

// The variables that a tile holds at a superstep, largest first: [number, bytes].
export function variablesOf(tile, at) {
  const there = [];
  exe.variables.forEach((variable, number) => {
    if (variable.kind !== 'constant' && !isLive(variable, at)) return;
    const bytes = pool(variable.tiles)[tile];
    if (bytes > 0) there.push([number, bytes]);
  });
  return there.sort((a, b) => b[1] - a[1]);
}
