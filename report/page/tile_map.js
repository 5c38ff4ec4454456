// The tiles of the machine as a grid of cells, coloured by a number each. Where there are several
// IPUs, each has a grid. Arrow keys move over the cells, Enter and a click choose one.
import { color, count, el, sharpContext } from './format.js';
import { exe, ipuCount, ipuOf, tileCount } from './data.js';

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

// Colours over [low, high], and the key that shows them.
function rampOf(interpolate, low, high) {
  const span = high > low ? high - low : 1;
  return {
    color: (value) => interpolate((value - low) / span),
    key: (unit) => {
      const bar = el('span', { class: 'ramp-bar' });
      const stops = d3.range(0, 1.01, 0.1).map(interpolate).join(', ');
      bar.style.background = `linear-gradient(to right, ${stops})`;
      return [`${count(low)} `, bar, ` ${count(high)} ${unit}`];
    },
  };
}

export class TileMap {
  // onchoose(tile); describe(tile) is what the pointer and screen readers are told.
  constructor({ label, onchoose, describe, width = 736 }) {
    this.columns = columnsFor(exe.target.tiles);
    this.rows = Math.ceil(exe.target.tiles / this.columns);
    // Grids beside each other, and the room between them, which holds their names.
    this.across = Math.ceil(Math.sqrt(ipuCount));
    this.between = ipuCount > 1 ? 20 : 0;
    const room = Math.floor((width + this.between) / this.across) - this.between;
    this.cell = Math.max(3, Math.min(40, Math.floor(room / this.columns)));
    this.wide = this.columns * this.cell + this.between;
    this.high = this.rows * this.cell + this.between;
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

  // The top left corner of a tile's cell.
  placeOf(tile) {
    const ipu = ipuOf(tile);
    const own = tile % exe.target.tiles;
    return [(ipu % this.across) * this.wide + (own % this.columns) * this.cell,
      Math.floor(ipu / this.across) * this.high + this.between
        + Math.floor(own / this.columns) * this.cell];
  }

  tileUnder(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    const across = Math.floor(x / this.wide);
    const ipu = Math.floor(y / this.high) * this.across + across;
    const column = Math.floor((x % this.wide) / this.cell);
    const row = Math.floor(((y % this.high) - this.between) / this.cell);
    const own = row * this.columns + column;
    const isCell = across < this.across && ipu >= 0 && ipu < ipuCount && column < this.columns
      && row >= 0 && own < exe.target.tiles;
    return isCell ? ipu * exe.target.tiles + own : -1;
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

  // Values by tile; colours over [low, high], and above `limit` those of another ramp. NaN: not
  // there.
  show(values, { low, high, limit = Infinity, unit = 'bytes' }) {
    const none = color('faint');
    const within = rampOf(d3.interpolateViridis, low, Math.min(high, limit));
    const beyond = rampOf((t) => d3.interpolateReds(0.35 + 0.65 * t), Math.max(low, limit), high);
    this.fills = Array.from(values, (value) => {
      if (Number.isNaN(value)) return none;
      return (value > limit ? beyond : within).color(value);
    });
    this.ramp.replaceChildren();
    if (low <= limit) this.ramp.append(...within.key(unit));
    if (high > limit) this.ramp.append(el('br'), `over ${count(limit)}: `, ...beyond.key(unit));
    else if (limit !== Infinity) this.ramp.append(`; a tile has ${count(limit)}`);
    if (this.tip.textContent !== '') this.tip.textContent = this.describe(this.at);
    this.draw();
  }

  choose(tile) {
    this.chosen = tile;
    this.at = tile;
    this.draw();
  }

  draw() {
    if (!this.fills) return;
    const size = this.cell;
    const context = sharpContext(this.canvas, this.across * this.wide - this.between,
      Math.ceil(ipuCount / this.across) * this.high);
    const gap = size > 5 ? 1 : 0;
    context.font = '12px system-ui, sans-serif';
    context.fillStyle = color('muted');
    for (let ipu = 0; this.between > 0 && ipu < ipuCount; ipu += 1) {
      const [x, y] = this.placeOf(ipu * exe.target.tiles);
      context.fillText(`IPU ${ipu}`, x, y - 5);
    }
    for (let tile = 0; tile < tileCount; tile += 1) {
      context.fillStyle = this.fills[tile];
      context.fillRect(...this.placeOf(tile), size - gap, size - gap);
    }
    // Light around dark: a frame is seen on any colour.
    const frame = (tile, width) => {
      if (tile < 0) return;
      const [x, y] = this.placeOf(tile);
      for (const [style, wide] of [['#fff', width + 3], ['#000', width]]) {
        context.strokeStyle = style;
        context.lineWidth = wide;
        context.strokeRect(x - 0.5, y - 0.5, size, size);
      }
    };
    frame(this.at, 1);
    frame(this.chosen, 3);
  }
}
