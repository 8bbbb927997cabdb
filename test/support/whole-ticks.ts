import { splitChunks } from '../../src/codec/chunks.ts'
import { decodeTable } from '../../src/codec/csv/csv-table.ts'
import type { DecodeRequest, DecodeResult } from '../../src/codec/decode-archive.ts'
import { encodeLargeChunks } from '../../src/codec/decoded-chunk.ts'
import { judgeChunks } from '../../src/codec/judge-chunks.ts'
import { datasetOf } from '../../src/dataset/registry.ts'
import { sha256Hex } from '../../src/memory/digest.ts'
import type { TimeRange } from '../../src/model/series.ts'

/**
 * An archive of ticks, decoded the plain way: all of its CSV in memory, all of its rows, all put in order. What `decodeArchive` gives of it, which
 * holds neither, must be the same.
 */
export async function decodeWholeTicks(request: DecodeRequest, csv: Uint8Array, range: TimeRange): Promise<DecodeResult> {
  const { series, zip } = request
  const dataset = datasetOf(series)
  const archiveSha256 = sha256Hex(zip)
  const { columns, rows } = decodeTable(csv, dataset, { ...series, period: range })
  const { chunks, ...told } = splitChunks(columns, { ...request, range, seriesStartUs: request.seriesStartUs ?? null })
  return {
    ...{ archiveSha256, csvRows: rows },
    ...{ ...told, phase: null },
    chunks: await encodeLargeChunks(judgeChunks(chunks, series, dataset), request, archiveSha256),
  }
}
