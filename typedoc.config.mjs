import { OptionDefaults } from 'typedoc'

/**
 * `npm run docs:api`: the API reference from the doc comments, into `docs-api/` (not in the repository). CI runs it: an exported thing
 * without a doc comment, or a link to nothing, is an error.
 * @type {Partial<import('typedoc').TypeDocOptions>}
 */
const config = {
  name: 'crypto-kline-vision-data',
  entryPoints: ['src/index.ts', 'src/sandbox/index.ts'],
  tsconfig: 'tsconfig.build.json',
  out: 'docs-api',
  readme: 'none',
  excludePrivate: true,
  excludeInternal: true,
  // a comment for users' compilers, see src/library/polars.ts
  // told in the words of the whole: the parts of small anonymous objects, and of the alternatives of a fault rule
  intentionallyNotDocumented: [
    ...['universe.__type.market', 'universe.__type.symbol'].map((name) => `crypto-kline-vision-data.IngestRequest.${name}`),
    ...['range.__type.start', 'range.__type.end', 'stopped.__type.code', 'stopped.__type.message'].map(
      (name) => `crypto-kline-vision-data.IngestResult.${name}`,
    ),
    ...['DryRunNumbers', 'DryRunSeries'].flatMap((name) =>
      ['daily', 'monthly'].map((form) => `crypto-kline-vision-data.${name}.archives.__type.${form}`),
    ),
    'crypto-kline-vision-data.UtcDay.__type.__brand',
    ...['kind', 'status', 'retryAfterSeconds', 'body', 'at', 'bytesPerSecond', 'bytes', 'declared', 'offset', 'to'].map(
      (name) => `crypto-kline-vision-data/sandbox.AnswerFault.__type.${name}`,
    ),
    ...['kind', 'rest', 'offsetMs', 'at', 'source', 'hours', 'content', 'line', 'text'].map(
      (name) => `crypto-kline-vision-data/sandbox.ContentFault.__type.${name}`,
    ),
  ],
  // what stands behind ERROR_CATALOGUE, the constants of `Interval`, and `ArchiveChoice`
  intentionallyNotExported: ['src/errors.ts:ENTRIES', 'src/model/interval.ts:Interval', 'src/model/series.ts:Packaging'],
  blockTags: [...OptionDefaults.blockTags, '@ts-ignore'],
  excludeTags: ['@ts-ignore'],
  requiredToBeDocumented: [
    'Module',
    'Function',
    'Class',
    'Constructor',
    'Method',
    'Accessor',
    'Interface',
    'Property',
    'TypeAlias',
    'Variable',
  ],
  validation: { notExported: true, invalidLink: true, notDocumented: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
}

export default config
