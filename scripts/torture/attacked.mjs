/**
 * `ckvd` as a process that waits less long for servers than a user's does, and that writes down its largest memory when it ends.
 * CKVD_TORTURE=`{"idleTimeoutMs":…,"backoffMs":…,"peakFile":…}`; the arguments are those of `ckvd`.
 */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { runCli } from '../../dist/src/cli/program.js'
import { runProcess } from '../../dist/src/cli/run-process.js'
import { HTTP_DEFAULTS } from '../../dist/src/sources/http/http.js'

const { peakFile, ...settings } = JSON.parse(process.env.CKVD_TORTURE)
Object.assign(HTTP_DEFAULTS, settings)
if (isMainThread) process.on('exit', () => writeFileSync(peakFile, String(process.resourceUsage().maxRSS)))
await runProcess((args, context) => runCli(args, context))
