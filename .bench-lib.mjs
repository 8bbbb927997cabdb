import { readFileSync, mkdtempSync, rmSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { CryptoKlineVisionData, ingest } from '/work/main/dist-lib.tmp/src/index.js'
import { startSandbox } from '/work/main/dist-lib.tmp/src/sandbox/index.js'
process.env.CKVD_NOW='2024-03-10T12:34:56Z'
import { existsSync } from 'node:fs'
const sandbox = await startSandbox({ now: () => Date.parse(process.env.CKVD_NOW) })
const lake = '/tmp/lib/bench-lake'
if (!existsSync(lake)) { const r = await ingest({ lake, sources: sandbox.urls, universe: [{market:'spot',symbol:'BTCUSDT'}], start:'2023-01-01', end:'2024-01-01' }); console.log(r.exit, r.stored, r.elapsed_ms) }
const c = CryptoKlineVisionData.create('binance','spot',{ lake, sources: sandbox.urls })
const o = { symbol:'BTCUSDT', startTime:'2023-01-01T00:00:00Z', endTime:'2024-01-01T00:00:00Z', interval:'1m' }
const dir = join(lake,'data/spot/daily/klines/BTCUSDT/1m')
const files = readdirSync(dir).sort().map(f=>join(dir,f))
const bench = async (name, f) => { const t=[]; for (let i=0;i<100;i++){ const s=process.cpuUsage(); await f(); const u=process.cpuUsage(s); t.push((u.user+u.system)/1000) } t.sort((a,b)=>a-b); console.log(name, "cpu", t[7].toFixed(1), "ms  (", t[0].toFixed(1), t[14].toFixed(1), ")") }


await bench('getData', () => c.getData(o))
await bench('getColumns 2', () => c.getColumns({...o, columns:['open_time','close']}))
await bench('getColumns close', () => c.getColumns({...o, columns:['close']}))
await c.close(); await sandbox.close()
