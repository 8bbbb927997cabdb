/**
 * CSV of a day as Binance writes it, of a market as busy as BTCUSDT: prices of two decimals that walk, volumes of six, quote volumes
 * of eight, so that it packs as real days do (spot BTCUSDT 2020-01-03: 72,733 of 208,867 bytes).
 */
const DAY_MS = 86_400_000
const STEP_MS = { '1m': 60_000, '1s': 1000 }

/** @returns the day's CSV without a header, milliseconds before 2025; the same for the same arguments */
export function createDayCsv({ seed, interval, dayMs }) {
  return createBarsCsv({ seed, stepMs: STEP_MS[interval], startMs: dayMs, endMs: dayMs + DAY_MS })
}

/** The same of the bars of any length that open in a range. */
export function createBarsCsv({ seed, stepMs, startMs, endMs }) {
  const next = createRandom(seed * 100_003 + startMs / DAY_MS)
  const isSecond = stepMs === STEP_MS['1s']
  const spread = isSecond ? 120 : 900
  const lines = []
  let open = 4_000_000 + Math.floor(next() * 500_000) // cents
  for (let ms = startMs; ms < endMs; ms += stepMs) {
    const close = open + Math.round((next() + next() - 1) * spread)
    const high = Math.max(open, close) + Math.floor(next() ** 3 * spread)
    const low = Math.min(open, close) - Math.floor(next() ** 3 * spread)
    const count = 1 + Math.floor(next() ** 3 * (isSecond ? 90 : 3000))
    const volume = 1 + Math.floor(count * 25_000 * (next() + next())) // 1e-6
    const taker = Math.floor(volume * next())
    const average = (units) => BigInt(units) * BigInt(low + Math.floor((high - low) * next())) // 1e-8
    const cells = [
      ms,
      ...[open, high, low, close].map((cents) => decimal(BigInt(cents) * 1_000_000n)),
      decimal(BigInt(volume) * 100n),
      ms + stepMs - 1,
      decimal(average(volume)),
      count,
      decimal(BigInt(taker) * 100n),
      decimal(average(taker)),
      0,
    ]
    lines.push(cells.join(','), '\n')
    open = close + Math.round((next() - 0.5) * 40)
  }
  return Buffer.from(lines.join(''))
}

/** Eight decimals, as the exchange writes them. */
function decimal(units) {
  const digits = String(units).padStart(9, '0')
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`
}

/** Mulberry32: even numbers from 0 to 1. */
function createRandom(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
