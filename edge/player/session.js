// One stream at a time: which engine plays it, in which state it is, and why it stopped.

import { EngineUnavailable, OpenFailed } from "./engine.js";
import { ENGINES, offer, offers } from "./engines.js";
import { probeManifest, probePart } from "./probe.js";
import { movedTo } from "./source.js";

const VIDEO_EVENTS = ["waiting", "stalled", "playing", "pause", "ended", "seeking", "seeked", "canplay"];

/**
 * Plays sources in `video`; `onState` follows state and error, `onTracks` qualities and tracks, `onNote` remarks, `onOpening`
 * gets a manifest's address and a name for this playback, `onClosed` comes when it has ended.
 */
export class Session {
  source = null;
  state = "idle";
  /** `{code, status, message}` in the state "error". */
  error = null;
  #video;
  #offer = null;
  #engine = null;
  #report;
  #resumeAt = 0;
  // Whatever was begun for an earlier turn has nothing to say any more.
  #turn = 0;

  constructor(video, report) {
    this.#video = video;
    this.#report = report;
    for (const event of VIDEO_EVENTS) video.addEventListener(event, () => this.#follow());
  }

  /** What is or was being tried: `{id, url, label}`, or null. */
  get offer() {
    return this.#offer;
  }

  /** The open engine, or null. */
  get engine() {
    return this.#engine;
  }

  /** Play `source`, preferably with the engine `wanted`. */
  async open(source, { wanted, startAt = 0 } = {}) {
    const turn = await this.#begin(source);
    if (turn !== this.#turn) return;
    this.#resumeAt = startAt;
    this.#set("loading");
    this.#report.onNote("");
    let remark = "";
    for (const { id } of offers(source, wanted)) {
      // The server may have moved it since.
      const one = offer(id, this.source);
      this.#offer = one;
      try {
        const engine = await this.#openEngine(one, turn);
        // It may have failed, or be wanted no more, before it was ready.
        if (turn !== this.#turn || this.state === "error") {
          await engine.close();
          return;
        }
        this.#engine = engine;
        if (remark) this.#report.onNote(`${remark} Playing with ${one.label} instead.`);
        this.#report.onTracks();
        await this.play();
        return;
      } catch (problem) {
        if (turn !== this.#turn) return;
        if (problem instanceof OpenFailed) {
          await this.#diagnose(problem.failure, turn);
          return;
        }
        if (!(problem instanceof EngineUnavailable)) throw problem;
        remark ||= `${one.label} cannot be used: ${problem.reason}.`;
      }
    }
    await this.#fail({ code: "engine-missing", status: 0, message: "" });
  }

  /** The same source again, from where it was; another engine when one is named. */
  async reopen({ wanted }) {
    const startAt = this.state === "error" ? this.#resumeAt : this.#video.currentTime;
    await this.open(this.source, { wanted, startAt });
  }

  /** Stop, and show nothing. */
  async close() {
    const turn = await this.#begin(null);
    if (turn === this.#turn) this.#set("idle");
  }

  /** Refuse before anything was asked for. */
  async refuse(code) {
    const turn = await this.#begin(null);
    if (turn === this.#turn) await this.#fail({ code, status: 0, message: "" });
  }

  async play() {
    if (!this.#engine) return;
    try {
      await this.#video.play();
    } catch (refusal) {
      // Loading something else ends an earlier play(); that is no refusal.
      if (refusal.name === "NotAllowedError" && this.#engine) this.#set("paused");
    }
  }

  async #begin(source) {
    this.#turn += 1;
    const turn = this.#turn;
    this.source = source;
    this.#offer = null;
    await this.#closeEngine();
    return turn;
  }

  async #closeEngine() {
    const engine = this.#engine;
    this.#engine = null;
    this.#report.onClosed();
    await engine?.close();
  }

  /** The engine, once the server has said that it would serve the manifest. */
  async #openEngine({ id, url }, turn) {
    const probe = await probeManifest(url);
    if (probe.error) throw new OpenFailed(probe.error);
    if (turn === this.#turn) {
      this.source = movedTo(this.source, url, probe.url);
      this.#offer = offer(id, this.source);
    }
    const playback = randomName();
    if (turn === this.#turn) this.#report.onOpening(probe.url, playback);
    return await ENGINES[id].open({
      playback,
      video: this.#video,
      url: probe.url,
      startAt: this.#resumeAt,
      onChange: () => turn === this.#turn && this.#report.onTracks(),
      onFailure: (failure) => turn === this.#turn && void this.#diagnose(failure, turn),
    });
  }

  /** An engine only knows that it failed: ask the server why. What the probe itself found has a status already. */
  async #diagnose(failure, turn) {
    const found = "status" in failure ? failure : await this.#askAgain(failure);
    if (turn === this.#turn && this.state !== "error") {
      await this.#fail(found ?? { code: failure.code, status: 0, message: "" });
    }
  }

  async #askAgain({ code, url }) {
    const manifest = await probeManifest(this.#offer.url, { cache: "no-store" });
    if (manifest.error) return manifest.error;
    if (code !== "segment-failed" || !url || url === manifest.url) return null;
    return (await probePart(url)).error ?? null;
  }

  async #fail(error) {
    if (this.#engine) this.#resumeAt = this.#video.currentTime;
    this.error = error;
    this.#set("error");
    await this.#closeEngine();
    this.#report.onTracks();
  }

  #follow() {
    if (!this.#engine || this.state === "error") return;
    const { ended, paused, readyState } = this.#video;
    if (ended) this.#set("ended");
    else if (paused) this.#set("paused");
    else this.#set(readyState >= HTMLMediaElement.HAVE_FUTURE_DATA ? "playing" : "loading");
  }

  #set(state) {
    this.state = state;
    if (state !== "error") this.error = null;
    this.#report.onState();
  }
}

/** crypto.randomUUID is for secure pages only. */
function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
