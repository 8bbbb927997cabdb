import type { Table } from 'apache-arrow'
import { tableToIPC } from 'apache-arrow'
import { CkvdError, openFilesError } from '../errors.ts'

/* eslint-disable @typescript-eslint/ban-ts-comment, @typescript-eslint/consistent-type-imports -- the comment must reach users' compilers: without the optional package there is no type */
/**
 * A DataFrame of nodejs-polars; its type is `any` where that package is not installed.
 *
 * @ts-ignore an optional peer dependency */
export type PolarsDataFrame = import('nodejs-polars').DataFrame
/* eslint-enable @typescript-eslint/ban-ts-comment, @typescript-eslint/consistent-type-imports */

/**
 * An Arrow Table as a DataFrame of nodejs-polars, through one uncompressed IPC buffer.
 * @throws CkvdError `CKVD_POLARS_MISSING` when the package is not installed
 */
export async function toPolars(table: Table): Promise<PolarsDataFrame> {
  const { default: polars } = await import('nodejs-polars').catch((cause: unknown) => {
    throw (
      openFilesError(cause) ??
      new CkvdError(
        'CKVD_POLARS_MISSING',
        'Expected the package nodejs-polars for Polars output, found none. Run `npm install nodejs-polars`, or leave out returnPolars and CKVD_USE_POLARS_OUTPUT.',
        { cause },
      )
    )
  })
  return polars.readIPC(Buffer.from(tableToIPC(table, 'file')))
}
