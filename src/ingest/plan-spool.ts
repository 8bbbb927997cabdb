import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import type { ArchiveRef, ArchiveTask } from '../acquire/archive-task.ts'
import type { SeriesPlan } from '../acquire/plan/plan.ts'
import { CkvdError } from '../errors.ts'
import { ioError } from '../disk/io-error.ts'
import { LAKE } from '../lake/layout.ts'
import type { Packaging, Series } from '../model/series.ts'
import { periodStem, seriesFolder } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { parsePeriod } from '../sources/vision/vision-url.ts'

/**
 * Plans on disk: a universe of any size is planned, shown and compared with the free disk before its first download,
 * and never held in memory. What can be told from series and period is left out: some 80 bytes an archive.
 */
export class PlanSpool {
  readonly #path: string
  readonly #places: { readonly offset: number; readonly length: number }[] = []
  #file: Promise<FileHandle> | undefined
  #end = 0

  /** @param path of a file that does not exist yet, in a directory that is swept */
  constructor(path: string) {
    this.#path = path
  }

  /** Throws CKVD_DISK_FULL, CKVD_LAKE_IO. */
  async add(plan: SeriesPlan): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(pack(plan)))
    const place = { offset: this.#end, length: bytes.length }
    this.#end += bytes.length
    this.#places.push(place)
    try {
      this.#file ??= open(this.#path, 'wx+')
      const file = await this.#file
      // a disk that is nearly full takes a part, and refuses the rest
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, place.offset + done)).bytesWritten
    } catch (error) {
      throw ioError(error, 'write the plan to', this.#path, LAKE)
    }
  }

  /** The plans, one at a time. Throws CKVD_LAKE_IO. */
  async *read(): AsyncGenerator<SeriesPlan> {
    for (const place of this.#places) yield unpack(JSON.parse((await this.#readAt(place)).toString()) as PackedPlan)
  }

  async #readAt({ offset, length }: { readonly offset: number; readonly length: number }): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    try {
      const file = await this.#file
      for (let done = 0; file !== undefined && done < length;) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
        if (bytesRead === 0) throw Object.assign(new Error('the plan is shorter than it was written'), { code: 'EIO' })
        done += bytesRead
      }
      return bytes
    } catch (error) {
      throw ioError(error, 'read the plan from', this.#path, LAKE)
    }
  }

  /** Never throws: what cannot be removed now is swept by the next run. */
  async remove(): Promise<void> {
    const file = await this.#file?.catch(() => undefined)
    await Promise.allSettled([file?.close(), rm(this.#path, { force: true })])
  }
}

/** packaging, period, size, ETag: key and first day follow from them */
type PackedRef = readonly ['d' | 'm', string, number, string]

interface PackedTask {
  /** index of the archive in `refs` */
  readonly a: number
  /** chunks; left out where the archive's first day is the only one */
  readonly d?: readonly UtcDay[]
  /** a day that nobody asked for */
  readonly g?: UtcDay
  /** the series starts here */
  readonly s?: 1
  /** indices of the other form in `refs` */
  readonly o?: readonly number[]
  /** days to compare */
  readonly c?: readonly UtcDay[]
}

interface PackedPlan {
  readonly plan: Omit<SeriesPlan, 'tasks' | 'repairs'>
  readonly refs: readonly PackedRef[]
  readonly tasks: readonly PackedTask[]
  readonly repairs: readonly PackedTask[]
}

function pack(plan: SeriesPlan): PackedPlan {
  const { tasks, repairs, ...rest } = plan
  const refs: PackedRef[] = []
  const indices = new Map<string, number>()
  const indexOf = (ref: ArchiveRef): number => {
    const known = indices.get(ref.key)
    if (known !== undefined) return known
    indices.set(ref.key, refs.length)
    return refs.push([ref.packaging === 'daily' ? 'd' : 'm', ref.period, ref.sizeBytes, ref.etag]) - 1
  }
  const packTask = (task: ArchiveTask): PackedTask => {
    const { archive, days, others, compare } = task
    return {
      a: indexOf(archive),
      ...(days.length === 1 && days[0] === archive.firstDay ? {} : { d: days }),
      ...(task.guess === null ? {} : { g: task.guess }),
      ...(task.startsSeries ? { s: 1 } : {}),
      ...(others.length === 0 ? {} : { o: others.map(indexOf) }),
      ...(compare.length === 0 ? {} : { c: compare }),
    }
  }
  return { plan: rest, tasks: tasks.map(packTask), repairs: repairs.map(packTask), refs }
}

function unpack({ plan, refs, tasks, repairs }: PackedPlan): SeriesPlan {
  const { series } = plan
  const folders = { daily: seriesFolder(series, 'daily'), monthly: seriesFolder(series, 'monthly') }
  const unpacked = refs.map((ref) => unpackRef(series, folders, ref))
  const refAt = (index: number): ArchiveRef => {
    const ref = unpacked[index]
    if (ref === undefined) throw new CkvdError('CKVD_BUG', `the plan of ${series.symbol} names archive ${index} of ${unpacked.length}`)
    return ref
  }
  const unpackTask = (task: PackedTask): ArchiveTask => {
    const archive = refAt(task.a)
    return {
      series,
      archive,
      days: task.d ?? [archive.firstDay],
      guess: task.g ?? null,
      startsSeries: task.s === 1,
      others: (task.o ?? []).map(refAt),
      compare: task.c ?? [],
    }
  }
  return { ...plan, tasks: tasks.map(unpackTask), repairs: repairs.map(unpackTask) }
}

function unpackRef(series: Series, folders: Readonly<Record<Packaging, string>>, [form, period, sizeBytes, etag]: PackedRef): ArchiveRef {
  const packaging: Packaging = form === 'd' ? 'daily' : 'monthly'
  const key = `${folders[packaging]}${periodStem(series, period)}.zip`
  const parsed = parsePeriod(packaging, period)
  if (parsed === undefined) throw new CkvdError('CKVD_BUG', `the plan of ${series.symbol} names the period ${period}`)
  return { key, etag, sizeBytes, packaging, period, firstDay: parsed.firstDay }
}
