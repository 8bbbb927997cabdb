#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'

keepCompiled(process.env)
// what is loaded from here on is kept
const { start } = await import('./program.ts')
await start()
