import { CkvdError } from '../errors.ts'
import type { ExportFolder } from './export-folder.ts'
import type { FileEntry, Manifest } from './manifest.ts'
import { formatManifest, MANIFEST } from './manifest.ts'

/** While files are written the manifest is brought up to date so often: what a killed run has to write again. */
const SAVE_EVERY_MS = 5_000

/** What a manifest says beside its files. */
export type ManifestHead = Pick<Manifest, 'origin' | 'encoding' | 'selection'>

/**
 * Keeps the manifest true while a run writes files. Before the first one it names every file that may appear, so that whatever a killed
 * run leaves is known to the next one; a run that changes nothing does not write it.
 */
export class ManifestKeeper {
  readonly #folder: ExportFolder
  readonly #head: ManifestHead
  readonly #known: { readonly manifest: Manifest; readonly text: string } | undefined
  /** files as they are on disk now: what this run has settled, else as the manifest of before has them */
  readonly #entries: Map<string, FileEntry>
  readonly #settled = new Map<string, FileEntry>()
  readonly #planned: readonly string[]
  #beginning: Promise<void> | undefined
  #savedMs = Infinity

  /** @param planned paths of the files that this run may write */
  constructor(
    folder: ExportFolder,
    head: ManifestHead,
    known: { manifest: Manifest; text: string } | undefined,
    planned: readonly string[],
  ) {
    this.#folder = folder
    this.#head = head
    this.#known = known
    this.#entries = new Map(known?.manifest.files.map((file) => [file.path, file]))
    this.#planned = planned
  }

  /** The file as it was before the run. */
  before(path: string): FileEntry | undefined {
    return this.#entries.get(path)
  }

  /** To be called before each file is written. */
  begin(): Promise<void> {
    return (this.#beginning ??= this.#save())
  }

  /** Records a file that is as it should be. */
  async settle(entry: FileEntry): Promise<void> {
    this.#entries.set(entry.path, entry)
    this.#settled.set(entry.path, entry)
    if (performance.now() - this.#savedMs >= SAVE_EVERY_MS) await this.#save()
  }

  /** After an interruption: what was written counts. What went wrong first is what the caller throws; gives what goes wrong here. */
  async saveInterrupted(): Promise<CkvdError | undefined> {
    if (this.#beginning === undefined) return undefined
    try {
      await this.#save()
      return undefined
    } catch (error) {
      if (error instanceof CkvdError) return error
      throw error
    }
  }

  /** Removes the files of earlier runs that this run has not settled; gives how many. */
  async removeLeftovers(): Promise<number> {
    const earlier = [...(this.#known?.manifest.files.map(({ path }) => path) ?? []), ...(this.#known?.manifest.unfinished ?? [])]
    const leftovers = [...new Set(earlier)].filter((path) => !this.#settled.has(path))
    for (const path of leftovers) {
      await this.begin()
      await this.#folder.remove(path)
      this.#entries.delete(path)
    }
    return leftovers.length
  }

  /** Writes the manifest of the whole export where it says something new; gives rows and bytes of all files. */
  async finish(coverage: NonNullable<Manifest['coverage']>): Promise<{ rows: number; bytes: number }> {
    const manifest = this.#manifest('complete', coverage)
    const text = formatManifest(manifest)
    if (text !== this.#known?.text || this.#beginning !== undefined) await this.#write(text)
    return { rows: manifest.rows, bytes: manifest.bytes }
  }

  async #save(): Promise<void> {
    this.#savedMs = performance.now()
    await this.#write(formatManifest(this.#manifest('writing', this.#known?.manifest.coverage ?? null)))
  }

  async #write(text: string): Promise<void> {
    await this.#folder.write({ path: MANIFEST, bytes: new TextEncoder().encode(text) })
  }

  /** Settled files stand in the order of the plan, so that the manifest does not depend on which worker was first. */
  #manifest(state: Manifest['state'], coverage: Manifest['coverage']): Omit<Manifest, 'format'> {
    const order = new Set([...this.#planned, ...this.#entries.keys()])
    const files = [...order].map((path) => this.#entries.get(path)).filter((file) => file !== undefined)
    const sum = (pick: (file: FileEntry) => number): number => files.reduce((total, file) => total + pick(file), 0)
    const unfinished = state === 'complete' ? [] : this.#unfinished()
    return { ...this.#head, state, rows: sum(({ rows }) => rows), bytes: sum(({ bytes }) => bytes), coverage, files, unfinished }
  }

  #unfinished(): string[] {
    const paths = [...this.#planned, ...(this.#known?.manifest.unfinished ?? [])]
    return [...new Set(paths)].filter((path) => !this.#entries.has(path))
  }
}
