/** Forms in which klines leave the lake. */
export type ExportFormat = 'parquet' | 'csv' | 'arrow'

export const EXPORT_FORMATS: readonly ExportFormat[] = ['parquet', 'csv', 'arrow']

/** What an encoder makes: a format, and whether its bytes are compressed with gzip (CSV only). */
export interface ExportEncoding {
  readonly format: ExportFormat
  readonly gzip: boolean
}

/** The ending of a file's name, without the dot. */
export function fileEnding({ format, gzip }: ExportEncoding): string {
  return gzip ? `${format}.gz` : format
}
