/** The module that `npm run build` makes of this folder: one memory, in which an archive is inflated and scanned. */
export { inflate } from './inflate'
export { inputOffset, scanRows, stoppedAt } from './csv-scanner'
export { scanTable, tableStoppedAt } from './table-scanner'
