"""Proves a produced set against the rules of HLS and DASH before it is published.

Rule names stand for: RFC 8216 (``rfc-…``), Apple's HLS authoring specification (``apple-…``), ISO/IEC 23009-1
with the DASH-IF guidelines (``dash-…``), CMAF, ISO/IEC 23000-19 (``cmaf-…``), and Kawa's own promises
(``kawa-…``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from transcode.errors import RuleBroken
from transcode.packaging.dash import NAMESPACE
from transcode.packaging.produced import MeasuredPlaylist, Produced, Unreadable, read_produced
from transcode.packaging.renditions import average_bitrate, peak_bitrate, target_duration

_TOLERANCE = Fraction(1, 10)  # of bit rates, Apple's figure
_MICROSECOND = Fraction(1, 1_000_000)
_SYNC_SECONDS = Fraction(1, 20)  # how far sound and pictures may end apart
_MPD = {"": NAMESPACE}


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, and where."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def require(folder: Path) -> None:
    """Raise ``RuleBroken`` naming the first broken rule, or return."""
    violations = check(folder)
    if violations:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        raise RuleBroken(f"{violations[0]}{more}")


def check(folder: Path) -> list[Violation]:
    """Every broken rule of the set in ``folder``."""
    try:
        produced = read_produced(folder)
    except Unreadable as error:
        return [Violation("rfc-readable", str(error))]
    return [Violation(name, detail) for name, rule in RULES.items() for detail in rule(produced)]


def _variant_attributes(produced: Produced) -> Iterator[str]:
    for item in produced.master.playlists:
        info = item.stream_info
        for name in ("bandwidth", "average_bandwidth", "codecs", "resolution", "frame_rate"):
            if not getattr(info, name):
                yield f"{item.uri} has no {name.upper().replace('_', '-')}"
        if info.closed_captions != "NONE" or info.video_range != "SDR":
            yield f"{item.uri} needs CLOSED-CAPTIONS=NONE and VIDEO-RANGE=SDR"


def _truthful_variants(produced: Produced) -> Iterator[str]:
    for item, playlist in zip(produced.master.playlists, produced.video, strict=True):
        if tuple(item.stream_info.resolution or ()) != (playlist.init.width, playlist.init.height):
            yield f"{item.uri}: RESOLUTION is not that of the track"
        codecs = set((item.stream_info.codecs or "").split(","))
        if codecs != {playlist.init.codec} | {audio.init.codec for audio in produced.audio}:
            yield f"{item.uri}: CODECS are not those of the tracks"


def _bit_rates(produced: Produced) -> Iterator[str]:
    peak = max((peak_bitrate(a.seconds, a.sizes) for a in produced.audio), default=0)
    average = max((average_bitrate(a.seconds, a.sizes) for a in produced.audio), default=0)
    for item, playlist in zip(produced.master.playlists, produced.video, strict=True):
        measured = peak_bitrate(playlist.seconds, playlist.sizes) + peak
        if not _is_close(item.stream_info.bandwidth, measured):
            yield f"{item.uri}: BANDWIDTH is not the measured peak of {measured}"
        measured = average_bitrate(playlist.seconds, playlist.sizes) + average
        if not _is_close(item.stream_info.average_bandwidth, measured):
            yield f"{item.uri}: AVERAGE-BANDWIDTH is not the measured {measured}"


def _independent_segments(produced: Produced) -> Iterator[str]:
    if not produced.master.is_independent_segments:
        yield "the master does not say EXT-X-INDEPENDENT-SEGMENTS"
    for playlist in produced.video:
        for number, segment in enumerate(playlist.segments, start=1):
            if not segment.starts_with_idr or not segment.fragments[0].starts_with_sync:
                yield f"{playlist.path}: segment {number} does not start with an IDR"


def _vod(produced: Produced) -> Iterator[str]:
    for playlist in produced.playlists.values():
        listed = playlist.listed
        if (listed.playlist_type or "").lower() != "vod" or not listed.is_endlist:
            yield f"{playlist.path} is not VOD with an end"
        if not listed.is_independent_segments or int(listed.version or 0) < 6:
            yield f"{playlist.path} needs EXT-X-INDEPENDENT-SEGMENTS and version 6"


def _durations(produced: Produced) -> Iterator[str]:
    for playlist in produced.playlists.values():
        if playlist.listed.target_duration < target_duration(playlist.seconds):
            yield f"{playlist.path}: a segment is longer than the target duration"
        for item, seconds in zip(playlist.listed.segments, playlist.seconds, strict=True):
            if abs(Fraction(str(item.duration)) - seconds) > _MICROSECOND:
                yield f"{playlist.path}: EXTINF of {item.uri} is not {float(seconds):.6f}"


def _alignment(produced: Produced) -> Iterator[str]:
    first = produced.video[0]
    for playlist in produced.video[1:]:
        if playlist.seconds != first.seconds or playlist.init.timescale != first.init.timescale:
            yield f"{playlist.path} is not cut where {first.path} is"
    for playlist in produced.audio:
        if abs(playlist.duration - first.duration) > _SYNC_SECONDS:
            yield f"{playlist.path} lasts {float(playlist.duration):.3f} s, pictures {float(first.duration):.3f} s"


def _timeline(produced: Produced) -> Iterator[str]:
    for playlist in produced.playlists.values():
        now = 0
        for number, segment in enumerate(playlist.segments, start=1):
            for fragment in segment.fragments:
                if fragment.decode_time != now:
                    yield f"{playlist.path}: segment {number} leaves a gap or overlaps"
                now = fragment.decode_time + fragment.duration
        if playlist.segments[0].fragments[0].first_composition != playlist.init.edit_start:
            yield f"{playlist.path} is not shown from 0 on"


def _cmaf(produced: Produced) -> Iterator[str]:
    for playlist in produced.playlists.values():
        if not playlist.init.brands & {"cmfc", "cmf2"}:
            yield f"{playlist.name} has no CMAF brand"


def _iframes(produced: Produced) -> Iterator[str]:
    names = {str(PurePosixPath(uri).parent) for uri in produced.iframes}
    for playlist in produced.video:
        if playlist.name not in names:
            yield f"{playlist.name} has no I-frame playlist"
    for item in produced.master.iframe_playlists:
        info = item.iframe_stream_info
        if not info.bandwidth or not info.codecs or not info.resolution:
            yield f"{item.uri} needs BANDWIDTH, CODECS and RESOLUTION"
        owner = produced.playlists.get(f"{PurePosixPath(item.uri).parent}/media.m3u8")
        listed = produced.iframes[item.uri]
        if owner is None or not listed.is_i_frames_only:
            yield f"{item.uri} belongs to no variant or lacks EXT-X-I-FRAMES-ONLY"
            continue
        ranges = [(segment.uri, segment.byterange) for segment in listed.segments]
        if ranges != _key_frame_ranges(owner):
            yield f"{item.uri} does not list every key frame with its exact bytes"
        total = sum(Fraction(str(segment.duration)) for segment in listed.segments)
        if abs(total - owner.duration) > len(ranges) * _MICROSECOND:
            yield f"{item.uri} does not last as long as its variant"


def _key_frame_ranges(playlist: MeasuredPlaylist) -> list[tuple[str, str]]:
    return [
        (
            item.uri,
            f"{fragment.data_offset - fragment.offset + fragment.sizes[0]}@{fragment.offset}",
        )
        for item, segment in zip(playlist.listed.segments, playlist.segments, strict=True)
        for fragment in segment.fragments
    ]


def _audio_groups(produced: Produced) -> Iterator[str]:
    media = produced.master.media
    for item in media:
        if not (item.language and item.name and item.channels and item.autoselect):
            yield f"{item.uri} needs LANGUAGE, NAME, CHANNELS and AUTOSELECT"
    if len({(item.group_id, item.name) for item in media}) != len(media):
        yield "two renditions of a group have one NAME"
    if media and [item.default for item in media].count("YES") != 1:
        yield "a group needs exactly one DEFAULT=YES"


def _dash_structure(produced: Produced) -> Iterator[str]:
    mpd = produced.mpd
    if mpd.get("type") != "static" or not mpd.get("profiles") or not mpd.get("minBufferTime"):
        yield "the MPD needs type static, profiles and minBufferTime"
    length = _xs_duration(mpd.get("mediaPresentationDuration", ""))
    if length is None or abs(length - produced.video[0].duration) > _MICROSECOND:
        yield "mediaPresentationDuration is not the length of the pictures"
    ids = [item.get("id") for item in mpd.iterfind(".//Representation", _MPD)]
    if sorted(map(str, ids)) != sorted(playlist.name for playlist in produced.playlists.values()):
        yield "the representations are not the renditions of the HLS master"
    for group in mpd.iterfind(".//AdaptationSet", _MPD):
        if group.get("segmentAlignment") != "true" or group.get("startWithSAP") not in ("1", "2"):
            yield f"adaptation set {group.get('id')} is not aligned or starts with no access point"
        if group.get("contentType") == "audio" and not group.get("lang"):
            yield f"adaptation set {group.get('id')} has no language"


def _dash_timeline(produced: Produced) -> Iterator[str]:
    playlists = {playlist.name: playlist for playlist in produced.playlists.values()}
    for group in produced.mpd.iterfind(".//AdaptationSet", _MPD):
        template = group.find("SegmentTemplate", _MPD)
        for item in group.iterfind("Representation", _MPD):
            name = str(item.get("id"))
            playlist = playlists.get(name)
            if playlist is None or template is None:
                yield f"{name}: no segments"
                continue
            times = [(segment.decode_time, segment.duration) for segment in playlist.segments]
            if int(template.get("timescale", 0)) != playlist.init.timescale:
                yield f"{name}: another timescale than the track's"
            if list(_expand(template)) != times:
                yield f"{name}: the timeline is not that of the segments"
            media = template.get("media", "").replace("$RepresentationID$", name)
            start = int(template.get("startNumber", 1))
            for number in range(len(times)):
                path = media.replace("$Number$", str(start + number))
                if not (produced.folder / path).is_file():
                    yield f"{name}: {path} does not exist"
            if item.get("codecs") != playlist.init.codec:
                yield f"{name}: codecs are not those of the track"
            measured = peak_bitrate(playlist.seconds, playlist.sizes)
            if not _is_close(int(item.get("bandwidth", 0)), measured):
                yield f"{name}: bandwidth is not the measured {measured}"


def _complete(produced: Produced) -> Iterator[str]:
    """Nothing is published that no manifest names."""
    for playlist in produced.playlists.values():
        folder = produced.folder / playlist.name
        found = sum(1 for path in folder.iterdir() if path.suffix == ".m4s")
        if found != len(playlist.segments):
            yield f"{playlist.name} holds {found} segments, its playlist {len(playlist.segments)}"


RULES: dict[str, Callable[[Produced], Iterator[str]]] = {
    "apple-variant-attributes": _variant_attributes,
    "rfc-truthful-variants": _truthful_variants,
    "apple-bit-rates": _bit_rates,
    "apple-independent-segments": _independent_segments,
    "apple-vod": _vod,
    "rfc-durations": _durations,
    "apple-alignment": _alignment,
    "cmaf-timeline": _timeline,
    "cmaf-track": _cmaf,
    "apple-i-frames": _iframes,
    "apple-audio-groups": _audio_groups,
    "dash-structure": _dash_structure,
    "dash-timeline": _dash_timeline,
    "kawa-complete": _complete,
}


def _is_close(declared: int | None, measured: int) -> bool:
    return declared is not None and abs(declared - measured) <= measured * _TOLERANCE


def _expand(template: Any) -> Iterator[tuple[int, int]]:
    now = 0
    for item in template.iterfind("SegmentTimeline/S", _MPD):
        now = int(item.get("t", now))
        for _ in range(int(item.get("r", 0)) + 1):
            yield now, int(item.get("d"))
            now += int(item.get("d"))


def _xs_duration(text: str) -> Fraction | None:
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", text)
    if match is None:
        return None
    hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
