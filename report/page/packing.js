// The view Packing: the rows of a batch, each request in a colour of its own and the waste grey;
// and over time how many requests waited, how full batches were, and how long answers took.
import { report } from './data.js';
import { figuresParts } from './figures.js';
import {
  color, count, el, isLight, legend, nameAxes, percent, plural, seconds, sharpContext, tick, words,
} from './format.js';

// Without the grey that the scheme ends in.
const requestColor = (number) => d3.schemeTableau10[number % 9];

// The parts of rows that a request takes: in form A it may go on in the next row.
function* stretches(start, length, rowLength) {
  let at = start;
  while (at < start + length) {
    const end = Math.min(start + length, (Math.floor(at / rowLength) + 1) * rowLength);
    yield [Math.floor(at / rowLength), at % rowLength, end - at];
    at = end;
  }
}

export function drawBatch(canvas, sizes, placements) {
  const width = 900;
  const rowHeight = Math.max(4, Math.min(26, 480 / sizes.rows));
  const context = sharpContext(canvas, width, rowHeight * sizes.rows);
  const scale = width / sizes.row_length;
  context.fillStyle = color('waste');
  for (let row = 0; row < sizes.rows; row += 1) {
    context.fillRect(0, row * rowHeight, width, rowHeight - 1);
  }
  context.font = `${Math.min(12, rowHeight - 2)}px system-ui, sans-serif`;
  placements.forEach(([start, length], number) => {
    for (const [row, column, size] of stretches(start, length, sizes.row_length)) {
      context.fillStyle = requestColor(number);
      context.fillRect(column * scale, row * rowHeight, size * scale - 1, rowHeight - 1);
      if (size * scale > 26 && rowHeight > 11) {
        context.fillStyle = isLight(requestColor(number)) ? '#000' : '#fff';
        context.fillText(String(number), column * scale + 3, (row + 1) * rowHeight - 4);
      }
    }
  });
  return { rowHeight, scale };
}

function fillText(sizes, placements) {
  const tokens = placements.reduce((sum, [, length]) => sum + length, 0);
  const all = sizes.rows * sizes.row_length;
  const requests = sizes.most_requests > 0
    ? `${placements.length} of ${plural(sizes.most_requests, 'request')} `
      + `(${percent(placements.length / sizes.most_requests)})`
    : `${plural(placements.length, 'request')} (no limit)`;
  return `${requests}, ${count(tokens)} of ${count(all)} tokens (${percent(tokens / all)}); `
    + `grey is waste: ${count(all - tokens)} tokens`;
}

function batchPicture(name, sizes) {
  const canvas = el('canvas', { role: 'img', 'aria-label': 'Rows of a batch, by request' });
  const text = el('p', { id: 'batch-text' });
  const tip = el('p', { class: 'tip' });
  const title = el('h3', {}, name);
  let placements = [];
  let drawn = null;
  canvas.addEventListener('mousemove', (event) => {
    const at = Math.floor(event.offsetY / drawn.rowHeight) * sizes.row_length
      + Math.floor(event.offsetX / drawn.scale);
    const found = placements.findIndex(([start, length]) => start <= at && at < start + length);
    if (found < 0) {
      tip.textContent = 'waste';
      return;
    }
    const [start, length, request] = placements[found];
    tip.textContent = `request ${request === undefined ? `${found} of the batch` : request}: `
      + `${count(length)} tokens from ${count(start)} on`;
  });
  return {
    element: el('div', {}, title, el('div', { class: 'scroll' }, canvas), text, tip),
    // `now`: placements; not known of a batch far behind, of which `batch` has the sums.
    show(name_now, now, batch) {
      title.textContent = name_now;
      tip.textContent = '';
      placements = now || [];
      canvas.hidden = !now;
      drawn = drawBatch(canvas, sizes, placements);
      text.textContent = now ? fillText(sizes, placements)
        : `${plural(batch.requests, 'request')}, ${plural(batch.tokens, 'token')}; the page draws `
          + 'the first batches alone';
    },
  };
}

// Lines over the time of closing, or over the number of a batch: [name, of a batch, colour].
function lines(batches, series, unit, format, onchoose) {
  const height = 170;
  const width = 1100;
  const timed = batches[0].at !== undefined;
  const at = (batch, number) => (timed ? batch.at : number);
  const x = d3.scaleLinear(d3.extent(batches, at), [64, width - 10]);
  const most = d3.max(series, ([, of]) => d3.max(batches, of)) || 1;
  const y = d3.scaleLinear([0, most * 1.05], [height - 34, 16]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', `${series.map(([name]) => name).join(', ')} over ${timed ? 'time'
      : 'batches'}`);
  for (const [, of, stroke] of series) {
    svg.append('path').attr('class', 'line').attr('stroke', stroke)
      .attr('d', d3.line().x((batch, i) => x(at(batch, i))).y((batch) => y(of(batch)))(batches));
  }
  svg.append('g').attr('transform', `translate(0,${height - 34})`)
    .call(d3.axisBottom(x).ticks(timed ? 10 : Math.min(10, batches.length - 1))
      .tickFormat(timed ? tick : count));
  svg.append('g').attr('transform', 'translate(64,0)')
    .call(d3.axisLeft(y).ticks(4).tickFormat(format));
  nameAxes(svg, {
    x: timed ? 'time since the start' : 'batch', y: unit, right: width - 10, bottom: height - 4,
  });
  svg.node().addEventListener('click', (event) => {
    const where = x.invert(d3.clientPoint(svg.node(), event)[0]);
    const away = batches.map((batch, number) => Math.abs(at(batch, number) - where));
    onchoose(d3.scan(away));
  });
  return svg.node();
}

function reasonDots(batches, onchoose) {
  const reasons = [...new Set(batches.map((batch) => batch.reason))];
  const width = 1100;
  const height = 24 * reasons.length + 26;
  const x = d3.scaleLinear(d3.extent(batches, (batch) => batch.at), [64, width - 10]);
  const y = d3.scalePoint(reasons, [12, height - 34]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', 'Why each batch was closed, over time');
  svg.append('g').attr('transform', 'translate(64,0)').call(d3.axisLeft(y));
  svg.append('g').attr('transform', `translate(0,${height - 22})`)
    .call(d3.axisBottom(x).ticks(10).tickFormat(tick));
  const dots = svg.selectAll('circle').data(batches).enter().append('circle')
    .attr('class', 'reason').attr('r', 3.5).attr('cx', (batch) => x(batch.at))
    .attr('cy', (batch) => y(batch.reason));
  dots.append('title').text((batch, i) => `batch ${i}: ${batch.reason} at ${seconds(batch.at)}`);
  dots.nodes().forEach((dot, number) => dot.addEventListener('click', () => onchoose(number)));
  return svg.node();
}

// Buttons to the batch before and after.
function turning(batches, chosen, choose) {
  const step = (by) => choose(Math.max(0, Math.min(batches.length - 1, chosen() + by)));
  return el('p', { class: 'tools' },
    el('button', { type: 'button', onclick: () => step(-1) }, '← batch'),
    el('button', { type: 'button', onclick: () => step(1) }, 'batch →'));
}

function runParts(place, state, go) {
  const { run } = report;
  const { batches } = run;
  if (batches.length === 0) return () => {};
  const picture = batchPicture('', run.sizes);
  const choose = (number) => go(`packing/${number}`);
  const tokens = run.sizes.rows * run.sizes.row_length;
  const latency = [['p50', (batch) => batch.latency.p50, color('compute')],
    ['p99', (batch) => batch.latency.p99, color('over')]];
  const most = run.sizes.most_requests;
  const fill = [['tokens', (batch) => batch.tokens / tokens, color('exchange')]];
  if (most > 0) {
    fill.push(['requests', (batch) => batch.requests / most, color('rearrange')]);
  }
  const keyed = (series) => legend(series.map(([name]) => name),
    (name) => series.find(([one]) => one === name)[2]);
  const waiting = [['waiting', (batch) => batch.waiting, color('accent')]];
  place.append(turning(batches, () => state.batch, choose), picture.element,
  el('h3', {}, 'Requests that wait, as each batch closes'),
  lines(batches, waiting, 'requests', count, choose),
  el('h3', {}, 'Occupancy'), keyed(fill),
  lines(batches, fill, 'of what a batch holds', percent, choose),
  el('h3', {}, 'Why batches close'), reasonDots(batches, choose),
  el('h3', {}, 'Submit to answer'), keyed(latency),
  lines(batches, latency, 'time', seconds, choose));
  return () => {
    const batch = batches[state.batch];
    if (!batch) return;
    picture.show(`Batch ${state.batch} of ${run.file} (${run.batch}), closed at `
      + `${seconds(batch.at)} by ${words(batch.reason)}`,
      batch.placements, batch);
  };
}

function planParts(place, state, go) {
  const { plan } = report;
  const { batches, sizes } = plan;
  if (batches.length === 0) return () => {};
  const picture = batchPicture('', sizes);
  const choose = (number) => go(`plan/${number}`);
  const all = sizes.rows * sizes.row_length;
  place.append(turning(batches, () => state.planned, choose), picture.element,
    el('h3', {}, 'Useful tokens of each batch'),
    lines(batches, [['tokens', (batch) => batch.tokens / all, color('exchange')]],
      'of the row tokens', percent,
      choose));
  return () => picture.show(`Batch ${state.planned} of ${count(batches.length)} of ${plan.file} `
    + `(${plan.batch}), planned by ${plan.policy}`, batches[state.planned].placements,
    batches[state.planned]);
}

export function packingView(place, state, go) {
  const draws = [];
  if (report.run) draws.push(runParts(place, state, go));
  if (report.plan) draws.push(planParts(place, state, go));
  if (report.example) {
    const { example } = report;
    const picture = batchPicture('', example.sizes);
    place.append(picture.element);
    draws.push(() => picture.show(`An example: lengths drawn around ${count(example.mean)}, at `
      + `most ${count(example.longest)}, packed by ${example.policy}`, example.placements));
  }
  place.append(...figuresParts());
  return () => draws.forEach((draw) => draw());
}
