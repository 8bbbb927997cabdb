import type { Dataset } from '../dataset.ts'

/**
 * What the holders of a perpetual contract pay each other, every 8, 4 or 1 hours. Times are as published, a few milliseconds off the hour. By
 * a month's archive of a real contract: a header row, times in milliseconds, hours, rates with a sign.
 */
export const FUNDING_RATE: Dataset = {
  name: 'fundingRate',
  folder: 'fundingRate',
  hasInterval: false,
  grid: '1h',
  markets: ['um', 'cm'],
  chunking: 'day',
  pack: 'year',
  packagings: ['monthly'],
  columns: [
    // two sources may tell it some milliseconds apart
    { key: 'openTime', name: 'funding_time', header: 'calc_time', type: 'timestamp', loose: true },
    // REST does not tell them: 0
    { key: 'intervalHours', name: 'funding_interval_hours', type: 'int64', least: 0, most: 24, loose: true },
    { key: 'rate', name: 'funding_rate', header: 'last_funding_rate', type: 'float64' },
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'schedule', hours: 'intervalHours', usualHours: 8 },
  rest: 'fundingRate',
}
