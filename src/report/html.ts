/** A page that is one file: nothing is loaded from anywhere, which its content policy enforces. */
export interface HtmlPage {
  readonly title: string
  readonly style: string
  /** HTML of the body; what is not from us must be escaped */
  readonly body: string
  /** any JSON value; the script reads it from the element `data` */
  readonly data: unknown
  /** JavaScript, run once the body is there */
  readonly script: string
}

/** The text of a page. The same page gives the same bytes. */
export function formatPage(page: HtmlPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(page.title)}</title>
<link rel="icon" href="data:,">
<style>${page.style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
${page.body}
<noscript><p class="note">The tables of this page are drawn by a script inside it; allow scripts to see them. Nothing is loaded from the network.</p></noscript>
<script type="application/json" id="data">${embedJson(page.data)}</script>
<script>${page.script}</script>
</body>
</html>
`
}

/** Text as HTML, in elements and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

/** JSON that cannot end the script element it stands in. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
