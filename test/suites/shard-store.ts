import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CkvdError } from '../../src/errors.ts'
import type { OpenFile, ShardStore } from '../../src/lake/shard-store.ts'
import { putAll } from '../../src/lake/shard-store.ts'

/** A store with nothing in it, and what a test does to it from outside. */
export interface StoreUnderTest {
  readonly store: ShardStore
  /** Makes time pass until what was put has a version. */
  settle(): void
  /** Takes away what the store rests on: whatever it is asked then fails. */
  breakDown(): Promise<void>
  close(): Promise<void>
}

/** What every store of a lake's files must do, whatever it rests on. */
export function testShardStore(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`a store of shards: ${name}`, () => {
    let under: StoreUnderTest
    let store: ShardStore
    beforeEach(async () => {
      under = await create()
      store = under.store
    })
    afterEach(() => under.close())

    const put = (path: string, bytes: Uint8Array): Promise<void> => putAll(store, [{ path, bytes }])
    const list = async (folder: string): Promise<string[]> => {
      const paths: string[] = []
      for await (const { path, isFile } of store.list(folder)) paths.push(isFile ? path : `${path} is no file`)
      return paths
    }
    const open = async (path: string): Promise<OpenFile> => {
      const file = await store.open(path)
      if (file === undefined) throw new Error(`Expected ${path} in the store, found none.`)
      return file
    }

    test('gives back what was put: nothing, a little, and what is larger than any buffer', async () => {
      for (const length of [0, 1, 4096, 1_500_001]) {
        await put('data/one.arrow', bytesOf(length))
        expect(Buffer.compare((await store.get('data/one.arrow')) as Uint8Array, bytesOf(length))).toBe(0)
        expect((await store.stat('data/one.arrow'))?.sizeBytes).toBe(length)
      }
    })

    test('puts a group of files of many folders, each of them, and says so', async () => {
      const files = Array.from({ length: 70 }, (_, i) => ({ path: `data/${i % 7}/deep/${i}.arrow`, bytes: bytesOf(100 + i) }))
      expect(await store.put(files)).toEqual(files.map(() => undefined))
      for (const { path, bytes } of files) expect(Buffer.compare((await store.get(path)) as Uint8Array, bytes)).toBe(0)
      expect(await store.put([])).toEqual([])
    })

    test('gives no file that is larger than the caller can take, and says so', async () => {
      await put('data/one.arrow', bytesOf(1000))
      expect((await store.get('data/one.arrow', { mostBytes: 1000 }))?.length).toBe(1000)
      const place = store.placeOf('data/one.arrow')
      expect(await failureOf(() => store.get('data/one.arrow', { mostBytes: 999 }))).toMatchObject({
        code: 'CKVD_SHARD_FORMAT',
        details: { path: place, sizeBytes: 1000, mostBytes: 999 },
      })
    })

    test('a second put of a name replaces the whole of the first, also by less', async () => {
      await put('data/one.arrow', bytesOf(600_000))
      const before = await store.stat('data/one.arrow')
      await put('data/one.arrow', new Uint8Array([1, 2, 3]))
      expect([...((await store.get('data/one.arrow')) ?? [])]).toEqual([1, 2, 3])
      expect(Number((await store.stat('data/one.arrow'))?.writtenAt)).toBeGreaterThanOrEqual(Number(before?.writtenAt))
      expect(await list('data')).toEqual(['data/one.arrow'])
    })

    test('who reads while it is put sees one version or the other, whole', async () => {
      const versions = [1, 2, 3, 4, 5, 6].map((value) => new Uint8Array(200_000 + value).fill(value))
      await put('data/one.arrow', versions[0] as Uint8Array)
      let isPutting = true
      const seen = new Set<number>()
      const readAll = async (): Promise<void> => {
        while (isPutting) {
          const bytes = (await store.get('data/one.arrow')) as Uint8Array
          const value = bytes[0] ?? 0
          seen.add(value)
          expect(bytes.length).toBe(200_000 + value)
          expect(bytes.every((byte) => byte === value)).toBe(true)
        }
      }
      const reading = readAll()
      for (const bytes of versions) await put('data/one.arrow', bytes)
      isPutting = false
      await reading
      expect(seen.size).toBeGreaterThan(0)
    })

    test('two puts of one name at once leave one of the two, whole', async () => {
      await Promise.all([put('data/one.arrow', new Uint8Array(70_000).fill(1)), put('data/one.arrow', new Uint8Array(90_000).fill(2))])
      const bytes = (await store.get('data/one.arrow')) as Uint8Array
      expect([70_000, 90_000]).toContain(bytes.length)
      expect(new Set(bytes)).toEqual(new Set([bytes.length === 70_000 ? 1 : 2]))
    })

    test('has bytes of its own: buffers may be used again, before and behind it', async () => {
      const buffer = bytesOf(1000)
      await put('data/one.arrow', buffer)
      buffer.fill(0)
      const got = (await store.get('data/one.arrow')) as Uint8Array
      expect(Buffer.compare(got, bytesOf(1000))).toBe(0)
      got.fill(0)
      expect(Buffer.compare((await store.get('data/one.arrow')) as Uint8Array, bytesOf(1000))).toBe(0)
    })

    test('what is absent is a value, and its removal no error', async () => {
      await put('data/there.arrow', bytesOf(10))
      for (const path of ['data/absent.arrow', 'absent/deep/one.arrow', 'data/there.arro']) {
        expect(await store.get(path)).toBeUndefined()
        expect(await store.open(path)).toBeUndefined()
        expect(await store.stat(path)).toBeUndefined()
        expect(await store.remove(path)).toBe(false)
      }
      expect(await list('absent')).toEqual([])
      expect(await list('data/absent')).toEqual([])
      expect(await list('data')).toEqual(['data/there.arrow'])
    })

    test('removes a file, that one alone, and once', async () => {
      for (const path of ['data/a.arrow', 'data/ab.arrow']) await put(path, bytesOf(10))
      expect(await store.remove('data/a.arrow')).toBe(true)
      expect(await store.remove('data/a.arrow')).toBe(false)
      expect(await store.get('data/a.arrow')).toBeUndefined()
      expect(await list('data')).toEqual(['data/ab.arrow'])
      await put('data/a.arrow', bytesOf(20))
      expect((await store.get('data/a.arrow'))?.length).toBe(20)
    })

    test('lists what lies below a folder, in the order of the paths, and nothing beside it', async () => {
      const paths = [
        'data/a/b.arrow',
        'data/a.arrow',
        'data/a/10.arrow',
        'data/a/9.arrow',
        'data/a-1/c.arrow',
        'data/A.arrow',
        'data/a/b/c/d',
      ]
      await putAll(
        store,
        [...paths, 'data2/x', 'dat/x', 'quarantine/x'].map((path) => ({ path, bytes: bytesOf(3) })),
      )
      expect(await list('data')).toEqual([...paths].sort())
      expect(await list('data/a')).toEqual(paths.filter((path) => path.startsWith('data/a/')).sort())
      expect(await list('quarantine')).toEqual(['quarantine/x'])
    })

    test('lists folders of more files than one answer has, also while they are removed', async () => {
      const paths = Array.from({ length: 1100 }, (_, i) => `data/${String(i).padStart(4, '0')}.arrow`)
      await putAll(
        store,
        paths.map((path) => ({ path, bytes: bytesOf(1) })),
      )
      expect(await list('data')).toEqual(paths)
      for await (const { path } of store.list('data')) await store.remove(path)
      expect(await list('data')).toEqual([])
    })

    test('reads parts of a file into the places where they belong', async () => {
      await put('data/one.arrow', bytesOf(10_000))
      const file = await open('data/one.arrow')
      expect(file.sizeBytes).toBe(10_000)
      expect(file.place).toBe(store.placeOf('data/one.arrow'))
      const buffers = [new Uint8Array(3), new Uint8Array(0), new Uint8Array(4000), new Uint8Array(1)]
      expect(file.read(5000, buffers)).toBe(true)
      expect(Buffer.compare(Buffer.concat(buffers), bytesOf(10_000).subarray(5000, 9004))).toBe(0)
      expect(file.read(0, [])).toBe(true)
      expect(file.read(9_999, [new Uint8Array(1)])).toBe(true)
      for (const at of [9_999, 10_000, 20_000]) expect(file.read(at, [new Uint8Array(1), new Uint8Array(1)])).toBe(false)
      file.close()
    })

    test('a file that is open is one version, whatever is put or removed meanwhile', async () => {
      for (const change of [() => put('data/one.arrow', new Uint8Array(20_000).fill(2)), () => store.remove('data/one.arrow')]) {
        await put('data/one.arrow', new Uint8Array(20_000).fill(1))
        const file = await open('data/one.arrow')
        const [first, second] = [new Uint8Array(10), new Uint8Array(10)]
        expect(file.read(0, [first])).toBe(true)
        await change()
        expect(file.read(10_000, [second])).toBe(true)
        expect(second).toEqual(first)
        file.close()
      }
    })

    test('a version is the same until something else is put, never after that, and another for each file', async () => {
      const versionOf = async (path: string): Promise<string | undefined> => {
        const file = await open(path)
        const version = file.version()
        file.close()
        return version
      }
      await put('data/one.arrow', bytesOf(100))
      await put('data/two.arrow', new Uint8Array(100))
      under.settle()
      const first = await versionOf('data/one.arrow')
      expect(first).toBeTypeOf('string')
      expect(await versionOf('data/one.arrow')).toBe(first)
      expect(await versionOf('data/two.arrow')).not.toBe(first)
      await put('data/one.arrow', new Uint8Array(100).fill(7))
      under.settle()
      expect(await versionOf('data/one.arrow')).toBeTypeOf('string')
      expect(await versionOf('data/one.arrow')).not.toBe(first)
    })

    test('each file has a place that messages can name', () => {
      const places = ['data/a.arrow', 'data/b.arrow', 'data/a/b.arrow'].map((path) => store.placeOf(path))
      expect(new Set(places).size).toBe(3)
      expect(places[0]).toMatch(/a\.arrow$/)
    })

    const OUTSIDE = [
      '',
      '/',
      '/etc/passwd',
      '..',
      '../x',
      'data/../../x',
      'data//x',
      'data/./x',
      'data/x/',
      'data\\x',
      'c:/x',
      'data/\u0000x',
    ]

    test.each(OUTSIDE)('refuses the name %j, which could lead out of it', async (path) => {
      for (const call of callsOf(store, path)) {
        expect(await failureOf(call)).toMatchObject({ code: 'CKVD_LAKE_IO', details: { path } })
      }
      expect(await list('data')).toEqual([])
    })

    test('what fails is told with its code and its place', async () => {
      await put('data/one.arrow', bytesOf(10))
      const place = store.placeOf('data/one.arrow')
      await under.breakDown()
      for (const call of callsOf(store, 'data/one.arrow')) {
        const failure = await failureOf(call)
        expect(failure).toMatchObject({ code: 'CKVD_LAKE_IO' })
        // the file, or the folder above it that is at fault
        const { path } = (failure as CkvdError).details
        expect(path).toMatch(/\w/)
        expect(place.startsWith(String(path))).toBe(true)
      }
    })
  })
}

/** Bytes that no shift of themselves equals. */
function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 0xff
  return bytes
}

/** Every question and every order, of one name. */
function callsOf(store: ShardStore, path: string): (() => unknown)[] {
  return [
    () => store.get(path),
    () => store.open(path),
    () => store.stat(path),
    () => store.list(path)[Symbol.asyncIterator]().next(),
    () => putAll(store, [{ path, bytes: new Uint8Array(3) }]),
    () => store.remove(path),
  ]
}

/** What a call throws, at once or later. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    return { returned: await call() }
  } catch (error) {
    return error
  }
}
