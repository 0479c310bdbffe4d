// The engines there are, and which of them suit a source.

import * as dash from "./engine-dash.js";
import * as hls from "./engine-hls.js";
import * as native from "./engine-native.js";
import * as shaka from "./engine-shaka.js";

/** In order of preference; `kind` is the manifest it takes from a media that has both. */
export const ENGINES = Object.freeze({
  hls: { kind: "hls", label: "HLS · hls.js", open: hls.open },
  native: { kind: "hls", label: "HLS · browser", open: native.open },
  dash: { kind: "dash", label: "DASH · dash.js", open: dash.open },
  shaka: { kind: "dash", label: "DASH · Shaka", open: shaka.open },
});

/** What `id` would play of `source`: its address and a label, or null. */
export function offer(id, source) {
  const engine = ENGINES[id];
  if (source[engine.kind]) return { id, url: source[engine.kind], label: engine.label };
  // Shaka reads HLS as well, when that is all there is.
  if (id === "shaka" && source.hls) return { id, url: source.hls, label: "HLS · Shaka" };
  return null;
}

/** Every engine that could play `source`, the wanted one first, then those that take the same manifest. */
export function offers(source, wanted) {
  const all = Object.keys(ENGINES).map((id) => offer(id, source)).filter(Boolean);
  const first = all.find(({ id }) => id === wanted) ?? all[0];
  const rank = (one) => (one === first ? 0 : one.url === first.url ? 1 : 2);
  return all.sort((a, b) => rank(a) - rank(b));
}
