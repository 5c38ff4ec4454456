// The view Differences: the operations that changed most, slower to the right, faster to the left.
import { report } from './data.js';
import {
  color, count, el, fitted, nameAxes,
} from './format.js';

const shown = 24;
const font = '12px system-ui, sans-serif';

function chart(difference) {
  const changed = difference.operations.filter((row) => row.cycles_change !== 0);
  const rows = changed.slice(0, shown);
  if (rows.length === 0) return [];
  const [width, line] = [1100, 20];
  const most = d3.max(rows, (row) => Math.abs(row.cycles_change));
  const x = d3.scaleLinear([-most, most], [260, width - 120]);
  const svg = d3.create('svg').attr('viewBox', `0 0 ${width} ${line * rows.length + 40}`)
    .attr('role', 'img').attr('aria-label', 'Change of cycles by operation');
  rows.forEach((row, i) => {
    const change = row.cycles_change;
    svg.append('text').attr('class', 'note').attr('x', 4).attr('y', i * line + 34)
      .text(row.in === 'both' ? fitted(row.name, 250, font)
        : `${fitted(row.name, 170, font)} (only ${row.in})`);
    svg.append('rect').attr('x', Math.min(x(0), x(change))).attr('y', i * line + 24)
      .attr('width', Math.abs(x(change) - x(0))).attr('height', line - 5)
      .attr('fill', change > 0 ? color('over') : color('better'));
    svg.append('text').attr('class', 'note').attr('y', i * line + 35)
      .attr('x', change > 0 ? x(change) + 5 : x(change) - 5)
      .attr('text-anchor', change > 0 ? 'start' : 'end')
      .text(`${change > 0 ? '+' : '−'}${count(Math.abs(change))}`);
  });
  svg.append('g').attr('transform', 'translate(0,20)').call(d3.axisTop(x).ticks(8, '~s'));
  nameAxes(svg, {
    x: 'change of cycles, slower to the right',
    right: width - 120,
    bottom: line * rows.length + 36,
  });
  const part = changed.length > shown ? `The ${shown} of ${count(changed.length)} operations that `
    + 'changed most; the table below has all.' : 'The operations that changed.';
  return [el('p', {}, part), svg.node()];
}

export function differencesView(place) {
  for (const difference of report.differences) {
    if (difference.kind === 'executables') place.append(...chart(difference));
  }
  return () => {};
}
