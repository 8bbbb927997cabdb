import { describe, expect, it } from 'vitest'
import { nearDatasets, parseDataset, parseDatasets } from '../../../src/question/dataset-names.ts'

describe('names of data sets', () => {
  it('are those that Vision has, each once, in the order of the list', () => {
    expect(parseDatasets(['fundingRate', 'klines', 'fundingRate'], '--data').map(({ name }) => name)).toEqual(['fundingRate', 'klines'])
    expect(parseDataset('fundingRate', 'dataset').folder).toBe('fundingRate')
  })

  it('all is each of them, and no name in a list', () => {
    const all = parseDatasets(['all'], '--data').map(({ name }) => name)
    expect(all.slice(0, 2)).toEqual(['klines', 'fundingRate'])
    expect(() => parseDatasets(['klines', 'all'], '--data')).toThrow('got "all"')
  })

  it.each([
    ['fundingrate', ['fundingRate']],
    ['funding-rate', ['fundingRate']],
    ['funding', ['fundingRate']],
    ['Klines', ['klines']],
    ['kline', ['klines']],
    ['nonsense', []],
    ['', []],
  ])('of %j nobody has heard; what was meant is told: %j', (name, meant) => {
    expect(nearDatasets(name)).toEqual(meant)
    const words = meant.length === 0 ? 'or all, got' : `Did you mean ${meant.join(' or ')}?`
    expect(() => parseDatasets([name], '--data')).toThrow(
      expect.objectContaining({
        code: 'CKVD_USAGE',
        message: expect.stringContaining(words) as string,
        details: expect.objectContaining({ option: '--data', found: name, suggestions: meant }) as object,
      }) as Error,
    )
  })
})
