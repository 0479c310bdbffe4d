// DASH with dash.js.

import { EngineUnavailable, bestFirst, loadVendor, trackLabel } from "./engine.js";

/** Play `url` with dash.js. */
export async function open({ video, url, startAt, playback, onChange, onFailure }) {
  const dashjs = await loadVendor("dash.mediaplayer.min.js", "dashjs");
  if (!("MediaSource" in globalThis || "ManagedMediaSource" in globalThis)) {
    throw new EngineUnavailable("this browser has no Media Source Extensions");
  }
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({
    // Its log prints addresses, and with them the token.
    debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
    streaming: {
      // Its default asks a public time server on the internet.
      utcSynchronization: { defaultTimingSource: { scheme: "urn:mpeg:dash:utc:http-head:2014", value: url } },
      text: { defaultEnabled: false },
      cmcd: { enabled: true, version: 2, sid: playback, mode: "query" },
      lastBitrateCachingInfo: { enabled: false },
      lastMediaSettingsCachingInfo: { enabled: false },
    },
  });
  const { events } = dashjs.MediaPlayer;
  for (const event of [
    events.STREAM_INITIALIZED,
    events.QUALITY_CHANGE_RENDERED,
    events.TRACK_CHANGE_RENDERED,
    events.TEXT_TRACKS_ADDED,
  ]) {
    player.on(event, onChange);
  }
  player.on(events.ERROR, ({ error }) => {
    if (!HARMLESS.includes(error.code)) onFailure(failureOf(error));
  });
  // It reloads a live manifest once it has seen a play event, and the one of our own play() comes before it listens.
  const tellPlaying = () => {
    player.off(events.STREAM_INITIALIZED, tellPlaying);
    if (!video.paused) video.dispatchEvent(new Event("play"));
  };
  player.on(events.STREAM_INITIALIZED, tellPlaying);
  player.initialize(video, null, false);
  player.attachSource(url, startAt || undefined);

  let chosen = "auto";
  let text = null;
  const ready = () => player.isReady() && player.getActiveStream() !== null;
  const tracks = (type) => (ready() ? player.getTracksFor(type) : []);
  return {
    qualities: () => {
      if (!ready()) return [];
      const current = player.getCurrentRepresentationForType("video")?.id;
      return bestFirst(
        player.getRepresentationsByType("video").map((one) => ({
          id: one.id,
          width: one.width || 0,
          height: one.height || 0,
          bitrate: one.bandwidth,
          fps: one.frameRate || null,
          active: one.id === current,
        })),
      );
    },
    quality: () => chosen,
    setQuality: (id) => {
      chosen = id;
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: id === "auto" } } } });
      if (id !== "auto") player.setRepresentationForTypeById("video", id, true);
    },
    audioTracks: () => {
      const current = ready() ? player.getCurrentTrackFor("audio")?.index : null;
      return tracks("audio").map((track, id) => describe(track, id, track.index === current));
    },
    setAudio: (id) => player.setCurrentTrack(tracks("audio")[id]),
    textTracks: () => tracks("text").map((track, id) => describe(track, id, id === text)),
    setText: (id) => {
      text = id;
      player.setTextTrack(id ?? -1);
      onChange();
    },
    bandwidth: () => (ready() && player.getAverageThroughput("video") * 1000) || null,
    close: () => player.destroy(),
  };
}

function describe(track, id, active) {
  const name = track.labels?.[0]?.text;
  return { id, label: trackLabel({ name, lang: track.lang, index: id }), lang: track.lang ?? "", active };
}

// dash.js reports by number (its Errors class); 1 to 5 are those of the video element.
const CODES = {
  "segment-failed": [2, 11, 15, 17, 18, 19, 25, 26, 27, 28],
  "not-a-manifest": [10, 31],
  // No MediaSource for it, no stream in it that can be decoded, or keys that this page has no way to get.
  "media-unsupported": [4, 5, 23, 24, 32, 34, 35, 100, 101, 102, 103, 104, 105, 106, 110, 111, 112, 113, 114],
};
// A clock, an xlink or a subtitle that failed, and a full buffer, do not stop the picture.
const HARMLESS = [12, 16, 22, 29, 33];

function failureOf(error) {
  const code = Object.keys(CODES).find((name) => CODES[name].includes(error.code)) ?? "media-decode";
  return { code, url: error.data?.request?.url ?? error.data?.url, detail: `dash.js ${error.code}` };
}
