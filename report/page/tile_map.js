// The tiles of the machine as a grid of cells, coloured by a number each. Arrow keys move over the
// cells, Enter and a click choose one.
import { color, count, el, sharpContext } from './format.js';
import { tileCount } from './data.js';

// Columns of a grid about as wide as a screen is, without a short last row where that is possible.
export function columnsFor(tiles) {
  const wanted = Math.sqrt(tiles * 1.44);
  let best = Math.max(1, Math.round(wanted));
  for (let columns = 1; columns <= tiles; columns += 1) {
    if (tiles % columns === 0 && Math.abs(Math.log(columns / wanted)) < 0.35
      && (tiles % best !== 0 || Math.abs(columns - wanted) < Math.abs(best - wanted))) {
      best = columns;
    }
  }
  return best;
}

export class TileMap {
  // onchoose(tile); describe(tile) is what the pointer and screen readers are told.
  constructor({ label, onchoose, describe, width = 736 }) {
    this.columns = columnsFor(tileCount);
    this.rows = Math.ceil(tileCount / this.columns);
    this.cell = Math.max(3, Math.min(40, Math.floor(width / this.columns)));
    this.describe = describe;
    this.chosen = -1;
    this.at = -1;
    this.canvas = el('canvas', { tabindex: 0, role: 'application', 'aria-label': label });
    this.tip = el('p', { class: 'tip', 'aria-live': 'polite' });
    this.ramp = el('div', { class: 'ramp' });
    this.element = el('div', { class: 'tile-map' }, this.canvas, this.ramp, this.tip);
    this.canvas.addEventListener('mousemove', (event) => this.point(this.tileUnder(event)));
    this.canvas.addEventListener('click', (event) => {
      const tile = this.tileUnder(event);
      if (tile >= 0) onchoose(tile);
    });
    this.canvas.addEventListener('keydown', (event) => this.key(event, onchoose));
  }

  tileUnder(event) {
    const column = Math.floor(event.offsetX / this.cell);
    const tile = Math.floor(event.offsetY / this.cell) * this.columns + column;
    return column < this.columns && tile >= 0 && tile < tileCount ? tile : -1;
  }

  key(event, onchoose) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (event.key === 'Enter') onchoose(Math.max(0, this.at));
    else if (!(event.key in moves)) return;
    else this.point(Math.max(0, Math.min(tileCount - 1, this.at + moves[event.key])));
    event.preventDefault();
  }

  point(tile) {
    if (tile < 0) return;
    this.at = tile;
    this.tip.textContent = this.describe(tile);
    this.draw();
  }

  // Values by tile; colours over [low, high], and another above `limit`. NaN: not there.
  show(values, { low, high, limit = Infinity, unit = 'bytes' }) {
    const interpolate = d3.interpolateViridis;
    this.values = values;
    const span = high > low ? high - low : 1;
    this.colorOf = (value) => {
      if (Number.isNaN(value)) return color('faint');
      return value > limit ? color('over') : interpolate((value - low) / span);
    };
    const stops = d3.range(0, 1.01, 0.1).map(interpolate).join(', ');
    const bar = el('span', { class: 'ramp-bar' });
    bar.style.background = `linear-gradient(to right, ${stops})`;
    this.ramp.replaceChildren(`${count(low)} `, bar, ` ${count(high)} ${unit}`);
    if (limit !== Infinity) {
      const key = el('span', { class: 'key' });
      key.style.background = color('over');
      this.ramp.append(' ', key, `over ${count(limit)}`);
    }
    this.draw();
  }

  choose(tile) {
    this.chosen = tile;
    this.at = tile;
    this.draw();
  }

  draw() {
    if (!this.values) return;
    const size = this.cell;
    const context = sharpContext(this.canvas, this.columns * size, this.rows * size);
    const gap = size > 5 ? 1 : 0;
    for (let tile = 0; tile < tileCount; tile += 1) {
      context.fillStyle = this.colorOf(this.values[tile]);
      context.fillRect((tile % this.columns) * size, Math.floor(tile / this.columns) * size,
        size - gap, size - gap);
    }
    const frame = (tile, style, width) => {
      if (tile < 0) return;
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect((tile % this.columns) * size - 0.5,
        Math.floor(tile / this.columns) * size - 0.5, size, size);
    };
    frame(this.at, color('ink'), 1);
    frame(this.chosen, color('accent'), 3);
  }
}
