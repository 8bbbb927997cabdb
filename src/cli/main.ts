#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'
import { startProgram } from './start-program.ts'

keepCompiled(process.env)
// what is loaded from here on is kept
await startProgram(async () => (await import('./program.ts')).start)
