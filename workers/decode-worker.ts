import { move, transferableSymbol, valueSymbol } from 'piscina'
import type { DecodeOutcome, DecodeRequest } from '../src/codec/decode-day.ts'
import { runDecodeTask } from '../src/codec/decode-day.ts'

/** Piscina's task: decodes archives and moves the shards (or, of a failure, the archive) back instead of copying them. */
export default async function decodeTask(requests: readonly DecodeRequest[]): Promise<unknown> {
  const outcomes = await runDecodeTask(requests)
  return move({ [transferableSymbol]: transferList(outcomes), [valueSymbol]: outcomes })
}

/** Each buffer once: two archives may lie in one. */
function transferList(outcomes: readonly DecodeOutcome[]): ArrayBufferLike[] {
  const bytes = outcomes.flatMap((outcome) => (outcome.ok ? outcome.result.chunks.map(({ shard }) => shard) : [outcome.zip]))
  return [...new Set(bytes.map(({ buffer }) => buffer))]
}
