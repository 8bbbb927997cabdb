export const AVAILABILITY_STYLE = `
#totals{margin-top:.6rem}
#symbols th,#symbols td{padding:.1rem .45rem}
.list{max-height:calc(100vh - 2rem);overflow:auto;border:1px solid var(--line);border-radius:6px}
#symbols{width:100%}
#symbols thead th{position:sticky;top:0;background:var(--bg);z-index:2;box-shadow:inset 0 -1px var(--line)}
#symbols thead button{border:0;padding:.15rem .1rem;font-weight:600;background:none}
#symbols thead button::after{content:' \\2195';color:var(--dim);font-weight:400}
#symbols thead [aria-sort=ascending] button::after{content:' \\25b2';color:var(--fg)}
#symbols thead [aria-sort=descending] button::after{content:' \\25bc';color:var(--fg)}
#symbols tbody tr.row:hover{background:var(--panel)}
#symbols tbody th{font-weight:500}
#symbols tbody th button{border:0;background:none;padding:.1rem .2rem;text-align:left;font-weight:500}
#symbols tbody th button::before{content:'\\25b8';display:inline-block;width:1.1em;color:var(--dim)}
#symbols tbody th button[aria-expanded=true]::before{content:'\\25be'}
#symbols td.line,#symbols th.line{width:100%;min-width:22rem;padding-left:.6rem;padding-right:.8rem}
.track{position:relative;height:1.15rem}
.track .tick{position:absolute;font-size:.72rem;font-weight:400;color:var(--dim);transform:translateX(.2rem)}
td .track{background:var(--years)}
.bar{position:absolute;top:.22rem;height:.7rem;border-radius:2px;min-width:2px;background:var(--blue)}
.bar.ended{background:repeating-linear-gradient(135deg,var(--gray) 0 3px,transparent 3px 6px);box-shadow:inset 0 0 0 1px var(--gray)}
.hole{position:absolute;top:.12rem;height:.9rem;min-width:3px;background:var(--bg);border-bottom:3px solid var(--red);border-top:3px solid var(--red)}
.legend .key{margin-right:1rem;white-space:nowrap}
.legend .bar{position:relative;display:inline-block;width:2.6rem;top:.08rem;margin-right:.35rem}
.legend .hole{left:40%;width:6px;top:-.1rem}
tr.more td{white-space:normal;padding:.4rem 1.8rem .8rem;background:var(--panel)}
tr.more ul{columns:16rem;margin:.3rem 0;padding-left:1.2rem}
.empty td{padding:1rem;color:var(--dim)}
@media(max-width:100rem){.widest{display:none}}
@media(max-width:66rem){.wide{display:none}}
`

export const AVAILABILITY_SCRIPT = `
const NAMES = ['market', 'symbol', 'base', 'quote', 'kind', 'first', 'last', 'days', 'missing', 'holes', 'live', 'delivery', 'interval', 'intervals'];
const rows = DATA.rows.map((cells) => Object.fromEntries(NAMES.map((name, i) => [name, cells[i]])));
const start = Math.min(...rows.map((row) => dayNumber(row.first)));
const end = dayNumber(DATA.asOf) + 1;
const place = (day) => 100 * (day - start) / Math.max(1, end - start);
const years = [];
for (let year = Number(dayName(Number.isFinite(start) ? start : end).slice(0, 4)) + 1; year <= Number(DATA.asOf.slice(0, 4)); year++) years.push([year, place(dayNumber(year + '-01-01'))]);
document.documentElement.style.setProperty('--years', years.map(([, x]) => 'linear-gradient(var(--line) 0 0) ' + x + '% 0/1px 100% no-repeat').join(',') || 'none');

const MARKET_NAMES = { spot: 'spot', um: 'um (USD-margined)', cm: 'cm (coin-margined)' };
const markets = ['spot', 'um', 'cm'].filter((market) => rows.some((row) => row.market === market));
byId('totals').append(
  el('thead', {}, el('tr', {}, ...['market', 'symbols', 'live', 'ended', 'with missing days', 'missing days', 'first day', 'last day'].map((name, i) =>
    el('th', { scope: 'col', class: i > 0 && i < 6 ? 'num' : null }, name)))),
  el('tbody', {}, ...markets.map((market) => {
    const own = rows.filter((row) => row.market === market);
    const live = own.filter((row) => row.live).length;
    const numbers = [own.length, live, own.length - live, own.filter((row) => row.missing > 0).length, own.reduce((sum, row) => sum + row.missing, 0)];
    return el('tr', {}, el('th', { scope: 'row' }, MARKET_NAMES[market]), ...numbers.map((number) => el('td', { class: 'num' }, count(number))),
      el('td', {}, own.map((row) => row.first).sort()[0]), el('td', {}, own.map((row) => row.last).sort().at(-1)));
  })));
if (DATA.problems.length > 0) {
  byId('problems').append(el('div', { class: 'note' }, el('strong', {}, plural(DATA.problems.length, 'symbol') + ' could not be listed and ' + (DATA.problems.length === 1 ? 'is' : 'are') + ' not below:'),
    el('ul', {}, ...DATA.problems.map((problem) => el('li', {}, problem.market + ' ' + problem.symbol + ': ' + problem.message)))));
}

const COLUMNS = [
  { key: 'market', name: 'market' }, { key: 'symbol', name: 'symbol' }, { key: 'base', name: 'base', wide: 'widest' }, { key: 'quote', name: 'quote', wide: 'wide' },
  { key: 'kind', name: 'kind', wide: 'wide' }, { key: 'first', name: 'first day' }, { key: 'last', name: 'last day' },
  { key: 'days', name: 'days', num: true }, { key: 'missing', name: 'missing', num: true },
];
const sort = { key: null, down: false };
const table = byId('symbols');
const headings = COLUMNS.map((column) => el('th', { scope: 'col', class: (column.wide ?? '') + (column.num ? ' num' : '') },
  el('button', { type: 'button', onclick: () => { sort.down = sort.key === column.key ? !sort.down : column.num === true; sort.key = column.key; draw(); } }, column.name)));
table.tHead.append(el('tr', {}, ...headings, el('th', { scope: 'col', class: 'line', 'aria-label': 'timeline' },
  el('div', { class: 'track', 'aria-hidden': 'true' }, ...years.filter(([, x]) => x < 97).map(([year, x]) => el('span', { class: 'tick', style: 'left:' + x + '%' }, String(year)))))));

const timeline = (row) => {
  const from = dayNumber(row.first);
  const to = dayNumber(row.last) + 1;
  const track = el('div', { class: 'track', role: 'img', 'aria-label': row.first + ' to ' + row.last + (row.missing > 0 ? ', ' + plural(row.missing, 'day') + ' missing' : '') },
    el('span', { class: 'bar ' + (row.live ? 'live' : 'ended'), style: 'left:' + place(from) + '%;width:' + (place(to) - place(from)) + '%' }));
  for (const [day, days] of row.holes) {
    const at = dayNumber(day);
    track.append(el('span', { class: 'hole', title: holeText(day, days), style: 'left:' + place(at) + '%;width:' + (place(at + days) - place(at)) + '%' }));
  }
  return track;
};
const holeText = (day, days) => days === 1 ? day : day + ' to ' + dayName(dayNumber(day) + days - 1) + ' (' + count(days) + ' days)';
const toggle = (row, button) => {
  const open = row.node.nextElementSibling?.classList.contains('more');
  button.setAttribute('aria-expanded', String(!open));
  if (open) { row.node.nextElementSibling.remove(); return; }
  const text = (row.live ? 'Live' : 'Ended') + ': ' + DATA.archives + ' archives from ' + row.first + ' to ' + row.last + ', told by its ' + row.interval + ' archives. Intervals: ' + row.intervals + '.'
    + (row.delivery === null ? '' : ' Delivery on ' + row.delivery + '.');
  row.node.after(el('tr', { class: 'more' }, el('td', { colspan: COLUMNS.length + 1 }, text,
    row.holes.length === 0 ? el('div', { class: 'dim' }, 'No day is missing in between.') : el('ul', {}, ...row.holes.map(([day, days]) => el('li', {}, holeText(day, days)))))));
};
const nodeOf = (row) => {
  const button = el('button', { type: 'button', 'aria-expanded': 'false', onclick: () => toggle(row, button) }, row.symbol);
  return el('tr', { class: 'row' }, el('td', {}, row.market), el('th', { scope: 'row' }, button),
    el('td', { class: 'widest' }, row.base ?? '\\u2013'), el('td', { class: 'wide' }, row.quote ?? '\\u2013'), el('td', { class: 'wide' }, row.kind),
    el('td', {}, row.first), el('td', {}, row.last), el('td', { class: 'num' }, count(row.days)), el('td', { class: 'num' }, count(row.missing)), el('td', { class: 'line' }, timeline(row)));
};

const distinct = (key) => [...new Set(rows.map((row) => row[key]).filter((value) => value !== null))];
fillSelect(byId('market'), 'all', markets);
fillSelect(byId('kind'), 'all', distinct('kind'));
fillSelect(byId('quote'), 'all', distinct('quote').sort(byText));
const draw = () => {
  const text = byId('search').value.trim().toUpperCase();
  const wanted = { market: byId('market').value, kind: byId('kind').value, quote: byId('quote').value };
  const state = byId('state').value;
  const shown = rows.filter((row) => (text === '' || row.symbol.includes(text) || row.base === text)
    && Object.entries(wanted).every(([key, value]) => value === '' || row[key] === value)
    && (state === '' || (state === 'live' ? row.live : state === 'ended' ? !row.live : row.missing > 0)));
  if (sort.key !== null) {
    const sign = sort.down ? -1 : 1;
    shown.sort((a, b) => sign * (typeof a[sort.key] === 'number' ? a[sort.key] - b[sort.key] : byText(a[sort.key] ?? '', b[sort.key] ?? '')));
  }
  headings.forEach((heading, i) => COLUMNS[i].key === sort.key ? heading.setAttribute('aria-sort', sort.down ? 'descending' : 'ascending') : heading.removeAttribute('aria-sort'));
  for (const row of shown) { row.node ??= nodeOf(row); row.node.querySelector('[aria-expanded]').setAttribute('aria-expanded', 'false'); }
  table.tBodies[0].replaceChildren(...shown.map((row) => row.node));
  if (shown.length === 0) table.tBodies[0].append(el('tr', { class: 'empty' }, el('td', { colspan: COLUMNS.length + 1 }, 'No symbol matches. Reset the filters to see all.')));
  byId('status').textContent = count(shown.length) + ' of ' + plural(rows.length, 'symbol');
};
byId('controls').addEventListener('input', debounce(draw));
byId('controls').addEventListener('submit', (event) => event.preventDefault());
byId('controls').addEventListener('reset', () => { sort.key = null; setTimeout(draw); });
draw();
`
