import { SYMBOLS } from './world.mjs'

const CKVD = new URL('attacked.mjs', import.meta.url)
const LIBRARY = new URL('attacked-library.mjs', import.meta.url)
const DAY_MS = 86_400_000
const FIRST_MS = Date.parse('2024-03-01T00:00:00Z')
/** Days of the range; the last of them has no archive yet. */
export const DAYS = 19
const START = '2024-03-01'
const END = '2024-03-20'

const dayOf = (index) => new Date(FIRST_MS + index * DAY_MS).toISOString().slice(0, 10)

/** What is asked for, and by what: `ckvd ingest` of all, `ckvd fetch` or the library's `getData` of one symbol and some of the days. */
export function drawAsk(random, { rest }) {
  const market = random.pick(Object.keys(SYMBOLS))
  const by = random.pick(['ingest', 'fetch', 'library'])
  if (by === 'ingest') return { by, market, rest, isJson: random.unit() < 0.5 }
  const from = random.integer(0, DAYS - 1)
  const source = rest ? random.pick(['auto', 'rest']) : 'vision'
  return { by, market, rest, isJson: true, source, symbol: random.pick(SYMBOLS[market]), from, to: random.integer(from + 1, DAYS) }
}

/** The process that asks: its file, its arguments, and what it reads. */
export function processOf({ by, market, rest, isJson, source, symbol, from, to }, lake) {
  const json = isJson ? ['--json'] : []
  if (by === 'ingest') {
    const args = ['ingest', '--universe', '-', '--market', market, '--intervals', '1h', '--archives', 'daily']
    const more = ['--start', START, '--end', END, '--lake', lake, '--workers', '2', ...(rest ? [] : ['--no-rest'])]
    return { file: CKVD, args: [...args, ...more, ...json], stdin: SYMBOLS[market].map((name) => `${name}\n`).join('') }
  }
  const [start, end] = [dayOf(from), dayOf(to)]
  if (by === 'fetch') {
    const args = ['fetch', symbol, '--market', market, '--interval', '1h', '--start', start, '--end', end, '--lake', lake, '--workers', '2']
    return { file: CKVD, args: [...args, '--source', source, ...json], stdin: '' }
  }
  const options = { market, symbol, startTime: `${start}T00:00:00Z`, endTime: `${end}T00:00:00Z`, lake, source: source.toUpperCase() }
  return { file: LIBRARY, args: [JSON.stringify(options)], stdin: '' }
}

/** The bars that a process handed out, as texts by their open times, and the gaps that it told; undefined: it handed out none. */
export function handedOut({ by }, stdout) {
  if (by === 'ingest') return undefined
  const said = JSON.parse(stdout)
  if (said.bars === undefined) return undefined
  const bars = said.bars.map((printed) => {
    const bar = { ...printed }
    delete bar._data_source // where a bar is from may be another under attack
    return [Date.parse(bar.open_time) * 1000, JSON.stringify(bar)]
  })
  const gaps = said.gaps.map(({ start_us, end_us, start, end }) => ({ startUs: start_us ?? start, endUs: end_us ?? end }))
  return { bars: new Map(bars), gaps }
}

/** What is wrong with bars that were handed out, where `truth` has those of all days; empty: nothing. */
export function findLies({ from, to }, { bars, gaps }, truth) {
  const lies = []
  for (const [openUs, bar] of bars) if (truth.get(openUs) !== bar) lies.push(`handed out ${bar}, the exchange has ${truth.get(openUs)}`)
  const [startUs, endUs] = [from, to].map((index) => (FIRST_MS + index * DAY_MS) * 1000)
  const isTold = (openUs) => gaps.some((gap) => gap.startUs <= openUs && openUs < gap.endUs)
  const missing = [...truth.keys()].filter((openUs) => openUs >= startUs && openUs < endUs && !bars.has(openUs) && !isTold(openUs))
  if (missing.length > 0) lies.push(`${missing.length} bars are missing without a word, the first at ${missing[0]} µs`)
  return lies
}
