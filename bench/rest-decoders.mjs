/** Ways of decoding the body of a REST klines request. `JSON.parse` alone checks nothing and leaves decimals as text: the floor. */
export const REST_DECODERS = {
  async decodeRestRows({ bytes, load }) {
    const { decodeRestRows } = await load('src/codec/rest-rows.js')
    return { decode: () => decodeRestRows(bytes), columns: (columns) => Object.values(columns) }
  },
  'JSON.parse': ({ bytes }) => ({ decode: () => JSON.parse(bytes.toString()), columns: toColumns }),
  'JSON.parse + Number': ({ bytes }) => ({ decode: () => toColumns(JSON.parse(bytes.toString())), columns: (columns) => columns }),
}

function toColumns(rows) {
  const columns = Array.from({ length: 11 }, () => new Float64Array(rows.length))
  for (let row = 0; row < rows.length; row++) for (let i = 0; i < columns.length; i++) columns[i][row] = Number(rows[row][i])
  return columns
}
