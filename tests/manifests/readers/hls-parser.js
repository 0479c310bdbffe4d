"use strict";
const hls = require("hls-parser");

// Strictly where the playlist allows it; many real ones do not, and then both copies must be refused alike.
exports.read = (text) => {
  try {
    return { strict: true, ...parsed(text, true) };
  } catch {
    return { strict: false, ...parsed(text, false) };
  }
};

function parsed(text, strictMode) {
  hls.setOptions({ strictMode, silent: true });
  const playlist = hls.parse(text);
  return playlist.isMasterPlaylist ? master(playlist) : media(playlist);
}

function master(playlist) {
  const renditions = playlist.variants.flatMap((v) => [
    ...v.audio, ...v.video, ...v.subtitles, ...v.closedCaptions,
  ]);
  return {
    kind: "master",
    variants: playlist.variants.map((v) => [
      v.bandwidth, v.averageBandwidth, v.codecs, v.resolution, v.frameRate, v.isIFrameOnly,
      v.audio.length, v.video.length, v.subtitles.length, v.closedCaptions.length,
    ]),
    renditions: renditions.map((r) => [r.type, r.groupId, r.name, r.language, r.isDefault]),
    version: playlist.version,
    uris: [...playlist.variants, ...renditions, ...playlist.sessionDataList].map((v) => v.uri),
  };
}

function media(playlist) {
  const maps = playlist.segments.map((s) => s.map).filter(Boolean);
  const parts = playlist.segments.flatMap((s) => s.parts);
  const keys = playlist.segments.map((s) => s.key).filter(Boolean);
  return {
    kind: "media",
    segments: playlist.segments.map((s) => [
      s.duration, s.title, s.byterange, s.discontinuity, s.programDateTime, s.parts.length,
      s.mediaSequenceNumber, s.key?.method, s.map?.byterange, s.dateRange?.id, s.markers?.length,
    ]),
    parts: parts.map((p) => [p.duration, p.independent, p.byterange, p.gap, p.hint]),
    header: [
      playlist.version, playlist.targetDuration, playlist.mediaSequenceBase, playlist.endlist,
      playlist.playlistType, playlist.isIFrame, playlist.partTargetDuration, playlist.skip,
      playlist.discontinuitySequenceBase, playlist.renditionReports.length,
    ],
    uris: [
      ...playlist.segments, ...parts, ...maps, ...keys, ...playlist.renditionReports,
    ].map((s) => s.uri),
  };
}
