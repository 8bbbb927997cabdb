/** The script of the page of `ckvd chart`: candles and volume, what is missing or not final shaded, with its evidence under the pointer and in a table. */
import type { IChartApi, ISeriesApi, UTCTimestamp } from 'lightweight-charts'
import { CandlestickSeries, ColorType, createChart, HistogramSeries } from 'lightweight-charts'
import { byId, el, readData } from '../dom.ts'
import { count, plural } from '../words.ts'
import type { ChartData, ChartShade, ChartSlot, ShadeKind } from './chart-data.ts'
import type { PlacedShade, ShadeLook } from './chart-shades.ts'
import { ShadeLayer } from './chart-shades.ts'

const DATA = readData<ChartData>()
const { slots, shades } = DATA
const bars = slots.filter((slot) => slot.length > 1)
const isIntraday = !['1d', '3d', '1w', '1M'].includes(DATA.interval)

/** CSS variable of a kind's colour; missing bars are hatched, days are plain. */
const COLORS: Readonly<Partial<Record<ShadeKind, string>>> = {
  ...{
    missing: '--gray',
    unexplained: '--orange',
    provisional: '--sky',
    pending: '--yellow',
    partial: '--orange',
    unexplainable: '--orange',
  },
  ...{ disputed: '--red', quarantined: '--pink', failed: '--red' },
}

// ---- words

function timeText(seconds: number): string {
  const text = new Date(seconds * 1000).toISOString()
  const time = DATA.interval === '1s' ? text.slice(11, 19) : text.slice(11, 16)
  return isIntraday || time !== '00:00' ? `${text.slice(0, 10)} ${time}` : text.slice(0, 10)
}

/** Digits after the point that the prices need. */
function decimalsOf(prices: readonly number[]): number {
  const digits = (price: number): number => {
    const [, fraction = '', exponent = '0'] = /^\d+(?:\.(\d+))?(?:e-(\d+))?$/.exec(String(price)) ?? []
    return fraction.length + Number(exponent)
  }
  return Math.min(10, Math.max(0, ...prices.map(digits)))
}

const decimals = decimalsOf(bars.slice(0, 2000).flatMap((bar) => bar.slice(1, 5)))

function nameOf(kind: ShadeKind): string {
  if (kind === 'missing') return 'missing bars'
  return kind === 'unexplained' ? 'missing bars, unexplained' : kind
}

function describeBar(slot: ChartSlot): string {
  const [time, open, high, low, close, volume] = slot
  if (volume === undefined) return `${timeText(time)}: no bar`
  const prices = [open, high, low, close].map((price) => price?.toFixed(decimals) ?? '')
  return `${timeText(time)}  open ${prices[0]}  high ${prices[1]}  low ${prices[2]}  close ${prices[3]}  volume ${count(volume)}`
}

function describeShade({ kind, start, end, text }: ChartShade): string {
  return `${nameOf(kind)}, ${timeText(start)} to ${timeText(end)}: ${text}`
}

// ---- the chart

/** The open time of a slot, as the chart wants it: a number that is branded. */
function timeOf([time]: ChartSlot): UTCTimestamp {
  return time as UTCTimestamp
}

/** Index of the first slot that opens at a time or after it. */
function indexFrom(seconds: number): number {
  let [low, high] = [0, slots.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((slots[middle]?.[0] ?? 0) < seconds) low = middle + 1
    else high = middle
  }
  return low
}

/** A shade with the slots that it covers; none where no slot opens in it. */
function place(shade: ChartShade): PlacedShade[] {
  const [first, last] = [slots[indexFrom(shade.start)], slots[indexFrom(shade.end) - 1]]
  return first === undefined || last === undefined || last[0] < first[0] ? [] : [{ shade, first: timeOf(first), last: timeOf(last) }]
}

function colorOf(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim()
}

function lookOf({ kind }: ChartShade): ShadeLook {
  return { color: colorOf(COLORS[kind] ?? '--gray'), isHatched: kind === 'missing' || kind === 'unexplained' }
}

function paint(chart: IChartApi, candles: ISeriesApi<'Candlestick'>, volume: ISeriesApi<'Histogram'>): void {
  const [up, down, line] = [colorOf('--blue'), colorOf('--red'), colorOf('--line')]
  const background = { type: ColorType.Solid, color: colorOf('--bg') } as const
  chart.applyOptions({
    layout: { background, textColor: colorOf('--dim'), panes: { separatorColor: line } },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    timeScale: { borderColor: line },
    rightPriceScale: { borderColor: line },
  })
  candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false })
  volume.setData(
    slots.map((slot) => {
      const [, open = 0, , , close = 0, value] = slot
      return value === undefined ? { time: timeOf(slot) } : { time: timeOf(slot), value, color: close < open ? down : up }
    }),
  )
}

/** Pixels around the pointer in which a stretch is told: of many bars a narrow one could not be hit. */
const REACH = 3

function tell(slot: ChartSlot | undefined, from = slot, to = slot): void {
  if (slot === undefined || from === undefined || to === undefined) return
  const [first, last] = [from[0], to[0]]
  const why = shades.filter(({ start, end }) => start <= last && first < end).map(describeShade)
  byId('bar').textContent = describeBar(slot)
  byId('why').textContent = why.join('\n')
}

/** Tells the bar under the pointer; the last one where it is nowhere. */
function listenPointer(chart: IChartApi): void {
  const scale = chart.timeScale()
  const slotAt = (x: number): ChartSlot | undefined => slots[Math.min(slots.length - 1, Math.max(0, scale.coordinateToLogical(x) ?? 0))]
  chart.subscribeCrosshairMove(({ time, point }) => {
    if (typeof time !== 'number' || point === undefined) tell(bars.at(-1))
    else if (scale.options().barSpacing >= REACH) tell(slots[indexFrom(time)])
    else tell(slots[indexFrom(time)], slotAt(point.x - REACH), slotAt(point.x + REACH))
  })
}

function drawChart(): void {
  const chart = createChart(byId('chart'), {
    autoSize: true,
    // the page names the library, and links to its maker, below
    layout: { fontFamily: 'system-ui, sans-serif', attributionLogo: false },
    localization: { locale: 'en-US', timeFormatter: timeText },
    timeScale: { timeVisible: isIntraday, secondsVisible: DATA.interval === '1s', minBarSpacing: 0.01 },
    handleScale: { axisPressedMouseMove: true },
  })
  const priceFormat = { type: 'price' as const, precision: decimals, minMove: 10 ** -decimals }
  const candles = chart.addSeries(CandlestickSeries, { priceFormat })
  const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false }, 1)
  candles.setData(
    slots.map((slot) => {
      const [, open, high, low, close] = slot
      return close === undefined ? { time: timeOf(slot) } : { time: timeOf(slot), open, high, low, close }
    }),
  )
  paint(chart, candles, volume)
  chart.panes()[0]?.setStretchFactor(3)
  chart.panes()[1]?.setStretchFactor(1)
  const placed = shades.flatMap(place)
  const layers = [new ShadeLayer(placed, lookOf), new ShadeLayer(placed, lookOf)] as const
  candles.attachPrimitive(layers[0])
  volume.attachPrimitive(layers[1])
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.2, bottom: 0 } })
  // the label of the first time has room on the left
  chart.timeScale().setVisibleLogicalRange({ from: -0.5 - slots.length * 0.02, to: slots.length * 1.005 - 0.5 })
  listenPointer(chart)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    paint(chart, candles, volume)
    for (const layer of layers) layer.redraw()
  })
}

// ---- around it

function legendKey(kind: ShadeKind): HTMLElement {
  const stretches = shades.filter((shade) => shade.kind === kind).length
  return el(
    'span',
    { class: 'key' },
    el('i', { class: `shade ${kind}` }),
    `${nameOf(kind)} (${plural(stretches, 'stretch').replace(/stretchs$/, 'stretches')})`,
  )
}

function shadeRow(shade: ChartShade): HTMLElement {
  const cells = [nameOf(shade.kind), timeText(shade.start), timeText(shade.end), shade.text]
  return el('tr', {}, ...cells.map((cell) => el('td', {}, cell)))
}

const candleKey = (name: string, words: string): HTMLElement => el('span', { class: 'key' }, el('i', { class: `candle ${name}` }), words)
document.documentElement.classList.toggle('picture', location.hash === '#picture')
byId('legend').append(
  candleKey('up', 'closes higher'),
  candleKey('down', 'closes lower'),
  ...[...new Set(shades.map(({ kind }) => kind))].map(legendKey),
)
byId('shades').append(...shades.map(shadeRow))
byId('evidence').hidden = shades.length === 0
drawChart()
tell(bars.at(-1))
