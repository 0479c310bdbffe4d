// What the page's fragment, or a pasted address, names: a published media or one manifest.

const HLS_OF_MEDIA = "master.m3u8";
const DASH_OF_MEDIA = "manifest.mpd";
const MAX_LINK_CHARS = 8192;

/** The text cannot be played from this page; `code` is a key of the table in refusals.js. */
export class BadLink extends Error {
  constructor(code) {
    super(code);
    this.name = "BadLink";
    this.code = code;
  }
}

/**
 * The source that `text` names, or null when it is empty.
 *
 * `page` is the page's own location: only addresses of its origin are accepted, so that a link cannot make the page fetch
 * from a stranger.
 */
export function parseLink(text, page) {
  const link = unwrap(text.trim(), page);
  if (link === "") return null;
  const url = toUrl(link, page);
  const path = url.pathname.replace(/\/+$/, "");
  if (path === "") throw new BadLink("bad-link");
  const parts = { fragment: link, token: tokenOf(url), title: titleOf(path) };
  if (path.endsWith(".m3u8")) return { ...parts, hls: url.href, dash: null };
  if (path.endsWith(".mpd")) return { ...parts, hls: null, dash: url.href };
  const inside = (name) => `${url.origin}${path}/${name}${url.search}`;
  return { ...parts, hls: inside(HLS_OF_MEDIA), dash: inside(DASH_OF_MEDIA) };
}

/**
 * The source as the server moved it: `asked` is one of its addresses and `found` where that led, to a token that takes the
 * place of one which is due or opens one session only. Another server's word changes nothing.
 */
export function movedTo(source, asked, found) {
  const [from, to] = [new URL(asked), new URL(found)];
  if (to.href === from.href || to.origin !== from.origin || !to.pathname.startsWith("/t/")) return source;
  const beside = (name) => `${to.href.slice(0, to.href.length - to.search.length).replace(/[^/]*$/, name)}${to.search}`;
  const moved = { ...source, token: tokenOf(to) };
  for (const kind of ["hls", "dash"]) {
    if (source[kind] === asked) moved[kind] = to.href;
    else if (source[kind]) moved[kind] = beside(kind === "hls" ? HLS_OF_MEDIA : DASH_OF_MEDIA);
  }
  return moved;
}

/** Someone may paste the address of this page, or an address without its scheme. */
function unwrap(text, page) {
  if (text.length > MAX_LINK_CHARS) throw new BadLink("bad-link");
  const whole = text.startsWith(`${page.host}/`) ? `${page.protocol}//${text}` : text;
  const player = page.origin + page.pathname;
  const [before, after] = split(whole, "#");
  if (after && (before === player || before.startsWith(`${player}?`))) return after;
  return before;
}

function split(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function toUrl(link, page) {
  let url;
  try {
    url = new URL(link, `${page.origin}/`);
  } catch {
    throw new BadLink("bad-link");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new BadLink("bad-link");
  if (url.origin !== page.origin) throw new BadLink("other-origin");
  // An address with a name and password would be refused by fetch anyway.
  if (url.username || url.password) throw new BadLink("bad-link");
  url.hash = "";
  return url;
}

function tokenOf(url) {
  return /^\/t\/([^/]+)/.exec(url.pathname)?.[1] ?? url.searchParams.get("token");
}

/** The path without its token: what may be shown. */
function titleOf(path) {
  return path.replace(/^\/t\/[^/]+/, "").replace(/^\/+/, "");
}
