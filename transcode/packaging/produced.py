"""Reads a produced set back from its folder, with readers that share nothing with our writers."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import m3u8
from lxml import etree

from config.contracts.paths import DASH_MANIFEST, MASTER_PLAYLIST
from transcode.errors import BadTrack
from transcode.packaging.boxes import Fragment, Init, read_fragments, read_init

_IDR, _NON_IDR = 5, 1  # nal_unit_type, ISO/IEC 14496-10 table 7-1
_LOOK_BYTES = 64 * 1024


class Unreadable(ValueError):
    """A file of the set is missing or cannot be read; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSegment:
    """One media segment as its bytes are."""

    size_bytes: int
    duration: int  # ticks
    decode_time: int  # ticks
    fragments: tuple[Fragment, ...]
    starts_with_idr: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPlaylist:
    """A media playlist by the m3u8 library, beside what its files really hold."""

    path: str
    listed: Any  # m3u8.M3U8
    init: Init
    segments: tuple[MeasuredSegment, ...]

    @property
    def name(self) -> str:
        """The folder of the track."""
        return str(PurePosixPath(self.path).parent)

    @property
    def seconds(self) -> tuple[Fraction, ...]:
        """The real length of each segment."""
        return tuple(Fraction(s.duration, self.init.timescale) for s in self.segments)

    @property
    def duration(self) -> Fraction:
        """Seconds of all segments."""
        return sum(self.seconds, Fraction(0))

    @property
    def sizes(self) -> list[int]:
        """Bytes of each segment."""
        return [segment.size_bytes for segment in self.segments]


@dataclass(frozen=True, slots=True)
class Produced:
    """The whole set."""

    folder: Path
    master: Any  # m3u8.M3U8
    mpd: etree._Element
    playlists: dict[str, MeasuredPlaylist] = field(default_factory=dict)
    iframes: dict[str, Any] = field(default_factory=dict)

    @property
    def video(self) -> list[MeasuredPlaylist]:
        """The variants' playlists, in the master's order."""
        return [self.playlists[item.uri] for item in self.master.playlists]

    @property
    def audio(self) -> list[MeasuredPlaylist]:
        """The sound playlists."""
        return [self.playlists[item.uri] for item in self.master.media if item.uri]


def read_produced(folder: Path) -> Produced:
    """Read everything that the master and the MPD lead to, or raise ``Unreadable``."""
    try:
        master = m3u8.loads(_inside(folder, MASTER_PLAYLIST).read_text("utf-8"))
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        mpd = etree.fromstring(_inside(folder, DASH_MANIFEST).read_bytes(), parser)
        produced = Produced(folder, master, mpd)
        for uri in [item.uri for item in master.playlists] + [m.uri for m in master.media if m.uri]:
            if uri not in produced.playlists:
                produced.playlists[uri] = _measure(folder, uri)
        for item in master.iframe_playlists:
            text = _inside(folder, item.uri).read_text("utf-8")
            produced.iframes[item.uri] = m3u8.loads(text)
    except (OSError, UnicodeDecodeError, etree.XMLSyntaxError, BadTrack) as error:
        raise Unreadable(str(error)) from error
    return produced


def _measure(folder: Path, uri: str) -> MeasuredPlaylist:
    listed = m3u8.loads(_inside(folder, uri).read_text("utf-8"))
    base = PurePosixPath(uri).parent
    if len(listed.segment_map) != 1:
        raise Unreadable(f"{uri} has {len(listed.segment_map)} initialization segments")
    init = read_init(_inside(folder, str(base / listed.segment_map[0].uri)).read_bytes())
    segments = tuple(
        _measure_segment(_inside(folder, str(base / item.uri)), init) for item in listed.segments
    )
    return MeasuredPlaylist(path=uri, listed=listed, init=init, segments=segments)


def _measure_segment(path: Path, init: Init) -> MeasuredSegment:
    fragments = read_fragments(path, init)
    if not fragments:
        raise Unreadable(f"{path.name} holds no fragment")
    return MeasuredSegment(
        size_bytes=path.stat().st_size,
        duration=sum(fragment.duration for fragment in fragments),
        decode_time=fragments[0].decode_time,
        fragments=fragments,
        starts_with_idr=not init.is_video or _first_slice(path, fragments[0]) == _IDR,
    )


def _first_slice(path: Path, fragment: Fragment) -> int | None:
    """The type of the first coded slice of a fragment: its flags may say what its data is not."""
    with path.open("rb") as file:
        file.seek(fragment.data_offset)
        data = file.read(min(fragment.sizes[0], _LOOK_BYTES))
    offset = 0
    while offset + 5 <= len(data):
        kind = data[offset + 4] & 0x1F
        if _NON_IDR <= kind <= _IDR:
            return kind
        offset += 4 + int.from_bytes(data[offset : offset + 4], "big")
    return None


def _inside(folder: Path, uri: str) -> Path:
    """The file that a relative URI names; one that leaves the folder is refused."""
    path = PurePosixPath(uri)
    if ":" in uri or path.is_absolute() or ".." in path.parts:
        raise Unreadable(f"{uri} is not a relative reference inside the set")
    return folder / path
