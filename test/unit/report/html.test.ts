import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatPage } from '../../../src/report/html.ts'
import { writeReport } from '../../../src/report/report-file.ts'

describe('formatPage', () => {
  it('loads nothing, lets nothing of its data out of the data, and gives the same bytes again', () => {
    const data = { name: '</script><script>alert(1)</script>', line: '\u2028' }
    const page = { title: 'A "title" & <more>', style: '', body: '', data, script: '' }
    const text = formatPage(page)
    expect(text).toContain("default-src 'none'")
    expect(text.match(/(src|href)="(?!#|data:)[^"]*"/g)).toBeNull()
    expect(text.match(/<script/g)).toHaveLength(2)
    expect(text).toContain('<title>A &quot;title&quot; &amp; &lt;more&gt;</title>')
    const embedded = /id="data">([^<]*)</.exec(text)?.[1] ?? ''
    expect(JSON.parse(embedded)).toEqual(data)
    expect(formatPage(page)).toBe(text)
  })
})

describe('writeReport', () => {
  it('writes a file whole, in folders that it makes, and leaves nothing behind when it cannot', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ckvd-report-'))
    try {
      const file = join(directory, 'a', 'b', 'report.csv')
      await writeReport(file, 'one\n')
      await writeReport(file, 'two\n')
      expect(await readFile(file, 'utf8')).toBe('two\n')
      expect(await readdir(join(directory, 'a', 'b'))).toEqual(['report.csv'])
      await writeFile(join(directory, 'plain'), '')
      await expect(writeReport(join(directory, 'plain', 'report.csv'), 'x')).rejects.toMatchObject({ code: 'CKVD_REPORT_IO' })
      await expect(writeReport(join(directory, 'a'), 'x')).rejects.toMatchObject({
        code: 'CKVD_REPORT_IO',
        message: expect.stringMatching(/Name another place/) as string,
      })
      expect((await readdir(directory)).sort()).toEqual(['a', 'plain'])
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
