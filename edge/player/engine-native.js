// HLS with what the browser has built in.

import { EngineUnavailable, trackLabel } from "./engine.js";

const HLS_TYPES = ["application/vnd.apple.mpegurl", "application/x-mpegurl"];

/** Play `url` as the video element's own source. */
export async function open({ video, url, startAt, onChange, onFailure }) {
  if (!HLS_TYPES.some((type) => video.canPlayType(type))) {
    throw new EngineUnavailable("this browser has no HLS of its own");
  }
  const listening = new AbortController();
  const on = (target, event, listener) => target?.addEventListener(event, listener, { signal: listening.signal });
  on(video, "error", () => onFailure({ code: codeOf(video.error), url, detail: video.error?.message }));
  on(video, "loadedmetadata", () => {
    if (startAt) video.currentTime = startAt;
    onChange();
  });
  on(video, "resize", onChange);
  for (const list of [video.audioTracks, video.textTracks]) {
    for (const event of ["addtrack", "removetrack", "change"]) on(list, event, onChange);
  }
  video.src = url;

  return {
    // The browser chooses by itself and does not say among what.
    qualities: () => [],
    quality: () => "auto",
    setQuality: () => {},
    audioTracks: () => tracksOf(video.audioTracks, (track) => track.enabled),
    setAudio: (id) => {
      [...(video.audioTracks ?? [])].forEach((track, index) => {
        track.enabled = index === id;
      });
    },
    textTracks: () => tracksOf(captions(video), (track) => track.mode === "showing"),
    setText: (id) => {
      captions(video).forEach((track, index) => {
        track.mode = index === id ? "showing" : "disabled";
      });
    },
    bandwidth: () => null,
    close: () => {
      listening.abort();
      video.removeAttribute("src");
      video.load();
    },
  };
}

function captions(video) {
  return [...video.textTracks].filter((track) => track.kind === "subtitles" || track.kind === "captions");
}

function tracksOf(list, isActive) {
  return [...(list ?? [])].map((track, id) => ({
    id,
    label: trackLabel({ name: track.label, lang: track.language, index: id }),
    lang: track.language ?? "",
    active: isActive(track),
  }));
}

function codeOf(error) {
  if (error?.code === MediaError.MEDIA_ERR_NETWORK) return "segment-failed";
  if (error?.code === MediaError.MEDIA_ERR_DECODE) return "media-decode";
  return "media-unsupported";
}
