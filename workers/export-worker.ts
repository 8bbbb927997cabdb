import { move, transferableSymbol, valueSymbol } from 'piscina'
import type { ExportTask } from '../src/codec/export/export-task.ts'
import { runExportTask } from '../src/codec/export/export-task.ts'

/** Piscina's task: makes one file of an export and moves its bytes back instead of copying them. */
export default async function exportTask(task: ExportTask): Promise<unknown> {
  const outcome = await runExportTask(task)
  const file = outcome.ok ? outcome.exported.file : null
  return move({ [transferableSymbol]: file === null ? [] : [file.bytes.buffer], [valueSymbol]: outcome })
}
