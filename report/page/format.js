// Numbers as people read them, and elements. Text only ever becomes text: nothing here parses HTML.
const grouped = new Intl.NumberFormat('en-US');
export const count = (n) => grouped.format(Math.round(n));
export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const words = (name) => name.replace(/_/g, ' ');
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let value = n / 1024;
  while (value >= 1024 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  return `${value.toFixed(1)} ${units[0]}`;
}

export function seconds(s) {
  if (s < 1e-3) return `${(s * 1e6).toFixed(1)} us`;
  return s < 1 ? `${(s * 1e3).toFixed(2)} ms` : `${s.toFixed(2)} s`;
}

// The same where there is little room.
export const tick = (s) => seconds(s).replace(/\.?0+ /, ' ');

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const link = (where, text) => el('a', { href: `#${where}` }, text);

// A table of rows of text, numbers or elements.
export function smallTable(caption, titles, rows) {
  const isNumber = titles.map((_, i) => rows.every((row) => typeof row[i] === 'number'));
  const cell = (value, i) => (isNumber[i]
    ? el('td', { class: 'n', 'data-v': value }, count(value)) : el('td', {}, value));
  return el('div', { class: 'table' }, el('table', {},
    el('caption', {}, caption),
    el('thead', {}, el('tr', {}, ...titles.map((title, i) => el('th',
      { scope: 'col', class: isNumber[i] ? 'n' : false }, title)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map(cell))))));
}

// The same with `most` rows, and a button that adds the rest.
export function longTable(caption, titles, rows, most = 40) {
  if (rows.length <= most) return smallTable(caption, titles, rows);
  const short = smallTable(`${caption} The first ${most} of ${count(rows.length)}.`, titles,
    rows.slice(0, most));
  short.append(el('button', {
    type: 'button',
    class: 'show-all',
    onclick: () => short.replaceWith(smallTable(caption, titles, rows)),
  }, `Show all ${count(rows.length)}`));
  return short;
}

// As much of a text as this many pixels of a font have room for; "" where that says nothing.
const measure = document.createElement('canvas').getContext('2d');
export function fitted(text, width, font = '11px system-ui, sans-serif') {
  measure.font = font;
  if (measure.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 0 && measure.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
  return end < 3 ? '' : `${text.slice(0, end)}…`;
}

// The names of a chart's axes: of x below its right end, of y above its upper end.
export function nameAxes(svg, { x, y, right, bottom, left = 4 }) {
  const name = (text, at, up, anchor) => svg.append('text').attr('class', 'axis').attr('x', at)
    .attr('y', up).attr('text-anchor', anchor).text(text);
  if (x) name(x, right, bottom, 'end');
  if (y) name(y, left, 10, 'start');
}

export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? '' : 's'}`;

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Text on such a colour is read better in black than in white.
export const isLight = (fill) => d3.lab(fill).l > 62;

// A canvas of this many CSS pixels that is sharp on any screen.
export function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

export function select(label, options, onchange) {
  const list = el('select', { onchange: () => onchange(list.value) },
    ...options.map(([value, text]) => el('option', { value }, text)));
  return [el('label', {}, `${label} `, list), list];
}

// `others`: keys that are not a patch of colour, as [class, text].
export function legend(names, colorOf, others = []) {
  return el('ul', { class: 'legend' }, ...names.map((name) => {
    const key = el('span', { class: 'key' });
    key.style.background = colorOf(name);
    return el('li', {}, key, words(name));
  }), ...others.map(([kind, text]) => el('li', {}, el('span', { class: `key ${kind}` }), text)));
}
