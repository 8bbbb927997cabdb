import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { PageMemory, slotOf } from '../../../src/memory/page-memory.ts'
import { MAIN } from '../../support/dist.ts'

const DAY_1M_BYTES = 130_522
const DAY_1S_BYTES = 7_608_000

describe('memory that starts at a page', () => {
  test('is cut into slots that do not touch each other, as many as there are', () => {
    const memory = new PageMemory()
    for (const [sizeBytes, slotBytes, count] of [
      [DAY_1M_BYTES, 256 * 1024, 512],
      [DAY_1S_BYTES, 8 * 1024 * 1024, 24],
    ] as const) {
      const slots = Array.from({ length: count }, () => memory.take(sizeBytes)!)
      expect(new Set(slots.map(({ byteOffset }) => byteOffset)).size).toBe(count)
      expect(slots.every(({ length, byteOffset }) => length === slotBytes && byteOffset % slotBytes === 0)).toBe(true)
      expect(memory.take(sizeBytes)).toBeUndefined()
      slots.forEach((slot, i) => slot.fill(i % 251, slotBytes - 8))
      expect(slots.every((slot, i) => slot.at(-1) === i % 251 && slot.at(-8) === i % 251)).toBe(true)
    }
  })

  test('has slots for days of 1m and 1s bars, and not for what would waste one', () => {
    const memory = new PageMemory()
    for (const sizeBytes of [0, 1, 65_535, 262_145, 2_097_151, 8_388_609]) expect(memory.take(sizeBytes), `${sizeBytes}`).toBeUndefined()
    for (const sizeBytes of [65_536, 262_144, 2_097_152, 8_388_608])
      expect(memory.take(sizeBytes)?.length, `${sizeBytes}`).toBeGreaterThanOrEqual(sizeBytes)
  })

  test('is known by any piece of it, from whichever thread', () => {
    const memory = new PageMemory()
    for (const sizeBytes of [DAY_1M_BYTES, DAY_1S_BYTES]) {
      memory.take(sizeBytes)
      const slot = memory.take(sizeBytes)!
      for (const piece of [slot, slot.subarray(0, sizeBytes), slot.subarray(-1), structuredClone(slot.subarray(0, sizeBytes))]) {
        expect([slotOf(piece)?.byteOffset, slotOf(piece)?.length]).toEqual([slot.byteOffset, slot.length])
      }
    }
    expect(slotOf(new Uint8Array(DAY_1M_BYTES))).toBeUndefined()
    expect(slotOf(new Uint8Array(new SharedArrayBuffer(DAY_1M_BYTES)))).toBeUndefined()
  })

  const SCRIPT = `import { PageMemory } from ${JSON.stringify(new URL('../memory/page-memory.js', pathToFileURL(MAIN)).href)}
    const memory = new PageMemory(); console.log(memory.take(131072)?.length, memory.take(131072)?.length)`

  test('is not there without WebAssembly, and nothing breaks', () => {
    const output = execFileSync(process.execPath, ['--jitless', '--input-type=module', '--eval', SCRIPT], { encoding: 'utf8' })
    expect(output.trim()).toBe('undefined undefined')
  })

  test.skipIf(process.platform !== 'linux')('is not there where addresses are few, or takes no more of them than it has bytes', () => {
    const run = `ulimit -v 8000000 && exec "$0" --input-type=module --eval "$1"`
    const output = execFileSync('bash', ['-c', run, process.execPath, SCRIPT], { encoding: 'utf8' })
    // Node 24 sees the limit, and maps memory without room around it
    expect(['undefined undefined', '262144 262144']).toContain(output.trim())
  })
})
