import { get as httpGet, request as httpRequest } from 'node:http'
import { crc32 } from 'node:zlib'
import { XMLParser } from 'fast-xml-parser'
import yauzl from 'yauzl'

/** An answer as it came over the wire: nothing decompressed, nothing followed. */
export interface WireAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** false when the connection ended before the body was whole */
  complete: boolean
}

export function fetchWire(url: string, method: 'GET' | 'HEAD' = 'GET', signal?: AbortSignal): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    let answered = false
    const request = (method === 'GET' ? httpGet : httpRequest)(url, { method, agent: false, ...(signal ? { signal } : {}) }, (response) => {
      answered = true
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => undefined)
      response.on('close', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), complete: response.complete }),
      )
    })
    // of a connection that breaks after that Node 24 tells the request as well; the response closes, incomplete
    request.on('error', (error) => {
      if (!answered) reject(error)
    })
    request.end()
  })
}

export interface ListingPage {
  truncated: boolean
  nextMarker: string | undefined
  contents: { Key: string; LastModified: string; ETag: string; Size: string }[]
  folders: string[]
}

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Contents' || name === 'CommonPrefixes' })

export async function fetchPage(listingUrl: string, params: Record<string, string>): Promise<ListingPage> {
  const answer = await fetchWire(`${listingUrl}?${new URLSearchParams(params).toString()}`)
  if (answer.status !== 200) throw new Error(`listing answered ${answer.status}: ${answer.body.toString()}`)
  const root = (parser.parse(answer.body) as { ListBucketResult: Record<string, unknown> }).ListBucketResult
  return {
    truncated: root['IsTruncated'] === 'true',
    nextMarker: root['NextMarker'] as string | undefined,
    contents: (root['Contents'] ?? []) as ListingPage['contents'],
    folders: ((root['CommonPrefixes'] ?? []) as { Prefix: string }[]).map(({ Prefix }) => Prefix),
  }
}

/** All keys below a prefix, page by page with a delimiter. */
export async function fetchAllKeys(listingUrl: string, prefix: string): Promise<string[]> {
  const keys: string[] = []
  let marker = ''
  for (;;) {
    const page = await fetchPage(listingUrl, { delimiter: '/', prefix, marker })
    keys.push(...page.contents.map(({ Key }) => Key))
    if (!page.truncated) return keys
    marker = page.nextMarker!
  }
}

/** The only entry of a ZIP, read by yauzl and checked against its CRC-32. */
export function unzip(zip: Buffer): Promise<{ name: string; text: string }> {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(zip, { lazyEntries: true }, (error, file) => {
      if (error !== null) return reject(error)
      if (file.entryCount !== 1) return reject(new Error(`${file.entryCount} entries`))
      file.on('error', reject)
      file.on('entry', (entry: yauzl.Entry) => {
        file.openReadStream(entry, (failure, stream) => {
          if (failure !== null) return reject(failure)
          const chunks: Buffer[] = []
          stream.on('data', (chunk: Buffer) => chunks.push(chunk))
          stream.on('error', reject)
          stream.on('end', () => {
            const data = Buffer.concat(chunks)
            if (crc32(data) !== entry.crc32) return reject(new Error('CRC-32 is wrong'))
            resolve({ name: entry.fileName, text: data.toString() })
          })
        })
      })
      file.readEntry()
    })
  })
}

/** A row as exact integers: decimals are scaled by 10^8. */
export interface ExactRow {
  open: bigint
  close: bigint
  prices: [bigint, bigint, bigint, bigint]
  /** volume, quote volume, count, taker volume, taker quote volume */
  sums: [bigint, bigint, bigint, bigint, bigint]
}

function scaled(text: string): bigint {
  if (!/^\d+(\.\d{1,8})?$/.test(text)) throw new Error(`not a plain decimal: ${text}`)
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole) * 100_000_000n + BigInt(fraction.padEnd(8, '0'))
}

export function exactRow(cells: readonly (string | number)[]): ExactRow {
  const [open, o, h, l, c, volume, close, quote, count, taker, takerQuote] = cells.map(String)
  return {
    open: BigInt(open!),
    close: BigInt(close!),
    prices: [scaled(o!), scaled(h!), scaled(l!), scaled(c!)],
    sums: [scaled(volume!), scaled(quote!), BigInt(count!), scaled(taker!), scaled(takerQuote!)],
  }
}

export function parseCsv(text: string): ExactRow[] {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('no final line feed')
  if (lines[0]?.startsWith('open_time') === true) lines.shift()
  return lines.map((line) => {
    const cells = line.split(',')
    if (cells.length !== 12 || cells[11] !== '0') throw new Error(`not 12 columns: ${line}`)
    return exactRow(cells)
  })
}

export async function fetchRows(visionUrl: string, key: string): Promise<ExactRow[]> {
  const answer = await fetchWire(`${visionUrl}/${encodeURI(key)}`)
  if (answer.status !== 200) throw new Error(`${key}: ${answer.status}`)
  return parseCsv((await unzip(answer.body)).text)
}

export async function fetchKlines(url: string): Promise<ExactRow[]> {
  const answer = await fetchWire(url)
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.body.toString()}`)
  return (JSON.parse(answer.body.toString()) as (string | number)[][]).map(exactRow)
}

/** The bar that shorter bars make. */
export function mergeRows(rows: readonly ExactRow[]): Pick<ExactRow, 'prices' | 'sums'> {
  const highest = rows.reduce((high, row) => (row.prices[1] > high ? row.prices[1] : high), 0n)
  const lowest = rows.reduce((low, row) => (row.prices[2] < low ? row.prices[2] : low), rows[0]!.prices[2])
  const sums = rows[0]!.sums.map((_, column) => rows.reduce((sum, row) => sum + row.sums[column]!, 0n)) as ExactRow['sums']
  return { prices: [rows[0]!.prices[0], highest, lowest, rows.at(-1)!.prices[3]], sums }
}

export const at = (iso: string): number => Date.parse(iso)
