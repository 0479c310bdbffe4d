// The control bar: it reads the video element, and acts on it.

import { clock } from "./format.js";
import { bufferEnd } from "./stats.js";

const QUIET_AFTER_MS = 2600;
const LIVE_EDGE_SECONDS = 12;
const LIVE_DELAY_SECONDS = 6;
// The last frame of a track may end a little before the duration; a seek beyond it would wait for data for ever.
const END_MARGIN_SECONDS = 0.1;
const STEP_SECONDS = 5;
const LEAP_SECONDS = 10;
const VOLUME_STEP = 0.1;

const byId = (id) => document.getElementById(id);

/** Binds the bar to `video`; `busy()` says whether the bar must stay, `play` starts playing. */
export class Controls {
  #video;
  #stage = byId("stage");
  #busy;
  #play;
  #quietTimer = 0;
  #dragging = false;

  constructor(video, { busy, play }) {
    this.#video = video;
    this.#busy = busy;
    this.#play = play;
    this.#bindButtons();
    this.#bindSeek();
    this.#bindPointer();
    document.addEventListener("keydown", (event) => this.#onKey(event));
    for (const event of ["timeupdate", "progress", "durationchange", "seeking", "seeked", "loadedmetadata", "emptied"]) {
      video.addEventListener(event, () => this.#paintPosition());
    }
    for (const event of ["play", "playing", "pause", "ended", "emptied"]) {
      video.addEventListener(event, () => this.refresh());
    }
    video.addEventListener("volumechange", () => this.#paintVolume());
    document.addEventListener("fullscreenchange", () => this.#paintFullscreen());
    this.refresh();
    this.#paintVolume();
  }

  /** Follow a change of state. */
  refresh() {
    const { ended, paused } = this.#video;
    setIcon(byId("play"), ended ? "replay" : paused ? "play" : "pause");
    byId("play").setAttribute("aria-label", ended ? "Play again" : paused ? "Play" : "Pause");
    this.#paintPosition();
    this.wake();
  }

  /** Show the bar, and hide it later when nothing keeps it. */
  wake() {
    this.#stage.classList.remove("bare");
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.#rest(), QUIET_AFTER_MS);
  }

  #rest() {
    const focused = byId("bar").querySelector(":focus-visible") !== null;
    const keep = this.#video.paused || this.#dragging || focused || this.#busy() || byId("bar").matches(":hover");
    this.#stage.classList.toggle("bare", !keep);
  }

  #bindButtons() {
    byId("play").addEventListener("click", () => this.#toggle());
    byId("big-play").addEventListener("click", () => this.#play());
    byId("mute").addEventListener("click", () => this.#toggleMute());
    byId("unmute").addEventListener("click", () => this.#toggleMute());
    byId("fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    byId("live").addEventListener("click", () => {
      this.#seekTo(this.#range().end - LIVE_DELAY_SECONDS);
      this.#play();
    });
    byId("volume").addEventListener("input", (event) => this.#setVolume(Number(event.target.value)));
    this.#video.addEventListener("click", () => this.#toggle());
    this.#video.addEventListener("dblclick", () => this.#toggleFullscreen());
  }

  #bindSeek() {
    const seek = byId("seek");
    const box = byId("seek-box");
    const hint = byId("seek-hint");
    const hintAt = (event) => {
      const { left, width } = seek.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
      const { start, end } = this.#range();
      hint.textContent = this.#clock(start + share * (end - start));
      box.style.setProperty("--hint", `${share * 100}%`);
      hint.hidden = end <= start;
    };
    box.addEventListener("pointermove", hintAt);
    box.addEventListener("pointerleave", () => {
      hint.hidden = true;
    });
    seek.addEventListener("pointerdown", () => {
      this.#dragging = true;
    });
    seek.addEventListener("input", () => this.#paintPosition(Number(seek.value)));
    seek.addEventListener("change", () => {
      this.#dragging = false;
      this.#seekTo(Number(seek.value));
    });
    for (const event of ["pointerup", "pointercancel"]) {
      seek.addEventListener(event, () => {
        this.#dragging = false;
      });
    }
  }

  #bindPointer() {
    for (const event of ["pointermove", "pointerdown", "focusin"]) {
      this.#stage.addEventListener(event, () => this.wake());
    }
    this.#stage.addEventListener("pointerleave", () => this.#rest());
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("player").hidden) return;
    const target = event.target;
    if (target.matches("input:not([type=range]), textarea, [role=menuitemradio]")) return;
    // A focused button keeps its space bar, the volume slider its arrows.
    if (event.key === " " && target.matches("button, a")) return;
    if (target.id === "volume" && event.key.startsWith("Arrow")) return;
    const action = this.#actionFor(event.key);
    if (!action) return;
    event.preventDefault();
    action();
    this.wake();
  }

  #actionFor(key) {
    const video = this.#video;
    const { start, end } = this.#range();
    if (/^[0-9]$/.test(key)) return () => this.#seekTo(start + (end - start) * (Number(key) / 10));
    return {
      " ": () => this.#toggle(),
      k: () => this.#toggle(),
      ArrowLeft: () => this.#seekTo(video.currentTime - STEP_SECONDS),
      ArrowRight: () => this.#seekTo(video.currentTime + STEP_SECONDS),
      j: () => this.#seekTo(video.currentTime - LEAP_SECONDS),
      l: () => this.#seekTo(video.currentTime + LEAP_SECONDS),
      ArrowUp: () => this.#setVolume(video.volume + VOLUME_STEP),
      ArrowDown: () => this.#setVolume(video.volume - VOLUME_STEP),
      Home: () => this.#seekTo(start),
      End: () => this.#seekTo(end),
      f: () => this.#toggleFullscreen(),
      m: () => this.#toggleMute(),
    }[key.length === 1 ? key.toLowerCase() : key];
  }

  #toggle() {
    if (this.#video.paused || this.#video.ended) this.#play();
    else this.#video.pause();
  }

  #toggleMute() {
    const video = this.#video;
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 1;
    // The pill disappears under the finger; the keyboard needs a place to go on from.
    if (document.activeElement === byId("unmute")) byId("mute").focus();
  }

  #setVolume(volume) {
    this.#video.volume = Math.min(1, Math.max(0, volume));
    this.#video.muted = this.#video.volume === 0;
  }

  async #toggleFullscreen() {
    const video = this.#video;
    if (document.fullscreenElement) await document.exitFullscreen();
    // An iPhone gives full screen to the video element alone.
    else if (!this.#stage.requestFullscreen) video.webkitEnterFullscreen?.();
    // A browser or a frame that does not allow it leaves the page as it is.
    else await this.#stage.requestFullscreen().catch(() => {});
  }

  #seekTo(seconds) {
    const { start, end } = this.#range();
    if (end > start) this.#video.currentTime = Math.max(start, Math.min(end - END_MARGIN_SECONDS, seconds));
  }

  get #isLive() {
    return this.#video.duration === Infinity;
  }

  /** What can be sought: the whole video, or the window of a live stream. */
  #range() {
    const { duration, seekable } = this.#video;
    if (Number.isFinite(duration)) return { start: 0, end: duration };
    if (seekable.length === 0) return { start: 0, end: 0 };
    return { start: seekable.start(0), end: seekable.end(seekable.length - 1) };
  }

  /** A position; in a live stream how far it is behind the edge. */
  #clock(seconds) {
    const { end } = this.#range();
    return this.#isLive ? `-${clock(end - seconds)}` : clock(seconds);
  }

  #paintPosition(dragged) {
    if (this.#dragging && dragged === undefined) return;
    const { start, end } = this.#range();
    const at = dragged ?? this.#video.currentTime;
    const seek = byId("seek");
    seek.min = start;
    seek.max = end;
    seek.value = at;
    seek.disabled = end <= start;
    const share = (seconds) => (end > start ? `${(100 * (seconds - start)) / (end - start)}%` : "0%");
    byId("seek-box").style.setProperty("--played", share(at));
    byId("seek-box").style.setProperty("--loaded", share(bufferEnd(this.#video) ?? start));
    byId("now").textContent = this.#clock(at);
    byId("total").textContent = clock(end);
    byId("total").hidden = this.#isLive;
    seek.setAttribute("aria-valuetext", this.#isLive ? this.#clock(at) : `${clock(at)} of ${clock(end)}`);
    byId("live").hidden = !this.#isLive;
    byId("live").classList.toggle("at-edge", end - at < LIVE_EDGE_SECONDS);
  }

  #paintVolume() {
    const { muted, volume } = this.#video;
    const level = muted ? 0 : volume;
    setIcon(byId("mute"), level === 0 ? "muted" : "sound");
    byId("mute").setAttribute("aria-label", level === 0 ? "Unmute" : "Mute");
    byId("volume").value = level;
    byId("volume").setAttribute("aria-valuetext", `${Math.round(level * 100)} %`);
    byId("volume").parentElement.style.setProperty("--played", `${level * 100}%`);
    byId("unmute").hidden = !muted;
  }

  #paintFullscreen() {
    const full = document.fullscreenElement !== null;
    setIcon(byId("fullscreen"), full ? "window" : "full");
    byId("fullscreen").setAttribute("aria-label", full ? "Leave full screen" : "Full screen");
  }
}

function setIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#i-${name}`);
}
