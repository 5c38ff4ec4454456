// The view Recompiles: events along the time at which they ended, with their price, and what the
// chosen one differs in from its nearest key.
import { report } from './data.js';
import {
  el, legend, link, nameAxes, plural, seconds, smallTable, tick, words,
} from './format.js';

const kinds = ['cold_compile', 'recompile', 'cache_load', 'bucket_hit', 'rejected', 'evicted',
  'closed'];
const kindColor = d3.scaleOrdinal(kinds, d3.schemeTableau10);

const failed = (event) => (event.error ? ', failed' : '');
const crossOf = d3.symbol().type(d3.symbolCross).size(130);

function timeline(events, onchoose) {
  const [width, height] = [1100, 260];
  const start = d3.min(events, (event) => event.ts_unix_ns);
  const at = (event) => (event.ts_unix_ns - start) / 1e9;
  const x = d3.scaleLinear([0, d3.max(events, at) || 1], [70, width - 40]).nice();
  const y = d3.scaleSqrt([0, d3.max(events, (event) => event.time.wall_ms / 1e3) || 1],
    [height - 38, 24]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img')
    .attr('aria-label', 'Events over time, by their price');
  svg.append('g').attr('transform', `translate(0,${height - 38})`)
    .call(d3.axisBottom(x).ticks(10).tickFormat(tick));
  svg.append('g').attr('transform', 'translate(70,0)')
    .call(d3.axisLeft(y).ticks(5).tickFormat(tick));
  nameAxes(svg, {
    x: 'time since the first event', y: 'price', right: width - 40, bottom: height - 4,
  });
  const marks = svg.selectAll('g.event').data(events).enter().append('g').attr('class', 'event');
  marks.append('line').attr('x1', (event) => x(at(event))).attr('x2', (event) => x(at(event)))
    .attr('y1', y(0)).attr('y2', (event) => y(event.time.wall_ms / 1e3))
    .attr('stroke', (event) => kindColor(event.kind)).attr('stroke-width', 3);
  marks.filter((event) => !event.error).append('circle').attr('cx', (event) => x(at(event)))
    .attr('cy', (event) => y(event.time.wall_ms / 1e3))
    .attr('r', (event) => 4 + Math.sqrt(event.impact.requests_blocked))
    .attr('fill', (event) => kindColor(event.kind));
  marks.filter((event) => event.error).append('path').attr('class', 'failed')
    .attr('d', crossOf()).attr('transform', (event) => `translate(${x(at(event))},`
      + `${y(event.time.wall_ms / 1e3)}) rotate(45)`);
  marks.append('title').text((event, i) => `${i} ${words(event.kind)}${failed(event)}: `
    + `${seconds(event.time.wall_ms / 1e3)}, ${event.impact.requests_blocked} waited`);
  marks.nodes().forEach((mark, number) => mark.addEventListener('click', () => onchoose(number)));
  return svg.node();
}

function details(number) {
  const event = report.logs[0].events[number];
  const facts = [
    ['causes', event.causes.map(words).join(', ')],
    ['what differs', event.in_words],
    ['shapes', event.shapes_in_words],
    ['price', `${seconds(event.time.wall_ms / 1e3)} on the host`],
    ['waited', `${plural(event.impact.requests_blocked, 'request')}, `
      + `${seconds(event.impact.blocked_ms_sum / 1e3)} in all`],
    ['policy', `${event.policy.stance}: ${words(event.policy.action)}`],
    ['cache', `${event.cache.outcome} of ${event.cache.tier}`],
    ['key', event.key.sha256],
    ['error', event.error],
  ].filter(([, what]) => what);
  const diff = [...event.diff.map((one) => [`${one.input}, axis ${one.axis} ${one.axis_name}`,
    String(one.before), String(one.after)]), ...event.changes.map((one) => [
    `${one.component} ${one.what}`, one.before, one.after])];
  return [
    el('h3', {}, `Event ${number}: ${words(event.kind)} of ${event.model.name}${failed(event)}`),
    el('dl', {}, ...facts.map(([name, what]) => el('div', {}, el('dt', {}, name),
      el('dd', {}, what)))),
    event.nearest === null ? el('p', {}, 'No key of its session is near.')
      : el('p', {}, 'Nearest key: that of ', link(`events/${event.nearest}`,
        `event ${event.nearest}`), '.'),
    ...(diff.length
      ? [smallTable('Against the nearest key.', ['what', 'before', 'now'], diff)] : []),
    smallTable('Phases, in microseconds on the host.', ['phase', 'us'],
      Object.entries(event.time.phases_ms).map(([phase, ms]) => [phase, ms * 1e3])),
    ...event.advice.map((advice) => el('p', {}, advice.text)),
  ];
}

export function recompilesView(place, state, go) {
  const { events } = report.logs[0];
  const panel = el('div', { class: 'panel', id: 'event-panel' });
  if (events.length) {
    const shown = kinds.filter((kind) => events.some((event) => event.kind === kind));
    const crosses = events.some((event) => event.error) ? [['cross', 'failed']] : [];
    place.append(legend(shown, kindColor, crosses),
      timeline(events, (number) => go(`events/${number}`)));
  }
  place.append(panel);
  return () => panel.replaceChildren(...(state.event < 0 ? [] : details(state.event)));
}
