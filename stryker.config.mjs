/**
 * Mutation testing of the pure modules and of the lake's logic: `npm run mutation`, or one file of it:
 * `npm run mutation -- --mutate src/model/gaps.ts`. What it found: docs/mutation.md.
 */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.mjs', related: false },
  coverageAnalysis: 'perTest',
  mutate: [
    'src/model/*.ts',
    'src/codec/**/*.ts',
    // the WebAssembly side: what it computes is compared with the mutated side in test/property/csv-wasm.test.ts
    '!src/codec/csv/csv-wasm*.ts',
    'src/lake/{catalog/*,layout,selection,shards,verify,prune,origin}.ts',
  ],
  // the words of messages are nobody's promise; codes, keys and SQL that are wrong fail a test by what they lead to
  mutator: { excludedMutations: ['StringLiteral'] },
  // a constant of a module needs a process of its own for each mutant
  ignoreStatic: true,
  ignorePatterns: ['/dist', '/docs', '/docs-api', '/bench', '/examples', '/lake', '/reports'],
  concurrency: 1,
  timeoutMS: 10_000,
  reporters: ['clear-text', 'json', 'progress-append-only'],
  jsonReporter: { fileName: 'reports/mutation.json' },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  tempDirName: '.stryker-tmp',
  allowConsoleColors: false,
}
