// The view Memory over time: bytes of one tile by use, superstep by superstep.
import {
  alwaysLive, notAlwaysLive, exe, memoryOf, step, stepCount, tileCount, tileName, uses, variablesOf,
} from './data.js';
import {
  capital, count, el, legend, link, longTable, nameAxes, percent, smallTable, words,
} from './format.js';

export const useColor = (use) => {
  const at = alwaysLive.indexOf(use);
  return at >= 0 ? d3.interpolateBlues(0.35 + 0.6 * (at / alwaysLive.length))
    : d3.interpolateOranges(0.3 + 0.6 * (notAlwaysLive.indexOf(use) / notAlwaysLive.length));
};

const width = 1100;
const height = 340;
const edge = {
  left: 70, right: 12, top: 18, bottom: 38,
};

const sumOf = (memory) => Object.values(memory).reduce((sum, part) => sum + part, 0);

function chart(tile, chosen, onpoint, onchoose) {
  const rows = d3.range(stepCount).map((at) => memoryOf(tile, at));
  const totals = rows.map(sumOf);
  const peak = d3.scan(totals, d3.descending);
  const limit = exe.target.bytes_per_tile;
  // A superstep is as wide as any other, and what it holds is there until its end.
  const x = d3.scaleLinear([0, stepCount], [edge.left, width - edge.right]);
  const y = d3.scaleLinear([0, Math.max(limit, totals[peak]) * 1.04],
    [height - edge.bottom, edge.top]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${height}`)
    .attr('role', 'application').attr('tabindex', 0).attr('aria-label',
      `Bytes of ${tileName(tile)} over the supersteps, by use. Arrow keys move, Enter chooses.`);
  const area = d3.area().curve(d3.curveStepAfter).x((_, i) => x(i)).y0((d) => y(d[0]))
    .y1((d) => y(d[1]));
  svg.selectAll('path').data(d3.stack().keys(uses)([...rows, rows[stepCount - 1]])).enter()
    .append('path').attr('fill', (layer) => useColor(layer.key)).attr('d', area)
    .append('title').text((layer) => words(layer.key));
  svg.append('line').attr('class', 'limit').attr('x1', edge.left).attr('x2', width - edge.right)
    .attr('y1', y(limit)).attr('y2', y(limit));
  svg.append('text').attr('class', 'note').attr('x', width - edge.right).attr('y', y(limit) - 4)
    .attr('text-anchor', 'end').text(`${count(limit)} bytes of a tile`);
  svg.append('circle').attr('class', 'peak').attr('r', 4).attr('cx', x(peak + 0.5))
    .attr('cy', y(totals[peak]));
  svg.append('text').attr('class', 'note').attr('y', y(totals[peak]) - 8)
    .attr('x', Math.max(220, Math.min(width - 220, x(peak + 0.5)))).attr('text-anchor', 'middle')
    .text(`peak ${count(totals[peak])} in ${step(peak).name}`);
  svg.append('g').attr('transform', `translate(0,${height - edge.bottom})`)
    .call(d3.axisBottom(x).ticks(12));
  svg.append('g').attr('transform', `translate(${edge.left},0)`)
    .call(d3.axisLeft(y).ticks(6, '~s'));
  nameAxes(svg, {
    x: 'superstep', y: 'bytes', right: width - edge.right, bottom: height - 2,
  });
  const cursor = svg.append('line').attr('class', 'cursor').attr('y1', edge.top)
    .attr('y2', height - edge.bottom).attr('visibility', 'hidden');
  const stepUnder = (event) => {
    const [at] = d3.clientPoint(svg.node(), event);
    return Math.max(0, Math.min(stepCount - 1, Math.floor(x.invert(at))));
  };
  let pointed = chosen === null ? peak : chosen;
  const point = (at) => {
    pointed = at;
    cursor.attr('x1', x(at + 0.5)).attr('x2', x(at + 0.5)).attr('visibility', 'visible');
    onpoint(`superstep ${at}, ${step(at).name}: ${count(totals[at])} bytes`);
  };
  svg.node().addEventListener('mousemove', (event) => point(stepUnder(event)));
  svg.node().addEventListener('keydown', (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === 'Enter') onchoose(pointed);
    else if (!(event.key in moves)) return;
    else point(Math.max(0, Math.min(stepCount - 1, pointed + moves[event.key])));
    event.preventDefault();
  });
  svg.node().addEventListener('click', (event) => onchoose(stepUnder(event)));
  return { node: svg.node(), peak, total: totals[peak] };
}

function details(tile, at) {
  const memory = memoryOf(tile, at);
  const total = sumOf(memory);
  const variables = variablesOf(tile, at);
  return [
    el('h3', {}, `${capital(tileName(tile))} at superstep ${at}, `,
      link(`supersteps/${at}`, step(at).name)),
    el('p', { id: 'memory-total', 'data-v': total }, `${count(total)} bytes, `
      + `${percent(total / exe.target.bytes_per_tile)} of the tile.`),
    el('div', { class: 'side' },
      smallTable('By use.', ['use', 'bytes'], uses.map((use) => [words(use), memory[use]])),
      longTable('What is live there, the largest first.',
        ['variable', 'kind', 'bytes', 'from', 'to'], variables.map(([number, size]) => {
          const variable = exe.variables[number];
          const lives = variable.kind !== 'constant';
          return [link(`variables/${number}`, variable.name), variable.kind, size,
            lives ? link(`supersteps/${variable.life[0]}`, String(variable.life[0])) : 'always',
            lives ? link(`supersteps/${variable.life[1]}`, String(variable.life[1])) : 'always'];
        }))),
  ];
}

export function memoryView(place, state) {
  const panel = el('div', { class: 'panel', id: 'memory-panel' });
  const hint = 'Click a superstep to see what is live there.';
  const tip = el('p', { class: 'tip', 'aria-live': 'polite' }, hint);
  const picture = el('div');
  const input = el('input', {
    type: 'number', min: 0, max: tileCount - 1, id: 'memory-tile',
    onchange: () => {
      state.tile = Math.max(0, Math.min(tileCount - 1, Number(input.value) || 0));
      draw(true);
    },
  });
  const fullest = el('button', {
    type: 'button',
    onclick: () => { state.tile = exe.inspection.memory.peak_tile; draw(true); },
  }, 'Fullest tile');
  function draw(toPeak = false) {
    input.value = state.tile;
    tip.textContent = hint;
    const known = toPeak || !state.chosenStep ? null : state.step;
    const made = chart(state.tile, known, (text) => { tip.textContent = text; }, (at) => {
      state.step = at;
      state.chosenStep = true;
      panel.replaceChildren(...details(state.tile, at));
    });
    if (toPeak || !state.chosenStep) state.step = made.peak;
    picture.replaceChildren(made.node);
    panel.replaceChildren(...details(state.tile, state.step));
  }
  place.append(el('p', { class: 'tools' }, el('label', {}, 'Tile ', input), fullest),
    legend(uses, useColor), picture, tip, panel);
  return () => draw();
}
