import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import Database from 'libsql'

/** A directory that is removed when its scope ends; `lake` in it is a lake that does not exist yet. */
export interface TempDirectory extends AsyncDisposable {
  readonly path: string
  readonly lake: string
}

export async function createTempDirectory(): Promise<TempDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'ckvd-'))
  return { path, lake: join(path, 'lake'), [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Files below a directory, `/` separated, sorted; empty where there is no such directory. */
export async function listFiles(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .sort()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** `path sha256` of every file below a directory: two trees are the same, byte for byte, when this is the same. */
export async function digestTree(directory: string): Promise<string[]> {
  const files = await listFiles(directory)
  return Promise.all(
    files.map(
      async (file) =>
        `${file} ${createHash('sha256')
          .update(await readFile(join(directory, file)))
          .digest('hex')}`,
    ),
  )
}

/** Rows of the catalog, read as any SQLite program would. */
export function queryCatalog<Row>(lake: string, sql: string, ...params: readonly unknown[]): Row[] {
  const database = new Database(join(lake, 'catalog.sqlite'), { readonly: true })
  try {
    return database.prepare(sql).all(...params) as Row[]
  } finally {
    database.close()
  }
}

/** Waits until a condition holds by asking again and again; fails after twenty seconds. */
export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const startedMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedMs > 20_000) throw new Error(`Waited twenty seconds for ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
