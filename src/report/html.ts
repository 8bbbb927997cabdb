/** A page that is one file: nothing is loaded from anywhere, which its content policy enforces. */
export interface HtmlPage {
  readonly title: string
  /** CSS beside the common one */
  readonly style: string
  /** HTML of the body; what is not from us must be escaped */
  readonly body: string
  /** given to the script as `DATA`; any JSON value */
  readonly data: unknown
  /** JavaScript, run once the body is there; `DATA` and what `CLIENT_SCRIPT` defines are in its scope */
  readonly script: string
}

/** The text of a page. The same page gives the same bytes. */
export function formatPage(page: HtmlPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(page.title)}</title>
<link rel="icon" href="data:,">
<style>${COMMON_STYLE}${page.style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
${page.body}
<noscript><p class="note">The tables of this page are drawn by a script inside it; allow scripts to see them. Nothing is loaded from the network.</p></noscript>
<script type="application/json" id="data">${embedJson(page.data)}</script>
<script>'use strict';{const DATA = JSON.parse(document.getElementById('data').textContent);
${CLIENT_SCRIPT}
${page.script}}</script>
</body>
</html>
`
}

/** Text as HTML, in elements and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

/** JSON that cannot end the script element it stands in. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}

/**
 * Colours are those of Okabe and Ito, which stay apart for all kinds of colour blindness (https://jfly.uni-koeln.de/color/), shaded for light
 * and dark; no meaning rests on a colour alone.
 */
const COMMON_STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d7dce1;--panel:#f5f7f9;--focus:#0550ae;--alarm:#a84300;
--blue:#0072b2;--sky:#56b4e9;--orange:#e69f00;--red:#d55e00;--pink:#cc79a7;--yellow:#f0e442;--gray:#8b949e;--green:#009e73}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--fg:#e3e8ee;--dim:#9aa5b1;--line:#2d353e;--panel:#171d24;--focus:#79c0ff;--alarm:#f0773a;
--blue:#3f9fdc;--sky:#8fd0f7;--orange:#f0b02e;--red:#f0773a;--pink:#dd9bc0;--yellow:#f0e442;--gray:#7d8791;--green:#2fbf95}}
*{box-sizing:border-box}
body{margin:0;padding:1.25rem clamp(.75rem,2.5vw,2.5rem) 3rem;background:var(--bg);color:var(--fg);font:14px/1.45 system-ui,sans-serif}
h1{font-size:1.35rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
p{margin:.2rem 0 .8rem;max-width:90ch}.legend{max-width:none}.dim{color:var(--dim)}
.skip{position:absolute;left:-99in}.skip:focus{left:.5rem;top:.5rem;background:var(--bg);padding:.3rem .6rem;z-index:9}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:middle}
th{font-weight:600}.num{text-align:right}
.controls{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:end;padding:.7rem .8rem;margin:1rem 0 .6rem;background:var(--panel);border:1px solid var(--line);border-radius:6px}
.controls label{display:flex;flex-direction:column;font-size:.78rem;color:var(--dim);gap:.15rem}
input,select,button{font:inherit;color:var(--fg);background:var(--bg);border:1px solid var(--gray);border-radius:5px;padding:.25rem .5rem}
button{cursor:pointer}
.note{margin:.8rem 0;padding:.5rem .8rem;border-left:4px solid var(--red);background:var(--panel)}
.scroll{overflow-x:auto}
@media(prefers-reduced-motion:no-preference){.skip{transition:none}}
@media print{.controls{display:none}}
`

/** What both pages' scripts share. Texts go into the page as text nodes only, never as HTML. */
const CLIENT_SCRIPT = `
const el = (tag, attributes = {}, ...children) => {
  const node = /^(svg|rect|text|g|path|pattern|defs|title)$/.test(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children);
  return node;
};
const byId = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat('en-US'); /* toLocaleString makes one each time: 2 s for 2,000 rows */
const count = (number) => number === null ? '\\u2013' : numbers.format(number);
const MS_PER_DAY = 86400000;
const dayNumber = (day) => Math.round(Date.parse(day + 'T00:00:00Z') / MS_PER_DAY);
const dayName = (number) => new Date(number * MS_PER_DAY).toISOString().slice(0, 10);
const plural = (number, word) => count(number) + ' ' + word + (number === 1 ? '' : 's');
const byText = (a, b) => a < b ? -1 : a > b ? 1 : 0;
const fillSelect = (select, all, values) => {
  select.append(el('option', { value: '' }, all), ...values.map((value) => el('option', { value }, value)));
};
const debounce = (run) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(run, 60); }; };
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); byId('search').focus(); }
});
`
