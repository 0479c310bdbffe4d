// DASH and HLS with Shaka Player.

import { EngineUnavailable, OpenFailed, bestFirst, loadVendor, trackLabel } from "./engine.js";

const FINAL_STATUSES = [401, 403, 410];

/** Play `url` with Shaka Player. */
export async function open({ video, url, startAt, playback, onChange, onFailure }) {
  const shaka = await loadVendor("shaka-player.min.js", "shaka");
  shaka.polyfill.installAll();
  if (!shaka.Player.isBrowserSupported()) throw new EngineUnavailable("this browser has no Media Source Extensions");
  const player = new shaka.Player();
  const captions = addCaptions(video);
  let chosen = "auto";
  // The last answer that no repetition will change.
  let refused = null;

  for (const event of ["trackschanged", "variantchanged", "adaptation", "textchanged"]) {
    player.addEventListener(event, onChange);
  }
  player.addEventListener("error", ({ detail }) => {
    const isFinal = detail.code === shaka.util.Error.Code.BAD_HTTP_STATUS && FINAL_STATUSES.includes(detail.data[1]);
    if (isFinal) refused = detail;
    // It goes on asking for a live playlist for ever, also after the buffer has run dry.
    const dry = isFinal && player.isBuffering();
    if (dry || detail.severity === shaka.util.Error.Severity.CRITICAL) onFailure(failureOf(detail, shaka));
  });
  player.addEventListener("manifestupdated", () => {
    refused = null;
  });
  player.addEventListener("buffering", ({ buffering }) => {
    if (buffering && refused) onFailure(failureOf(refused, shaka));
  });
  const close = async () => {
    await player.destroy();
    captions.remove();
  };
  try {
    // Its default way to show subtitles loads a data: address, which the page's policy does not allow.
    player.setVideoContainer(captions);
    if (new URL(url, location.href).pathname.endsWith(".m3u8")) {
      // A live playlist without its ad breaks falls behind the clock, and its dates jump: what is listed counts.
      player.configure({ manifest: { availabilityWindowOverride: 3600, hls: { ignoreManifestProgramDateTime: true } } });
    }
    player.configure({ cmcd: { enabled: true, version: 2, sessionId: playback, useHeaders: false } });
    await player.attach(video);
    await player.load(url, startAt || null);
  } catch (error) {
    await close();
    if (!(error instanceof shaka.util.Error)) throw error;
    throw new OpenFailed(failureOf(error, shaka));
  }

  const videoTracks = () =>
    [...player.getVideoTracks()].sort((a, b) => (b.height ?? 0) - (a.height ?? 0) || b.bandwidth - a.bandwidth);
  const tracksOf = (tracks) =>
    tracks.map((track, id) => ({
      id,
      label: trackLabel({ name: track.label, lang: track.originalLanguage || track.language, index: id }),
      lang: track.language,
      active: track.active,
    }));
  return {
    qualities: () =>
      bestFirst(
        videoTracks().map((track, id) => ({
          id,
          width: track.width ?? 0,
          height: track.height ?? 0,
          bitrate: track.bandwidth,
          fps: track.frameRate,
          active: track.active,
        })),
      ),
    quality: () => chosen,
    setQuality: (id) => {
      chosen = id;
      player.configure({ abr: { enabled: id === "auto" } });
      if (id !== "auto") player.selectVideoTrack(videoTracks()[id], true);
    },
    audioTracks: () => tracksOf(player.getAudioTracks()),
    setAudio: (id) => player.selectAudioTrack(player.getAudioTracks()[id]),
    textTracks: () => tracksOf(player.getTextTracks()),
    setText: (id) => player.selectTextTrack(id === null ? null : player.getTextTracks()[id]),
    bandwidth: () => player.getStats().estimatedBandwidth || null,
    close,
  };
}

function addCaptions(video) {
  const captions = document.createElement("div");
  captions.className = "captions";
  video.after(captions);
  return captions;
}

function failureOf(error, shaka) {
  const { Category, Code } = shaka.util.Error;
  const detail = `Shaka ${error.code}`;
  // For these categories the first part of the data is the address that failed.
  if (error.category === Category.NETWORK) return { code: "segment-failed", url: error.data?.[0], detail };
  if (error.category === Category.DRM) return { code: "media-unsupported", detail };
  if (error.category === Category.MANIFEST) {
    const unsupported = [Code.CONTENT_UNSUPPORTED_BY_BROWSER, Code.RESTRICTIONS_CANNOT_BE_MET].includes(error.code);
    return { code: unsupported ? "media-unsupported" : "not-a-manifest", detail };
  }
  return { code: "media-decode", detail };
}
