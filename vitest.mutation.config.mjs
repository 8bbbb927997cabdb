import { defineConfig } from 'vitest/config'

/** The tests that mutants are judged by (see docs/mutation.md): those of the pure modules and of the lake, without the built program. */
export default defineConfig({
  test: {
    include: ['test/unit/{model,codec,lake}/**/*.test.ts', 'test/property/{codec,decimal-sum,grid,plan}.test.ts'],
    // these test the WebAssembly module, which is not mutated
    exclude: ['test/**/csv-wasm.test.ts'],
    expect: { requireAssertions: true },
    testTimeout: 30_000,
  },
})
