// HLS with hls.js.

import { EngineUnavailable, bestFirst, loadVendor, trackLabel } from "./engine.js";

const MAX_RECOVERIES = 2;
const DENIED = [401, 403];
const FINAL_STATUSES = [...DENIED, 410];
const BACK_BUFFER_SECONDS = 60;

/** Play `url` with hls.js. */
export async function open({ video, url, startAt, playback, onChange, onFailure }) {
  const Hls = await loadVendor("hls.min.js", "Hls");
  if (!Hls.isSupported()) throw new EngineUnavailable("this browser has no Media Source Extensions");
  const hls = new Hls({
    startPosition: startAt || -1,
    backBufferLength: BACK_BUFFER_SECONDS,
    // As the other engines do it: this is how the controls know a live stream.
    liveDurationInfinity: true,
    cmcd: { version: 2, sessionId: playback, useHeaders: false },
  });
  let chosen = "auto";
  let recoveries = 0;
  // By the kind of playlist, the last answer that no repetition will change.
  const refused = new Map();

  for (const event of [
    Hls.Events.MANIFEST_PARSED,
    Hls.Events.LEVELS_UPDATED,
    Hls.Events.LEVEL_SWITCHED,
    Hls.Events.AUDIO_TRACKS_UPDATED,
    Hls.Events.AUDIO_TRACK_SWITCHED,
    Hls.Events.SUBTITLE_TRACKS_UPDATED,
    Hls.Events.SUBTITLE_TRACK_SWITCH,
  ]) {
    hls.on(event, onChange);
  }
  hls.on(Hls.Events.ERROR, (_event, data) => {
    const status = data.response?.code;
    if (FINAL_STATUSES.includes(status)) refused.set(data.frag?.type, data);
    // hls.js goes on asking for many seconds after the buffer has run dry, or where nothing was buffered after a seek.
    const stalled = data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR && refused.size > 0;
    const dry = stalled || (DENIED.includes(status) && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA);
    if (dry) onFailure(failureOf([...refused.values()][0], Hls));
    if (dry || !data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoverable(data, Hls) && recoveries < MAX_RECOVERIES) {
      recoveries += 1;
      hls.recoverMediaError();
      return;
    }
    onFailure(failureOf(data, Hls));
  });
  hls.on(Hls.Events.FRAG_BUFFERED, (_event, { frag }) => refused.delete(frag.type));
  hls.attachMedia(video);
  hls.loadSource(url);

  return {
    qualities: () =>
      bestFirst(
        hls.levels.map((level, id) => ({
          id,
          width: level.width || 0,
          height: level.height || 0,
          bitrate: level.bitrate,
          fps: level.frameRate || null,
          active: id === hls.currentLevel,
        })),
      ),
    quality: () => chosen,
    setQuality: (id) => {
      chosen = id;
      // Who chooses wants to see it: currentLevel replaces what is buffered. Auto goes on with what there is.
      if (id === "auto") hls.loadLevel = -1;
      else hls.currentLevel = id;
    },
    audioTracks: () => tracksOf(hls.audioTracks, hls.audioTrack),
    setAudio: (id) => {
      hls.audioTrack = id;
    },
    textTracks: () => tracksOf(hls.subtitleTracks, hls.subtitleTrack),
    setText: (id) => {
      hls.subtitleTrack = id ?? -1;
      hls.subtitleDisplay = id !== null;
    },
    bandwidth: () => (Number.isFinite(hls.bandwidthEstimate) ? hls.bandwidthEstimate : null),
    close: () => hls.destroy(),
  };
}

function tracksOf(tracks, active) {
  return tracks.map((track, id) => ({
    id,
    label: trackLabel({ name: track.name, lang: track.lang, index: id }),
    lang: track.lang ?? "",
    active: id === active,
  }));
}

function recoverable(data, Hls) {
  return data.details !== Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
}

function failureOf(data, Hls) {
  const url = data.frag?.url ?? data.context?.url ?? data.url;
  if (data.type === Hls.ErrorTypes.NETWORK_ERROR) return { code: "segment-failed", url, detail: data.details };
  const unsupported = [
    Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
    Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR,
    Hls.ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ].includes(data.details);
  return { code: unsupported ? "media-unsupported" : "media-decode", detail: data.details };
}
