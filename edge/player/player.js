// The page: plays what the fragment names and shows how it goes.

import { Choices } from "./choices.js";
import { Controls } from "./controls.js";
import { ENGINES } from "./engines.js";
import { explain } from "./refusals.js";
import { Session } from "./session.js";
import { BadLink, parseLink } from "./source.js";
import { Meter, describeStats } from "./stats.js";
import { Telling } from "./telling.js";

const STATS_EVERY_MS = 1000;

const byId = (id) => document.getElementById(id);
const video = byId("video");

const session = new Session(video, {
  onState: () => showState(),
  onTracks: () => choices.refresh(),
  onNote: (text) => {
    byId("note").textContent = text;
  },
  onOpening: (url, playback) => telling.start(url, playback),
  onClosed: () => telling.stop(),
});
const choices = new Choices(session, { chooseEngine, onToggle: () => controls.wake() });
const controls = new Controls(video, { busy: () => choices.isOpen, play: () => session.play() });
const meter = new Meter(video, () => session.engine);
// What the server thinks that this connection can carry: `{target_height, reason}`, or null.
let advice = null;
const telling = new Telling(video, {
  stats: () => meter.stats(),
  onAdvice: (found) => {
    advice = found;
  },
});

function showState() {
  const { state, error } = session;
  byId("welcome").hidden = state !== "idle";
  byId("player").hidden = state === "idle";
  byId("busy").hidden = state !== "loading";
  byId("big-play").hidden = state !== "paused" || video.played.length > 0;
  byId("stage").classList.toggle("failed", state === "error");
  byId("problem").hidden = state !== "error";
  if (error) showProblem(error);
  controls.refresh();
}

function showProblem(error) {
  const { title, why, next } = explain(error, session.source?.token);
  byId("problem-title").textContent = title;
  byId("problem-why").textContent = why;
  byId("problem-next").textContent = next;
  byId("problem-code").textContent = error.status ? `${error.code} · ${error.status}` : error.code;
  // A link that cannot be read stays so.
  byId("again").hidden = session.source === null;
  if (document.activeElement === document.body) byId("problem").focus({ preventScroll: true });
}

function showStats() {
  if (session.state === "idle") return;
  meter.tick(performance.now());
  choices.refresh();
  const pairs = describeStats({ ...meter.stats(), advice }, session.offer?.label ?? "–").map(([name, value]) => {
    const pair = document.createElement("div");
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    pair.append(term, text);
    return pair;
  });
  byId("stats").replaceChildren(...pairs);
}

function wantedEngine() {
  const wanted = new URLSearchParams(location.search).get("engine");
  return Object.hasOwn(ENGINES, wanted ?? "") ? wanted : null;
}

function chooseEngine(id) {
  const page = new URL(location.href);
  page.searchParams.set("engine", id);
  history.replaceState(null, "", page);
  void session.reopen({ wanted: id });
}

function again() {
  void session.reopen({ wanted: wantedEngine() });
}

async function openFragment() {
  let source;
  try {
    source = parseLink(location.hash.slice(1), location);
  } catch (problem) {
    if (!(problem instanceof BadLink)) throw problem;
    await session.refuse(problem.code);
    return;
  } finally {
    byId("title").textContent = source?.title ?? "";
    document.title = source ? `${source.title} · Kawa` : "Kawa";
  }
  if (source) {
    await session.open(source, { wanted: wantedEngine() });
  } else {
    await session.close();
    byId("address").focus();
  }
}

/** An address goes into the fragment, which no server ever gets to see. */
function openPasted(event) {
  event.preventDefault();
  const field = byId("address");
  try {
    const source = parseLink(field.value, location);
    if (source) location.hash = source.fragment;
    field.value = source ? "" : field.value;
    byId("address-problem").textContent = "";
  } catch (problem) {
    if (!(problem instanceof BadLink)) throw problem;
    const { title, next } = explain({ code: problem.code });
    byId("address-problem").textContent = `${title}. ${next}`;
  }
}

byId("again").addEventListener("click", again);
byId("open-form").addEventListener("submit", openPasted);
addEventListener("online", () => session.error?.code === "offline" && again());
addEventListener("hashchange", () => void openFragment());
setInterval(showStats, STATS_EVERY_MS);

/** For tests and curious people. Indices count in the list beside them. */
window.kawa = Object.freeze({
  get engine() {
    return session.offer?.id ?? null;
  },
  get state() {
    return session.state;
  },
  get error() {
    return session.error && { code: session.error.code, status: session.error.status };
  },
  get qualities() {
    return choices.qualities;
  },
  get quality() {
    return choices.quality;
  },
  get audioTracks() {
    return choices.audioTracks;
  },
  get textTracks() {
    return choices.textTracks;
  },
  setQuality: (index) => choices.setQuality(index === "auto" ? "auto" : choices.qualities[index].id),
  setAudio: (index) => choices.setAudio(choices.audioTracks[index].id),
  setText: (index) => choices.setText(index === null ? null : choices.textTracks[index].id),
  stats: () => ({ engine: session.offer?.id ?? null, ...meter.stats(), advice }),
});

// A browser lets a muted video start by itself.
video.muted = true;
void openFragment();
