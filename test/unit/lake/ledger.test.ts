import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Catalog } from '../../../src/lake/catalog/catalog.ts'
import { openCatalog } from '../../../src/lake/catalog/catalog.ts'
import type { LedgerUnderTest } from '../../suites/ledger.ts'
import { testLedger } from '../../suites/ledger.ts'
import { MemoryLedger } from '../../support/memory-ledger.ts'

testLedger('the catalog, an SQLite file', async (): Promise<LedgerUnderTest> => {
  const directory = await mkdtemp(join(tmpdir(), 'ckvd-ledger-'))
  const path = join(directory, 'catalog.sqlite')
  const ledger = openCatalog(path, { mode: 'write' })
  const readers: Catalog[] = []
  return {
    ledger,
    openReader: () => {
      const reader = openCatalog(path, { mode: 'read' })
      readers.push(reader)
      return reader
    },
    close: () => {
      for (const one of [...readers, ledger]) one.close()
    },
    remove: () => rm(directory, { recursive: true }),
  }
})

testLedger('memory', () => {
  const ledger = new MemoryLedger()
  return Promise.resolve({ ledger, openReader: () => ledger, close: () => ledger.close(), remove: () => Promise.resolve() })
})
