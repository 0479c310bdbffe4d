"use strict";
const { parse } = require("mpd-parser");

const MOST_SEGMENTS = 400; // are compared one by one; of the others, their number

exports.read = (text, url) => {
  const complaints = [];
  const found = parse(text, {
    manifestUri: url,
    NOW: instant(text),
    eventHandler: ({ type, message }) => complaints.push([type, message]),
  });
  const groups = Object.entries(found.mediaGroups).flatMap(([type, byId]) =>
    Object.entries(byId).flatMap(([id, byName]) =>
      Object.entries(byName).flatMap(([name, media]) =>
        media.playlists.map((playlist) => ({ type, id, name, language: media.language, playlist })),
      ),
    ),
  );
  const playlists = [...found.playlists, ...groups.map((group) => group.playlist)];
  return {
    complaints: complaints.length,
    header: [
      found.duration, found.endList, found.minimumUpdatePeriod, found.timelineStarts,
      found.suggestedPresentationDelay, found.locations?.length, found.contentSteering != null,
    ],
    variants: found.playlists.map((playlist) => attributes(playlist.attributes)),
    groups: groups.map((g) => [g.type, g.id, g.name, g.language, attributes(g.playlist.attributes)]),
    playlists: playlists.map((playlist) => [
      playlist.segments.length, playlist.targetDuration, playlist.mediaSequence, playlist.endList,
      playlist.segments.slice(0, MOST_SEGMENTS).map((segment) => [
        segment.duration, segment.timeline, segment.number, segment.presentationTime,
        segment.byterange, segment.map?.byterange,
      ]),
    ]),
    uris: playlists.flatMap((playlist) =>
      playlist.segments.slice(0, MOST_SEGMENTS).flatMap((segment) => [
        segment.resolvedUri, segment.map?.resolvedUri,
      ]),
    ),
  };
};

// Everything about a playlist but the places where it is.
function attributes({ NAME, ...all }) {
  const { BANDWIDTH, CODECS, RESOLUTION } = all;
  return [NAME, BANDWIDTH, CODECS, RESOLUTION, all["FRAME-RATE"], all["AUDIO"], all["SUBTITLES"]];
}

// A live presentation is looked at soon after its beginning or its publication, so that little has been aired.
function instant(text) {
  const [published, began] = ["publishTime", "availabilityStartTime"].map((name) =>
    Date.parse(new RegExp(`${name}\\s*=\\s*["']([^"']+)`).exec(text)?.[1]),
  );
  const soon = Number.isNaN(began) ? 0 : began + 120_000;
  return published - began < 86_400_000 ? Math.max(published, soon) : soon;
}
