"use strict";
const { Parser } = require("m3u8-parser");

exports.read = (text, url) => {
  const parser = new Parser({ url });
  const complaints = [];
  parser.on("warn", (event) => complaints.push(event.message));
  parser.on("error", (event) => {
    throw new Error(event.message);
  });
  parser.push(text);
  parser.end();
  const found = parser.manifest;
  const variants = found.playlists ?? [];
  const groups = Object.entries(found.mediaGroups ?? {}).flatMap(([type, byId]) =>
    Object.entries(byId).flatMap(([id, byName]) =>
      Object.entries(byName).map(([name, media]) => ({ type, id, name, ...media })),
    ),
  );
  const maps = found.segments.map((s) => s.map).filter(Boolean);
  const keys = found.segments.map((s) => s.key).filter(Boolean);
  const parts = found.segments.flatMap((s) => s.parts ?? []);
  const hints = found.preloadHints ?? [];
  const reports = found.renditionReports ?? [];
  const iframes = found.iFramePlaylists ?? [];
  return {
    complaints: complaints.length,
    variants: variants.map((v) => v.attributes),
    groups: groups.map((g) => [g.type, g.id, g.name, g.language, g.default, g.autoselect]),
    iframes: iframes.map((i) => i.attributes.BANDWIDTH),
    segments: found.segments.map((s) => [
      s.duration, s.title, s.byterange, s.discontinuity, s.timeline, s.dateTimeString,
      s.key?.method, s.map?.byterange, s.parts?.length, s.cueOut, s.cueIn, s.gap,
    ]),
    parts: parts.map((p) => [p.duration, p.independent, p.byterange, p.gap]),
    header: [
      found.version, found.targetDuration, found.mediaSequence, found.endList, found.playlistType,
      found.partTargetDuration, found.serverControl, found.skip, found.dateRanges.length,
      found.discontinuityStarts, found.totalDuration, hints.length, reports.length,
    ],
    uris: [
      ...variants, ...groups, ...iframes, ...found.segments, ...maps, ...keys, ...parts, ...hints,
      ...reports,
    ].map((item) => item.uri),
  };
};
