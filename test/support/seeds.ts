import fc from 'fast-check'

/* CI draws the same cases each time, so that a change alone decides whether it passes; everywhere else they are others each time. */
if (process.env['CI'] !== undefined) fc.configureGlobal({ seed: 20_241_129 })
