// The parts of the view Packing that show documents of other verbs: times and rates of a bench, the
// policies of pack, the shapes of pack tune.
import { report } from './data.js';
import { color, count, el, legend, percent, seconds, tick } from './format.js';

const width = 1100;
const left = 210;
const colors = ['compute', 'exchange', 'rearrange', 'better', 'over', 'sync'];
const inkOf = (number) => color(colors[number % colors.length]);

// Rows of [name, value], each a bar from 0 on. A value that is not known has no bar.
function bars(title, rows, format, most) {
  const known = rows.filter(([, value]) => value !== undefined && value !== null);
  if (known.length === 0) return [];
  const line = 24;
  const x = d3.scaleLinear([0, most || d3.max(known, ([, value]) => value) || 1],
    [left, width - 110]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${line * known.length + 6}`)
    .attr('role', 'img').attr('aria-label', title).attr('class', 'bars');
  known.forEach(([name, value], i) => {
    svg.append('text').attr('class', 'note').attr('x', 4).attr('y', i * line + 20).text(name);
    svg.append('rect').attr('x', left).attr('y', i * line + 6).attr('height', line - 6)
      .attr('width', Math.max(0, x(value) - left)).attr('fill', inkOf(i));
    svg.append('text').attr('class', 'note').attr('x', x(value) + 6).attr('y', i * line + 20)
      .text(format(value));
  });
  return [el('h3', {}, title), svg.node()];
}

const shares = ['p50', 'p90', 'p95', 'p99', 'p99.9', 'max'];

// Times by the share of all that they are not above, a line for each [name, times] that has some.
// A name has the colour of its place.
function percentiles(title, named) {
  const series = named.map(([name, times], number) => [name, times, number])
    .filter(([, times]) => times !== undefined);
  if (series.length === 0) return [];
  const height = 240;
  const most = d3.max(series, ([, times]) => times.max) || 1;
  const x = d3.scalePoint(shares, [80, width - 60]);
  const y = d3.scaleLinear([0, most * 1.05], [height - 24, 10]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', title).attr('class', 'percentiles');
  series.forEach(([name, times, number]) => {
    svg.append('path').attr('class', 'line').attr('stroke', inkOf(number))
      .attr('d', d3.line().x((share) => x(share)).y((share) => y(times[share]))(shares));
    const dots = svg.selectAll(`circle.of-${number}`).data(shares).enter().append('circle')
      .attr('r', 4).attr('cx', (share) => x(share)).attr('cy', (share) => y(times[share]))
      .attr('fill', inkOf(number));
    dots.append('title').text((share) => `${name}, ${share}: ${seconds(times[share])}`);
  });
  svg.append('g').attr('transform', `translate(0,${height - 24})`).call(d3.axisBottom(x));
  svg.append('g').attr('transform', 'translate(80,0)')
    .call(d3.axisLeft(y).ticks(5).tickFormat(tick));
  const inks = new Map(series.map(([name, , number]) => [name, inkOf(number)]));
  return [el('h3', {}, title), legend([...inks.keys()], (name) => inks.get(name)), svg.node()];
}

const rate = (value) => (value < 100 ? value.toFixed(1) : count(value));

function benchParts(figures) {
  if (!figures.runs) {
    return [
      ...percentiles('Submit to answer', [['Online', figures.latency_seconds]]),
      ...bars('Why batches closed', Object.entries(figures.closed_for), count),
    ];
  }
  const { runs } = figures;
  const of = (name) => runs.map((run) => [run.label, run[name]]);
  const answers = runs.some((run) => run.requests !== undefined);
  return [
    ...bars('Requests a second, modelled on the IPU', of('modelled_ipu_samples_per_second'), rate),
    ...bars('Requests a second, measured on the host', of('host_samples_per_second'), rate),
    ...(answers ? [] : bars('Batches a second, modelled on the IPU',
      of('modelled_ipu_batches_per_second'), rate)),
    ...(answers ? [] : bars('Batches a second, measured on the host',
      of('host_batches_per_second'), rate)),
    ...bars('Useful tokens', of('fill'), percent, 1),
    ...percentiles('Submit to answer, on the host', of('latency_seconds')),
    ...percentiles('A batch on the host', of('batch_seconds')),
  ];
}

function policiesParts(figures) {
  const of = (name) => figures.policies.map((one) => [one.policy, one[name]]);
  return [
    ...bars('Batches by policy', of('batches'), count),
    ...bars('Useful tokens by policy', of('token_fill'), percent, 1),
  ];
}

function shapesParts(figures) {
  const named = (one, number) => `${number}: ${one.rows} × ${one.row_length}, form ${one.form}`;
  const of = (name) => figures.candidates.map((one, number) => [named(one, number), one[name]]);
  return [
    ...bars('Requests a second of each shape, modelled', of('modelled_requests_per_second'), rate),
    ...bars('99 % of the answers within, modelled', of('p99_seconds'), seconds),
    ...bars('Useful tokens of each shape', of('token_fill'), percent, 1),
  ];
}

// Elements; none where no such document was given.
export function figuresParts() {
  return [
    ...(report.bench ? benchParts(report.bench.figures) : []),
    ...(report.policies ? policiesParts(report.policies.figures) : []),
    ...(report.shapes ? shapesParts(report.shapes.figures) : []),
  ];
}
