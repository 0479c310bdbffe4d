// What is being played, measured.

import { rate } from "./format.js";

/** Measures a video element; `engine()` is the engine in use or null. */
export class Meter {
  #video;
  #engine;
  #frames = { count: 0, at: 0, fps: null };

  constructor(video, engine) {
    this.#video = video;
    this.#engine = engine;
  }

  /** Frames per second since the last call, which should come about once a second. */
  tick(now) {
    const count = this.#quality().totalVideoFrames;
    const { count: before, at } = this.#frames;
    const seconds = (now - at) / 1000;
    const usable = at > 0 && count >= before && seconds > 0.2 && !this.#video.paused;
    this.#frames = { count, at: now, fps: usable ? (count - before) / seconds : null };
  }

  /** One snapshot. */
  stats() {
    const video = this.#video;
    const engine = this.#engine();
    const active = engine?.qualities().find((one) => one.active) ?? null;
    const { totalVideoFrames: decoded, droppedVideoFrames: dropped } = this.#quality();
    return {
      width: video.videoWidth,
      height: video.videoHeight,
      fps: this.#frames.fps,
      bitrate: active?.bitrate ?? null,
      bandwidth: engine?.bandwidth() ?? null,
      buffer: bufferAhead(video),
      decoded,
      dropped,
      time: video.currentTime,
      duration: video.duration,
    };
  }

  #quality() {
    return this.#video.getVideoPlaybackQuality?.() ?? { totalVideoFrames: 0, droppedVideoFrames: 0 };
  }
}

/** Seconds that can be played without another byte. */
export function bufferAhead(video) {
  const end = bufferEnd(video);
  return end === null ? 0 : Math.max(0, end - video.currentTime);
}

/** Where the buffered range around the playhead ends, or null. */
export function bufferEnd(video) {
  // Players accept gaps of a few frames.
  const slack = 0.1;
  for (let i = 0; i < video.buffered.length; i += 1) {
    const inside = video.buffered.start(i) - slack <= video.currentTime && video.currentTime <= video.buffered.end(i) + slack;
    if (inside) return video.buffered.end(i);
  }
  return null;
}

/** The snapshot as pairs of a name and a text, in the order in which they are shown. */
export function describeStats(stats, engineName) {
  return [
    ["engine", engineName],
    ["picture", stats.width ? `${stats.width}×${stats.height}` : "–"],
    ["frames", stats.fps === null ? "–" : `${stats.fps.toFixed(stats.fps < 10 ? 1 : 0)} fps`],
    ["bit rate", rate(stats.bitrate)],
    ["bandwidth", rate(stats.bandwidth)],
    ["buffer", `${stats.buffer.toFixed(1)} s`],
    ["advice", stats.advice ? `${stats.advice.target_height}p, ${stats.advice.reason}` : "–"],
    ["dropped", `${stats.dropped} of ${stats.decoded}`],
  ];
}
