// Tables that stand in the page get sorting by their heads, a filter, and a download as CSV.
import { el } from './format.js';

const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
};

function sortBy(table, column, button) {
  const heads = [...table.tHead.rows[0].cells];
  const falls = heads[column].getAttribute('aria-sort') !== 'descending';
  heads.forEach((head) => head.removeAttribute('aria-sort'));
  heads[column].setAttribute('aria-sort', falls ? 'descending' : 'ascending');
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort(([a], [b]) => {
    const order = typeof a === 'number' && typeof b === 'number'
      ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
    return falls ? -order : order;
  });
  body.append(...rows.map(([, row]) => row));
  button.focus();
}

const quoted = (text) => `"${text.replace(/"/g, '""')}"`;

function download(table) {
  const lines = [...table.rows].filter((row) => !row.hidden).map((row) => [...row.cells]
    .map((cell) => quoted(cell.dataset.v === undefined ? cell.textContent : cell.dataset.v))
    .join(','));
  const url = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'text/csv' }));
  el('a', { href: url, download: `${table.id || 'table'}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function filterRows(table, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of table.tBodies[0].rows) {
    const has = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => has.includes(word));
  }
}

export function enhanceTable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const text = head.textContent;
    const button = el('button', { type: 'button', onclick: () => sortBy(table, column, button) },
      text);
    head.replaceChildren(button);
  });
  const rows = table.tBodies[0].rows.length;
  if (rows < 14) return;
  const filter = el('input', {
    type: 'search', placeholder: 'Filter rows', 'aria-label': `Filter ${table.caption.textContent}`,
    oninput: () => filterRows(table, filter.value),
  });
  const tools = el('p', { class: 'tools' }, filter,
    el('button', { type: 'button', onclick: () => download(table) }, 'Download CSV'));
  table.parentNode.before(tools);
}
