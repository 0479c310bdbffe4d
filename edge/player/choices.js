// The four menus of the bar: quality, audio, subtitles and engine.

import { ENGINES, offer } from "./engines.js";
import { qualityName, rate } from "./format.js";
import { Menus } from "./menu.js";

const byId = (id) => document.getElementById(id);

/** What can be chosen of `session`; `chooseEngine` takes the id of another engine. */
export class Choices {
  #session;
  #menus;
  #quality;
  #audio;
  #text;
  #engine;

  constructor(session, { chooseEngine, onToggle }) {
    this.#session = session;
    this.#menus = new Menus({ onToggle });
    const add = (id, choices, choose) => this.#menus.add(byId(id), { choices, choose });
    this.#quality = add("quality-menu", () => this.#qualityChoices(), (id) => this.setQuality(id));
    this.#audio = add("audio-menu", () => this.audioTracks.map(trackChoice), (id) => this.setAudio(id));
    this.#text = add("text-menu", () => this.#textChoices(), (id) => this.setText(id));
    this.#engine = add("engine-menu", () => this.#engineChoices(), chooseEngine);
  }

  get isOpen() {
    return this.#menus.isOpen;
  }

  get qualities() {
    return this.#session.engine?.qualities() ?? [];
  }

  /** The id of the chosen quality, or "auto". */
  get quality() {
    return this.#session.engine?.quality() ?? "auto";
  }

  get audioTracks() {
    return this.#session.engine?.audioTracks() ?? [];
  }

  get textTracks() {
    return this.#session.engine?.textTracks() ?? [];
  }

  setQuality(id) {
    this.#session.engine?.setQuality(id);
    this.refresh();
  }

  setAudio(id) {
    this.#session.engine?.setAudio(id);
    this.refresh();
  }

  /** `null` for none. */
  setText(id) {
    this.#session.engine?.setText(id);
    this.refresh();
  }

  /** Follow what the engine says. */
  refresh() {
    const { qualities, quality, audioTracks, textTracks } = this;
    const shown = qualities.find((one) => (quality === "auto" ? one.active : one.id === quality));
    const name = shown ? qualityName(shown) : "";
    this.#quality.update({ visible: qualities.length > 0, label: quality === "auto" ? `Auto ${name}`.trim() : name });
    this.#audio.update({ visible: audioTracks.length > 1, label: activeOf(audioTracks)?.label ?? "" });
    this.#text.update({ visible: textTracks.length > 0, label: activeOf(textTracks)?.label ?? "Off" });
    this.#engine.update({ visible: true, label: this.#session.offer?.label ?? "" });
  }

  #qualityChoices() {
    const { quality } = this;
    const each = this.qualities.map((one) => ({
      value: one.id,
      label: qualityName(one),
      detail: rate(one.bitrate),
      checked: one.id === quality,
    }));
    return [{ value: "auto", label: "Auto", checked: quality === "auto" }, ...each];
  }

  #textChoices() {
    const tracks = this.textTracks;
    return [{ value: null, label: "Off", checked: !activeOf(tracks) }, ...tracks.map(trackChoice)];
  }

  #engineChoices() {
    const { source, offer: current } = this.#session;
    if (!source) return [];
    return Object.keys(ENGINES)
      .map((id) => offer(id, source))
      .filter(Boolean)
      .map(({ id, label }) => ({ value: id, label, checked: id === current?.id }));
  }
}

const activeOf = (tracks) => tracks.find((one) => one.active);

function trackChoice({ id, label, active }) {
  return { value: id, label, checked: active };
}
