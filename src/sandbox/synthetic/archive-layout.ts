import { periodStem, seriesFolder } from '../../dataset/names.ts'
import type { Interval } from '../../model/interval.ts'
import { hasRest } from '../../model/market.ts'
import type { Packaging } from '../../model/series.ts'
import { compareKeys, lowerBound, MARKET_FOLDERS } from '../bucket.ts'
import type { ContentFaults } from './content.ts'
import { maxLengthMs, MS_PER_DAY, nextSlotMs, slotStartMs } from '../grid.ts'
import { FUNDING, hasFunding, maxFunding } from './funding.ts'
import type { ListedSymbol } from './listed-symbol.ts'
import type { PriceDataset } from './price-bars.ts'
import { PRICE_DATASETS } from './price-bars.ts'
import { isCoarse, monthMs, monthOfMs } from './synthetic-bars.ts'
import type { TickDataset } from '../ticks/ticks.ts'
import type { Table } from '../tables/table.ts'
import { TABLES } from '../tables/tables.ts'
import { isTickDataset, maxTicks, TICK_DATASETS } from '../ticks/ticks.ts'

const MS_PER_HOUR = 3_600_000
/** Spot archives are in microseconds from this day on. */
export const MICROSECONDS_FROM = Date.parse('2025-01-01T00:00Z') / MS_PER_DAY
/** More rows than this no archive of trades has: some 400 MB. */
const MOST_TICKS = 15_000_000
const MINUTES = 1440
/** Hour of the Monday at which monthly archives appear. */
const MONTHLY_HOUR = 8

/** The archives of one series in one packaging. A period is a day since 1970-01-01 or a month since year 0. */
export interface ArchiveFolder {
  readonly listed: ListedSymbol
  /** absent: klines */
  readonly dataset?: PriceDataset | TickDataset | typeof FUNDING
  /** of a data set that is made of bars, row by row: then `dataset` is absent */
  readonly table?: Table
  /** the symbol as keys have it: of an index its pair */
  readonly name: string
  /** of trades, which have none, the bars of which they are made */
  readonly interval: Interval
  readonly packaging: Packaging
  /** key prefix, with a final `/` */
  readonly prefix: string
  readonly first: number
}

/** All folders of the synthetic bucket in the byte order of their keys. */
export function createFolders(symbols: readonly ListedSymbol[]): ArchiveFolder[] {
  const folders = symbols.flatMap((listed) =>
    listed.intervals.flatMap((interval) => {
      const packagings: readonly Packaging[] =
        interval === '3d' || interval === '1w' || interval === '1M' ? ['monthly'] : ['daily', 'monthly']
      return packagings.flatMap((packaging) =>
        namesOf(listed).map(({ dataset, name }) => createFolder(listed, interval, packaging, { dataset, name })),
      )
    }),
  )
  folders.push(...symbols.flatMap(tickFoldersOf), ...symbols.flatMap(tableFoldersOf), ...symbols.filter(hasFunding).map(fundingFolderOf))
  return folders.sort((a, b) => compareKeys(a.prefix, b.prefix))
}

/** Trades and aggregates of a symbol, unless an archive of them could be larger than any is here: of the busiest symbols there are no monthly ones. */
function tickFoldersOf(listed: ListedSymbol): ArchiveFolder[] {
  if (!hasRest(listed.market)) return []
  return TICK_DATASETS.flatMap((dataset) =>
    (['daily', 'monthly'] as const).flatMap((packaging) => {
      if (maxTicks(dataset, listed.profile, (packaging === 'daily' ? 1 : 31) * MINUTES) > MOST_TICKS) return []
      const prefix = `data/${MARKET_FOLDERS[listed.market]}/${packaging}/${dataset}/${listed.symbol}/`
      const first = packaging === 'daily' ? listed.firstArchiveDay : monthOfMs(listed.firstArchiveDay * MS_PER_DAY)
      return [{ listed, dataset, name: listed.symbol, interval: '1m' as const, packaging, prefix, first }]
    }),
  )
}

/** Data sets that are made of a symbol's bars, in daily archives alone. */
function tableFoldersOf(listed: ListedSymbol): ArchiveFolder[] {
  const { market, symbol, firstArchiveDay } = listed
  return TABLES.filter(({ markets, isOf }) => markets.includes(market) && isOf?.(symbol) !== false).map((table) => ({
    listed,
    table,
    name: symbol,
    interval: table.interval,
    packaging: 'daily',
    prefix: `data/${MARKET_FOLDERS[market]}/daily/${table.dataset}/${symbol}/`,
    first: Math.max(firstArchiveDay, dayOf(table.from)),
  }))
}

/** Funding rates, in archives of months alone. */
function fundingFolderOf(listed: ListedSymbol): ArchiveFolder {
  const { market, symbol, firstArchiveDay } = listed
  const prefix = `data/${MARKET_FOLDERS[market]}/monthly/${FUNDING}/${symbol}/`
  const first = monthOfMs(firstArchiveDay * MS_PER_DAY)
  return { listed, dataset: FUNDING, name: symbol, interval: '8h', packaging: 'monthly', prefix, first }
}

function dayOf(day: string): number {
  return Date.parse(`${day}T00:00Z`) / MS_PER_DAY
}

/** What a symbol is called in each data set that it is in. Of COIN-M an index has the name of its pair, whose bars are the perpetual contract's. */
function namesOf({ market, symbol }: ListedSymbol): { readonly dataset: PriceDataset | undefined; readonly name: string }[] {
  const klines = { dataset: undefined, name: symbol }
  if (market === 'spot') return [klines]
  const others = PRICE_DATASETS.flatMap((dataset) => {
    if (market === 'um' || dataset !== 'indexPriceKlines') return [{ dataset, name: symbol }]
    return symbol.endsWith(PERPETUAL) ? [{ dataset, name: symbol.slice(0, -PERPETUAL.length) }] : []
  })
  return [klines, ...others]
}

/** How the name of a perpetual contract of COIN-M ends, behind its pair. */
export const PERPETUAL = '_PERP'

function createFolder(
  listed: ListedSymbol,
  interval: Interval,
  packaging: Packaging,
  { dataset, name }: { readonly dataset: PriceDataset | undefined; readonly name: string },
): ArchiveFolder {
  const series = { dataset, market: listed.market, symbol: name, interval }
  const firstMs = listed.firstArchiveDay * MS_PER_DAY
  // a week's first bar may open in the month before the symbol's first day
  const firstOpenMs = isCoarse(interval) ? slotStartMs(firstMs, interval) : firstMs
  const first = packaging === 'daily' ? listed.firstArchiveDay : monthOfMs(firstOpenMs)
  return {
    listed,
    ...(dataset === undefined ? {} : { dataset }),
    name,
    interval,
    packaging,
    prefix: seriesFolder(series, packaging),
    first,
  }
}

/** The last period that may have an archive at `nowMs`, were it never late. */
export function lastPeriod(folder: ArchiveFolder, nowMs: number, delayMs: number): number {
  const { listed, table } = folder
  const until = table?.until === undefined ? Infinity : dayOf(table.until)
  if (folder.packaging === 'daily') return Math.min(until, listed.lastDay, Math.floor((nowMs - delayMs) / MS_PER_DAY) - 1)
  const lastMs = Math.min(nowMs, listed.endMs - 1)
  return monthOfMs(isCoarse(folder.interval) ? slotStartMs(lastMs, folder.interval) : lastMs)
}

/** `2024-01-31` or `2024-01`. */
function periodText(packaging: Packaging, period: number): string {
  if (packaging === 'daily') return new Date(period * MS_PER_DAY).toISOString().slice(0, 10)
  return new Date(monthMs(period)).toISOString().slice(0, 7)
}

/** File name of an archive without its ending. */
export function archiveStem(folder: ArchiveFolder, period: number): string {
  const { listed, dataset, table, name, interval, packaging } = folder
  if (isTickDataset(dataset) || dataset === FUNDING) return `${name}-${dataset}-${periodText(packaging, period)}`
  if (table !== undefined) return `${name}-${table.dataset}-${periodText(packaging, period)}`
  return periodStem({ dataset, market: listed.market, symbol: name, interval }, periodText(packaging, period))
}

/**
 * When an archive was published: a daily one `delayMs` after its day, a monthly one on the first Monday of the next
 * month, once its last bar has closed. Undefined when it never is: there is no daily archive of a day without bars.
 */
export function publishedMs(folder: ArchiveFolder, period: number, delayMs: number, content: ContentFaults): number | undefined {
  if (folder.packaging === 'daily') {
    const faults = content.forSymbol(folder.listed.market, folder.listed.symbol)
    const isEmpty = [...faults.outages, ...faults.archiveHoles].some(
      (hole) => hole.fromMs <= period * MS_PER_DAY && hole.toMs >= (period + 1) * MS_PER_DAY,
    )
    if (isEmpty || faults.unlisted.has(period)) return undefined
    return (period + 1) * MS_PER_DAY + delayMs + (faults.lateHours.get(period) ?? 0) * MS_PER_HOUR
  }
  const endMs = monthMs(period + 1)
  const weekday = new Date(endMs).getUTCDay()
  const mondayMs = endMs + ((8 - weekday) % 7) * MS_PER_DAY
  const closedMs = nextSlotMs(slotStartMs(endMs - 1, folder.interval), folder.interval)
  return Math.max(mondayMs, closedMs) + MONTHLY_HOUR * MS_PER_HOUR
}

/** Days of a period, [from, to). */
export function daysOfPeriod(folder: ArchiveFolder, period: number): readonly [number, number] {
  return folder.packaging === 'daily' ? [period, period + 1] : [monthMs(period) / MS_PER_DAY, monthMs(period + 1) / MS_PER_DAY]
}

/** How many rows an archive has at most. */
export function maxRows(folder: ArchiveFolder, period: number): number {
  const [from, to] = daysOfPeriod(folder, period)
  const { listed, dataset, table, interval } = folder
  if (isTickDataset(dataset)) {
    const minutes = (Math.min(to * MS_PER_DAY, listed.endMs) - Math.max(from * MS_PER_DAY, listed.firstMs)) / 60_000
    return maxTicks(dataset, listed.profile, minutes)
  }
  if (dataset === FUNDING) return maxFunding([from, to])
  if (interval === '1M') return 1
  const lengthDays = maxLengthMs(interval) / MS_PER_DAY
  if (lengthDays >= 1) return Math.ceil((to - from) / lengthDays)
  return ((Math.min(to, listed.lastDay + 1) - Math.max(from, listed.firstDay)) / lengthDays) * (table?.rowsPerBar ?? 1)
}

/** A place in the sorted folders: the first one that may hold keys from `key` on. */
export function folderIndexOf(folders: readonly ArchiveFolder[], key: string): number {
  const next = lowerBound(folders.length, (index) => (folders[index] as ArchiveFolder).prefix, key)
  const before = folders[next - 1]
  return before !== undefined && key.startsWith(before.prefix) ? next - 1 : next
}

/** The folder and period that a key names; undefined when the key is not one of the bucket's. */
export function parseArchiveKey(
  folders: readonly ArchiveFolder[],
  key: string,
): { folder: ArchiveFolder; period: number; isChecksum: boolean } | undefined {
  const folder = folders[folderIndexOf(folders, key)]
  if (folder === undefined || !key.startsWith(folder.prefix)) return undefined
  const match = /-(\d{4}-\d{2}(?:-\d{2})?)\.zip(\.CHECKSUM)?$/.exec(key)
  const text = match?.[1]
  if (text === undefined) return undefined
  const ms = Date.parse(folder.packaging === 'daily' ? `${text}T00:00Z` : `${text}-01T00:00Z`)
  if (Number.isNaN(ms)) return undefined
  const period = folder.packaging === 'daily' ? ms / MS_PER_DAY : monthOfMs(ms)
  const isChecksum = match?.[2] !== undefined
  return `${folder.prefix}${archiveStem(folder, period)}.zip${isChecksum ? '.CHECKSUM' : ''}` === key
    ? { folder, period, isChecksum }
    : undefined
}
