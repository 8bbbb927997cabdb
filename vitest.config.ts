import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    expect: { requireAssertions: true },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    globalSetup: ['test/support/states.ts'],
    setupFiles: ['test/support/state.ts'],
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      // they change nothing that outlives a test, so files share a process: starting one and loading the modules costs more than they do
      {
        extends: true,
        test: {
          name: 'inside',
          include: ['test/{unit,property}/**/*.test.ts'],
          isolate: false,
          setupFiles: ['test/support/state.ts', 'test/support/seeds.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'outside', include: ['test/**/*.test.ts'], exclude: ['test/{unit,property,package}/**'] },
      },
    ],
  },
})
