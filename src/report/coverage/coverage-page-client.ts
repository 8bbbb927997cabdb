export const COVERAGE_STYLE = `
#totals{display:flex;flex-wrap:wrap;gap:.6rem}
.tile{padding:.45rem .8rem;border:1px solid var(--line);border-radius:6px;background:var(--panel)}
.tile b{display:block;font-size:1.15rem;font-variant-numeric:tabular-nums}.tile.bad{border-color:var(--red);border-left-width:4px}
#legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
.key{display:inline-flex;align-items:center;gap:.4rem}.key svg{flex:none}
#series{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}
#series>li{border-bottom:1px solid var(--line)}
.head{display:grid;grid-template-columns:minmax(11rem,15rem) 1fr minmax(13rem,23rem);gap:.8rem;align-items:center;width:100%;padding:.22rem .3rem;border:0;border-radius:0;background:none;text-align:left}
.head:hover{background:var(--panel)}
.head .name::before{content:'\\25b8';display:inline-block;width:1.1em;color:var(--dim)}
.head[aria-expanded=true] .name::before{content:'\\25be'}
.head .sum{color:var(--dim);font-size:.85rem}.head .sum strong{color:var(--alarm)}
.strip{display:block;width:100%;height:18px;background:var(--panel)}
#axis{display:grid;grid-template-columns:minmax(11rem,15rem) 1fr minmax(13rem,23rem);gap:.8rem;padding:0 .3rem;height:1.1rem;font-size:.72rem;color:var(--dim)}
#axis div{position:relative}#axis div span{position:absolute}
.open{padding:.3rem 1.5rem 1.2rem}
.year{display:flex;gap:.8rem;align-items:center;margin:.35rem 0}
.year b{width:2.6rem;font-variant-numeric:tabular-nums}
.calendar{display:block}.calendar text{font:bold 9px system-ui,sans-serif;text-anchor:middle;pointer-events:none}
.calendar .label{font-weight:400;fill:var(--dim);text-anchor:start}
.cursor{fill:none;stroke:var(--fg);stroke-width:2}
.told{min-height:1.6em;margin:.2rem 0;font-weight:600}
.complete{fill:var(--blue)}.provisional{fill:var(--sky)}.outage{fill:var(--gray)}.unlisted{fill:var(--panel)}.pending{fill:var(--yellow)}
.partial,.unexplainable{fill:var(--orange)}.disputed{fill:var(--red)}.quarantined{fill:var(--pink)}.failed{fill:var(--red)}
.never_requested{fill:var(--bg);stroke:var(--gray);stroke-width:1}
.glyph{fill:#000}
.details{display:flex;flex-wrap:wrap;gap:0 3rem}.details td{white-space:normal;max-width:60ch}
@media(max-width:52rem){.head,#axis{grid-template-columns:1fr}.open{padding:.3rem 0}.scroll{max-width:calc(100vw - 1.5rem)}#axis{display:none}}
`

export const COVERAGE_SCRIPT = `
/* states with their looks, worst last */
const LOOKS = DATA.looks;
const RANK = Object.keys(LOOKS);
const title = (state) => state.replace('_', ' ');
const rows = DATA.rows;
const sum = (pick) => rows.reduce((total, row) => total + pick(row), 0);
const bytes = (size) => { const units = ['B', 'kB', 'MB', 'GB', 'TB']; let i = 0; while (size >= 1000 && i < 4) { size /= 1000; i++; } return size.toFixed(i === 0 ? 0 : 1) + ' ' + units[i]; };
for (const row of rows) row.unexplainedDays = DATA.unexplained.reduce((total, state) => total + row.days[state], 0) - row.accepted;

const tile = (value, name, bad = false) => el('div', { class: 'tile' + (bad ? ' bad' : '') }, el('b', {}, value), name);
const unexplained = sum((row) => row.unexplainedDays);
byId('totals').append(tile(count(rows.length), 'series'), tile(count(sum((row) => row.rows)), 'bars'), tile(bytes(sum((row) => row.bytes)), 'in shards'),
  tile(count(sum((row) => row.missing)), 'bars missing'), tile(count(sum((row) => row.gaps.length)), 'gaps'),
  tile(count(unexplained), 'days unexplained', unexplained > 0), tile(count(sum((row) => row.accepted)), 'days accepted by a person (\\u2713)'));
const totalOf = (state) => state === 'never_requested' ? sum((row) => row.never) : sum((row) => row.days[state]);
const cell = (state, x, y, size, accepted = false) => {
  const nodes = [el('rect', { class: state + (accepted ? ' accepted' : ''), x, y, width: size, height: size, rx: 2 })];
  const sign = accepted ? '\\u2713' : LOOKS[state].sign;
  if (sign !== '') nodes.push(el('text', { class: 'glyph', x: x + size / 2, y: y + size / 2 + 3.2, 'aria-hidden': 'true' }, sign));
  return nodes;
};
const used = DATA.states.filter((state) => totalOf(state) > 0);
byId('legend').append(...used.map((state) => el('span', { class: 'key', title: LOOKS[state].meaning },
  el('svg', { class: 'calendar', width: 16, height: 16, 'aria-hidden': 'true' }, ...cell(state, 1, 1, 14)), title(state) + ' ' + count(totalOf(state)), el('span', { class: 'dim' }, LOOKS[state].meaning))));

/* months are counted from year 0, so that a strip is the same whatever its series' chunks are */
const monthOf = (day) => { const date = new Date(day * MS_PER_DAY); return date.getUTCFullYear() * 12 + date.getUTCMonth(); };
const monthStart = (month) => Date.UTC(Math.floor(month / 12), month % 12, 1) / MS_PER_DAY;
const runEnd = (row, [start, chunks]) => row.monthly ? monthStart(monthOf(start) + chunks) : start + chunks;
let firstMonth = Infinity;
let lastMonth = -Infinity;
for (const row of rows) if (row.runs.length > 0) {
  firstMonth = Math.min(firstMonth, monthOf(row.runs[0][0]));
  lastMonth = Math.max(lastMonth, monthOf(runEnd(row, row.runs.at(-1)) - 1));
}
const months = Math.max(1, lastMonth - firstMonth + 1);
const strip = (row) => {
  const worst = new Map();
  for (const run of row.runs) {
    const rank = RANK.indexOf(DATA.states[run[2]]);
    for (let month = monthOf(run[0]); month <= monthOf(runEnd(row, run) - 1); month++) worst.set(month, Math.max(worst.get(month) ?? -1, rank));
  }
  const svg = el('svg', { class: 'strip', viewBox: '0 0 ' + months + ' 18', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  for (let month = firstMonth; month <= lastMonth; month++) {
    const rank = worst.get(month);
    if (rank === undefined) continue;
    let width = 1;
    while (worst.get(month + width) === rank) width++;
    const state = RANK[rank];
    svg.append(el('rect', { class: state, x: month - firstMonth, y: 18 - LOOKS[state].height, width: width, height: LOOKS[state].height, 'vector-effect': 'non-scaling-stroke' }));
    month += width - 1;
  }
  return svg;
};
const axis = el('div');
const firstYear = Math.ceil(firstMonth / 12);
if (rows.some((row) => row.runs.length > 0)) for (let year = firstYear; year * 12 <= lastMonth; year++)
  axis.append(el('span', { style: 'left:' + 100 * (year * 12 - firstMonth) / months + '%' }, String(year)));
byId('axis').append(el('span'), axis);

const SIZE = 13;
const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const weekday = (day) => (day + 3) % 7; /* Monday is 0; 1970-01-01 was a Thursday */
const calendarOf = (row, year, states, tell) => {
  const newYear = Date.UTC(year, 0, 1) / MS_PER_DAY;
  const cellSize = row.monthly ? 26 : SIZE;
  const placeOf = (day) => row.monthly ? [monthOf(day) % 12 * cellSize, 14] : [Math.floor((day - newYear + weekday(newYear)) / 7) * cellSize, 14 + weekday(day) * cellSize];
  const svg = el('svg', { class: 'calendar', width: row.monthly ? 12 * cellSize : 54 * cellSize, height: 14 + (row.monthly ? 1 : 7) * cellSize, tabindex: 0, role: 'group', 'aria-roledescription': 'calendar' });
  for (let month = 0; month < 12; month++) svg.append(el('text', { class: 'label', x: placeOf(Date.UTC(year, month, 1) / MS_PER_DAY)[0], y: 9, 'aria-hidden': 'true' }, MONTH_NAMES[month]));
  const days = [...states.keys()].filter((day) => new Date(day * MS_PER_DAY).getUTCFullYear() === year).sort((a, b) => a - b);
  const counts = new Map();
  for (const day of days) {
    const { state, accepted } = states.get(day);
    counts.set(state, (counts.get(state) ?? 0) + 1);
    const [x, y] = placeOf(day);
    svg.append(...cell(state, x, y, cellSize - 2, accepted));
  }
  svg.setAttribute('aria-label', year + ': ' + [...counts].map(([state, number]) => count(number) + ' ' + title(state)).join(', '));
  const cursor = el('rect', { class: 'cursor', width: cellSize - 2, height: cellSize - 2, rx: 2, visibility: 'hidden' });
  svg.append(cursor);
  let at = -1;
  const go = (index) => {
    if (days[index] === undefined) return;
    at = index;
    for (const other of document.querySelectorAll('.cursor')) other.setAttribute('visibility', 'hidden');
    const [x, y] = placeOf(days[index]);
    cursor.setAttribute('x', x); cursor.setAttribute('y', y); cursor.setAttribute('visibility', 'visible');
    tell(days[index]);
  };
  const indexAt = (day) => { let index = days.findIndex((one) => one >= day); return index < 0 ? days.length - 1 : index; };
  svg.addEventListener('keydown', (event) => {
    const steps = row.monthly ? { ArrowLeft: -1, ArrowRight: 1 } : { ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1 };
    if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(days.length - 1);
    else if (steps[event.key] === undefined) return;
    else if (at < 0) go(0);
    else if (row.monthly) go(at + steps[event.key]);
    else { const wanted = days[at] + steps[event.key]; if (wanted >= days[0] && wanted <= days.at(-1)) go(indexAt(wanted)); }
    event.preventDefault();
  });
  svg.addEventListener('focus', () => { if (at < 0 && svg.matches(':focus-visible')) go(0); });
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / cellSize);
    const line = Math.floor((event.clientY - box.top - 14) / cellSize);
    const day = row.monthly ? Date.UTC(year, column, 1) / MS_PER_DAY : newYear - weekday(newYear) + column * 7 + line;
    const index = days.indexOf(day);
    if (index >= 0 && line >= 0 && line < 7) go(index);
  });
  return el('div', { class: 'year' }, el('b', {}, String(year)), el('div', { class: 'scroll' }, svg));
};

const LISTED = 100;
const listTable = (name, head, lines) => {
  if (lines.length === 0) return '';
  const body = el('tbody', {}, ...lines.slice(0, LISTED));
  const section = el('section', {}, el('h2', {}, name), el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))), body)));
  if (lines.length > LISTED) {
    const button = el('button', { type: 'button', onclick: () => { body.append(...lines.slice(LISTED)); button.remove(); } }, 'Show all ' + count(lines.length));
    section.append(button);
  }
  return section;
};
const short = (time) => time.replace(/(:\\d\\d)(\\.0+)?Z$/, (all, seconds) => seconds === ':00' ? '' : all).replace('T', ' ');
const openSeries = (row) => {
  const states = new Map();
  for (const run of row.runs) for (let i = 0; i < run[1]; i++) {
    const day = row.monthly ? monthStart(monthOf(run[0]) + i) : run[0] + i;
    states.set(day, { state: DATA.states[run[2]], accepted: run[3] === 1 });
  }
  const reasons = new Map(row.unexplained.map(([day, , , text]) => [day, DATA.texts[text]]));
  const told = el('p', { class: 'told', role: 'status' }, 'Point at a day, or go there by arrow keys.');
  const tell = (day) => {
    const name = row.monthly ? dayName(day).slice(0, 7) : dayName(day);
    const { state, accepted } = states.get(day);
    const until = row.monthly ? dayName(monthStart(monthOf(day) + 1)) : dayName(day + 1);
    const gaps = row.gaps.filter(([start, end]) => start < until && end > dayName(day));
    const why = reasons.get(dayName(day)) ?? gaps.map(([start, end, bars, text]) => plural(bars, 'bar') + ' missing from ' + short(start) + ' to ' + short(end) + ': ' + DATA.texts[text]).join('; ');
    told.textContent = name + ' ' + title(state) + (accepted ? ' (accepted)' : '') + ': ' + (why === '' ? LOOKS[state].meaning : why);
  };
  const years = [...new Set([...states.keys()].map((day) => new Date(day * MS_PER_DAY).getUTCFullYear()))].sort((a, b) => a - b);
  return el('div', { class: 'open' },
    el('p', { class: 'dim' }, (row.first === null ? 'Nothing was requested yet' : row.first + ' to ' + row.last) + ' \\u2022 ' + count(row.rows) + ' bars \\u2022 ' + bytes(row.bytes) + ' in shards'),
    told, ...years.map((year) => calendarOf(row, year, states, tell)),
    el('div', { class: 'details' },
      listTable('Not explained by evidence', ['day', 'condition', 'reason'], row.unexplained.map(([day, condition, accepted, text]) =>
        el('tr', {}, el('td', {}, day), el('td', {}, condition + (accepted ? ' (accepted)' : '')), el('td', {}, DATA.texts[text])))),
      listTable('Gaps', ['from', 'to (excluded)', 'bars', 'evidence'], row.gaps.map(([start, end, bars, text]) =>
        el('tr', {}, el('td', {}, short(start)), el('td', {}, short(end)), el('td', { class: 'num' }, count(bars)), el('td', {}, DATA.texts[text]))))));
};
const nodeOf = (row) => {
  const parts = [];
  if (row.unexplainedDays > 0) parts.push(el('strong', {}, plural(row.unexplainedDays, 'day') + ' unexplained'));
  if (row.missing > 0) parts.push(plural(row.missing, 'bar') + ' missing');
  if (row.never > 0) parts.push(plural(row.never, row.monthly ? 'month' : 'day') + ' never requested');
  if (parts.length === 0) parts.push('all there');
  const button = el('button', { type: 'button', class: 'head', 'aria-expanded': 'false' }, el('span', { class: 'name' }, row.market + ' ' + row.symbol + ' ' + row.interval), strip(row),
    el('span', { class: 'sum' }, ...parts.flatMap((part, i) => i === 0 ? [part] : [' \\u2022 ', part])));
  const node = el('li', {}, button);
  button.addEventListener('click', () => {
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', String(!open));
    if (open) node.lastElementChild.remove(); else node.append(openSeries(row));
  });
  return node;
};

fillSelect(byId('market'), 'all', [...new Set(rows.map((row) => row.market))]);
fillSelect(byId('interval'), 'all', [...new Set(rows.map((row) => row.interval))]);
byId('state').append(el('option', { value: '' }, 'all'), el('option', { value: 'unexplained' }, 'with unexplained days'), ...used.map((state) => el('option', { value: state }, 'with ' + title(state) + ' days')));
const PAGE = 300;
let shown = [];
let drawn = 0;
const drawMore = () => {
  const next = shown.slice(drawn, drawn + PAGE);
  drawn += next.length;
  byId('series').append(...next.map((row) => row.node ??= nodeOf(row)));
  byId('more').hidden = drawn >= shown.length;
  byId('more').textContent = 'Show ' + count(Math.min(PAGE, shown.length - drawn)) + ' more of ' + count(shown.length);
};
const draw = () => {
  const text = byId('search').value.trim().toUpperCase();
  const [market, interval, state, order] = ['market', 'interval', 'state', 'order'].map((id) => byId(id).value);
  shown = rows.filter((row) => row.symbol.includes(text) && (market === '' || row.market === market) && (interval === '' || row.interval === interval)
    && (state === '' || (state === 'unexplained' ? row.unexplainedDays > 0 : (state === 'never_requested' ? row.never : row.days[state]) > 0)));
  if (order === 'first') shown.sort((a, b) => byText(a.first ?? '9', b.first ?? '9'));
  else if (order !== '') { const key = order === 'unexplained' ? 'unexplainedDays' : order; shown.sort((a, b) => b[key] - a[key]); }
  byId('series').replaceChildren();
  drawn = 0;
  drawMore();
  if (shown.length === 0) byId('series').append(el('li', { class: 'dim' }, rows.length === 0 ? 'The lake holds no series yet.' : 'No series matches. Reset the filters to see all.'));
  byId('status').textContent = count(shown.length) + ' of ' + count(rows.length) + ' series';
};
byId('more').addEventListener('click', () => { const before = drawn; drawMore(); byId('series').children[before].firstElementChild.focus(); });
byId('controls').addEventListener('input', debounce(draw));
byId('controls').addEventListener('submit', (event) => event.preventDefault());
byId('controls').addEventListener('reset', () => setTimeout(draw));
draw();
if (rows.length > 0) byId('series').firstElementChild.firstElementChild.click();
`
