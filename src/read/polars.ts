import type { Table } from 'apache-arrow'
import { tableToIPC } from 'apache-arrow'
import { CkvdError } from '../errors.ts'

/**
 * A DataFrame of nodejs-polars; its type is `any` where that package is not installed.
 *
 * @ts-ignore an optional peer dependency */
export type PolarsDataFrame = import('nodejs-polars').DataFrame

/**
 * An Arrow Table as a DataFrame of nodejs-polars, through one uncompressed IPC buffer.
 * @throws CkvdError `CKVD_POLARS_MISSING` when the package is not installed
 */
export async function toPolars(table: Table): Promise<PolarsDataFrame> {
  const { default: polars } = await importPolars()
  return polars.readIPC(Buffer.from(tableToIPC(table, 'file')))
}

async function importPolars(): Promise<typeof import('nodejs-polars')> {
  try {
    return await import('nodejs-polars')
  } catch (cause) {
    throw new CkvdError('CKVD_POLARS_MISSING', 'Expected the package nodejs-polars for Polars output, found none. Run `npm install nodejs-polars`, or leave out returnPolars and CKVD_USE_POLARS_OUTPUT.', { cause })
  }
}
