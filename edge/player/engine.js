// What the four engines have in common. Each engine module exports `open(options)`:
//
//   options  {video, url, startAt, onChange, onFailure}
//     onChange()          qualities, tracks or the current choice have changed
//     onFailure(failure)  playing cannot go on; {code, url?, detail?}: code is a key of refusals.js, url the address that failed
//   result   {qualities(), quality(), setQuality(id), audioTracks(), setAudio(id), textTracks(), setText(id), bandwidth(), close()}
//     qualities()   [{id, width, height, bitrate, fps, active}], best first
//     quality()     the id the viewer chose, or "auto"
//     audioTracks() and textTracks()  [{id, label, lang, active}]
//     bandwidth()   bits per second, or null

const SCRIPT_TIMEOUT_MS = 20_000;
const loading = new Map();

/** This engine cannot be used here; the next one may. */
export class EngineUnavailable extends Error {
  constructor(reason) {
    super(reason);
    this.name = "EngineUnavailable";
    this.reason = reason;
  }
}

/** The stream cannot be opened, by this engine or another; `failure` is what onFailure takes. */
export class OpenFailed extends Error {
  constructor(failure) {
    super(failure.code);
    this.name = "OpenFailed";
    this.failure = failure;
  }
}

/** The global `name` that vendor/`file` defines, loaded once and only when it is wanted. */
export function loadVendor(file, name) {
  if (!loading.has(file)) {
    const attempt = addScript(file, name);
    loading.set(file, attempt);
    // A failed attempt is forgotten, so that a library that was installed meanwhile is found.
    attempt.catch(() => loading.delete(file));
  }
  return loading.get(file);
}

function addScript(file, name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const give = (settle, value) => {
      clearTimeout(timer);
      script.remove();
      settle(value);
    };
    const refuse = () => give(reject, new EngineUnavailable("its library is not installed on this server"));
    const timer = setTimeout(refuse, SCRIPT_TIMEOUT_MS);
    script.onerror = refuse;
    script.onload = () => (globalThis[name] ? give(resolve, globalThis[name]) : refuse());
    script.src = new URL(`./vendor/${file}`, import.meta.url).href;
    document.head.append(script);
  });
}

/** Best first: by height, then by bit rate. */
export function bestFirst(qualities) {
  return qualities.sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
}

/** The name of a language in the viewer's own language, or the tag itself. */
export function languageName(tag) {
  if (!tag || tag === "und") return "";
  try {
    return new Intl.DisplayNames([navigator.language, "en"], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** What to call a track: its own name, its language, or its number. */
export function trackLabel({ name, lang, index }) {
  return name || languageName(lang) || `Track ${index + 1}`;
}
