/** A thread that tells when a lane of an account is banned, epoch milliseconds; its data: { path, lane, variable }, the last of fast-clock.mjs. */
import { parentPort, workerData } from 'node:worker_threads'
import { FileRestAccount } from '../../dist/src/sources/rest/rest-account-file.js'
import { fastClock } from './fast-clock.mjs'
import { exactNow } from './sent-log.mjs'

const { path, lane, variable } = workerData
const account = await FileRestAccount.open(path, fastClock(variable))
while (account.isOpen(lane)) await new Promise((resolve) => setTimeout(resolve, 1))
parentPort.postMessage(exactNow())
await account.close()
