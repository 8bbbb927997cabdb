import type { Chunked } from '../dataset/chunk.ts'
import { idsOf, rowOrder } from '../dataset/expected.ts'
import { datasetOf } from '../dataset/registry.ts'
import { areAscending, rowsById } from '../dataset/sequence.ts'
import { CkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { pickRows, sameRow } from '../model/columns.ts'
import { isoOfUs } from '../model/utc-day.ts'

/** How many conflicting bars a note spells out. */
const NOTED_CONFLICTS = 5

/** Rows of a chunk, each one once. */
export interface Merged {
  readonly columns: Columns
  readonly duplicates: number
  readonly conflicts: number
  readonly note: string
}

/** Rows of one id become one, as those of one time do, and are put in order. Undefined where each is there once, in order. */
export function mergeSameIds(columns: Columns, ids: BigInt64Array, series: Chunked): Merged | undefined {
  if (areAscending(ids)) return undefined
  const sorted = ids.slice().sort()
  const merged = mergeSame(pickRows(columns, rowsById(ids)), (a, b) => sorted[a] === sorted[b], series)
  const compare = rowOrder(series)
  const order = Uint32Array.from(merged.columns.openTime.keys()).sort((a, b) => compare(merged.columns, a, merged.columns, b))
  return { ...merged, columns: pickRows(merged.columns, order) }
}

/** The same of rows that other columns than ids tell apart where they share a time. */
export function mergeApart(columns: Columns, series: Chunked): Merged | undefined {
  const { openTime } = columns
  const compare = rowOrder(series)
  if (openTime.every((_time, row) => row === 0 || compare(columns, row - 1, columns, row) < 0)) return undefined
  const order = Uint32Array.from(openTime.keys()).sort((a, b) => compare(columns, a, columns, b) || a - b)
  const sorted = pickRows(columns, order)
  return mergeSame(sorted, (a, b) => compare(sorted, a, sorted, b) === 0, series)
}

/**
 * Rows that are one become one: identical ones collapse, of different ones the later in the file stays.
 * @param columns those that are one stand together, in the order of the file
 * @param areOne tells it of two rows by their places
 */
export function mergeSame(columns: Columns, areOne: (a: number, b: number) => boolean, series: Chunked): Merged {
  const rows: number[] = []
  const notes: string[] = []
  let duplicates = 0
  let conflicts = 0
  for (let row = 0; row < columns.openTime.length; row++) {
    const kept = rows.at(-1)
    if (kept === undefined || !areOne(kept, row)) {
      rows.push(row)
    } else if (sameRow(columns, kept, columns, row)) {
      duplicates++
    } else {
      conflicts++
      if (notes.length < NOTED_CONFLICTS) notes.push(describeConflict(columns, kept, row, series))
      rows[rows.length - 1] = row
    }
  }
  if (conflicts > NOTED_CONFLICTS) notes.push(`and ${conflicts - NOTED_CONFLICTS} more`)
  return { columns: pickRows(columns, rows), duplicates, conflicts, note: notes.join('; ') }
}

function describeConflict(columns: Columns, dropped: number, kept: number, series: Chunked): string {
  const differing = datasetOf(series).columns.filter(({ key }) => !Object.is(columns[key]?.[dropped], columns[key]?.[kept]))
  const values = differing.map(({ key, name }) => `${name} ${columns[key]?.[dropped]} then ${columns[key]?.[kept]}`)
  const time = columns.openTime[kept]
  if (time === undefined) throw new CkvdError('CKVD_BUG', `Expected a row ${kept}, found ${columns.openTime.length} rows`)
  const id = idsOf(columns, series)?.[kept]
  return `${id === undefined ? '' : `id ${id}, `}${isoOfUs(Number(time))}: ${values.join(', ')}`
}
