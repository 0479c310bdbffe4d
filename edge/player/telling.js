// Tells the server how a stream plays (CTA-5004-B event mode), that it still does, and when it has ended.

const EVERY_MS = 15000;
const EVENTS = "_kawa_cmcd";
const SESSION = "_kawa_session";
// What the video element's events mean in the words of CMCD: s starting, p playing, k seeking, r rebuffering, a paused, e ended.
const STATES = { loadstart: "s", playing: "p", seeking: "k", waiting: "r", pause: "a", ended: "e" };

/** Follows `video`; `onAdvice` gets `{target_height, reason}` or null. */
export class Telling {
  #video;
  #stats;
  #onAdvice;
  #base = null;
  #state = "";
  #id = "";
  #timer = 0;
  #done = false;

  constructor(video, { stats, onAdvice }) {
    this.#video = video;
    this.#stats = stats;
    this.#onAdvice = onAdvice;
    for (const [event, state] of Object.entries(STATES)) video.addEventListener(event, () => this.#follow(state));
    addEventListener("pagehide", () => this.stop());
  }

  /** Begin to tell of the stream whose manifest is at `url`; `id` is the player's own name for this playback. */
  start(url, id) {
    this.stop();
    const at = new URL(url, location.href);
    if (!at.pathname.startsWith("/t/")) return; // without a token in the path there is no session
    this.#base = new URL(".", at.origin + at.pathname);
    this.#id = id;
    this.#state = "";
    this.#done = false;
    this.#follow("s");
    this.#timer = setInterval(() => void this.#beat(), EVERY_MS);
  }

  /** The stream has ended, or is wanted no more. */
  stop() {
    if (!this.#base) return;
    clearInterval(this.#timer);
    navigator.sendBeacon(new URL(`${SESSION}?stop`, this.#base));
    this.#base = null;
    this.#onAdvice(null);
  }

  #follow(state) {
    // A seek begins with data missing, and a stream that has not begun cannot stall.
    const hidden = state === "r" && (this.#state === "k" || this.#state === "s" || this.#video.seeking);
    if (!this.#base || hidden || state === this.#state || (state === "a" && this.#video.ended)) return;
    this.#state = state;
    void this.#post(`e=ps,sta=${state}`);
  }

  async #beat() {
    const { buffer, bandwidth, bitrate } = this.#stats();
    const figures = [`bl=(${Math.round(buffer * 10) * 100})`];
    if (bitrate) figures.push(`br=(${Math.round(bitrate / 1000)})`);
    if (bandwidth) figures.push(`mtp=(${Math.round(bandwidth / 100000) * 100})`);
    await this.#post(`e=t,sta=${this.#state || "s"},${figures.join(",")}`);
    if (!this.#base) return;
    try {
      const answer = await fetch(new URL(SESSION, this.#base), { cache: "no-store" });
      const found = answer.ok ? await answer.json() : null;
      this.#onAdvice(found?.advice ?? null);
    } catch {
      this.#onAdvice(null); // the stream itself will say that the network is gone
    }
  }

  async #post(text) {
    if (this.#done) return;
    const line = `${text},sid="${this.#id}",ts=${Date.now()},v=2`;
    try {
      const answer = await fetch(new URL(EVENTS, this.#base), {
        method: "POST",
        headers: { "Content-Type": "application/cmcd" },
        body: line,
      });
      // Nobody listens here, or not any more.
      if (answer.status === 410 || answer.status === 404) this.#done = true;
    } catch {
      // One report less; nothing waits for it.
    }
  }
}
