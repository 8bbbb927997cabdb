import { expect, it } from 'vitest'
import { CONDITIONS } from '../../../../src/model/condition.ts'
import { day } from '../../lake/lake-fixtures.ts'
import { formatCoveragePage } from '../../../../src/report/coverage/coverage-page.ts'

it('the page shows every condition, and counts as unexplained what the contract does', () => {
  const page = formatCoveragePage({ series: [], origin: null, day: day('2024-06-01') })
  const data = JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]!) as {
    states: string[]
    looks: Record<string, { sign: string; meaning: string; height: number }>
    unexplained: string[]
  }
  expect([...data.unexplained].sort()).toEqual(['disputed', 'failed', 'partial', 'quarantined', 'unexplainable'])
  expect(data.states).toEqual([...CONDITIONS, 'never_requested'])
  expect(Object.keys(data.looks).sort()).toEqual([...data.states].sort())
  for (const state of data.states) expect(page).toMatch(new RegExp(`\\.${state}[,{]`))
  // nothing that is unexplained hides behind something that is explained
  expect(Object.keys(data.looks).slice(-5).sort()).toEqual([...data.unexplained].sort())
  for (const name of data.unexplained) expect(data.looks[name]!.sign).not.toBe('')
})
