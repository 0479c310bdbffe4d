"""What stays when segments are taken out: tags of the playlist, KEYs, the MAP, the BITRATE, chains of byte ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from edge.manifests.hls.blocking import whole_of
from edge.manifests.hls.scan import attribute_spans, decode

# Not of one segment but of the playlist: they stay when segments are skipped.
PLAYLIST_TAGS = frozenset(
    {
        "EXTM3U",
        "EXT-X-VERSION",
        "EXT-X-TARGETDURATION",
        "EXT-X-MEDIA-SEQUENCE",
        "EXT-X-DISCONTINUITY-SEQUENCE",
        "EXT-X-PLAYLIST-TYPE",
        "EXT-X-I-FRAMES-ONLY",
        "EXT-X-IMAGES-ONLY",
        "EXT-X-INDEPENDENT-SEGMENTS",
        "EXT-X-START",
        "EXT-X-DEFINE",
        "EXT-X-PART-INF",
        "EXT-X-SERVER-CONTROL",
        "EXT-X-ALLOW-CACHE",
        "EXT-X-PRELOAD-HINT",
        "EXT-X-RENDITION-REPORT",
        "EXT-X-ENDLIST",
    }
)
CARRIED = ("EXT-X-KEY", "EXT-X-MAP", "EXT-X-BITRATE")
IDENTITY = "identity"
# RFC 8216bis section 4.4.4.4: these encrypt whole files, so also a MAP that stands behind the KEY.
_WHOLE_FILES = frozenset({"AES-128", "AES-256", "AES-256-GCM"})
# Section 5.2: for these the number of a segment is the vector of a KEY that has none.
_NUMBERED = frozenset({"AES-128", "SAMPLE-AES"})
_NO_KEY = b"#EXT-X-KEY:METHOD=NONE"
_REMEMBERED_BYTES = 1024
_MOST_FORMATS = 16  # more than there are; of a playlist with more the oldest is forgotten


class Key(NamedTuple):
    """What must be known of an EXT-X-KEY to carry it."""

    method: str
    format: str
    has_vector: bool

    @property
    def is_numbered(self) -> bool:
        """Whether a segment's media sequence number is its initialization vector."""
        return not self.has_vector and self.format == IDENTITY and self.method in _NUMBERED


class _Said(NamedTuple):
    line: bytes
    key: Key


class _Map(NamedTuple):
    line: bytes
    # The KEY that encrypts it; b'' under one without a vector, which can encrypt none (section 4.4.4.5).
    under: bytes | None


class InForce(NamedTuple):
    """The tags that apply to what follows, as they stand."""

    keys: Mapping[str, _Said] = MappingProxyType({})  # by KEYFORMAT
    map: _Map | None = None
    bitrate: bytes | None = None

    def said(self, name: str, line: bytes, limit: int) -> InForce:
        """The same behind one more of the tags in ``CARRIED``."""
        if name == "EXT-X-MAP":
            return self._replace(map=_Map(line, _under(self.keys)))
        if name == "EXT-X-BITRATE":
            return self._replace(bitrate=line)
        key = key_of(line, limit)
        if key.method == "NONE":
            return self._replace(keys={})
        keys = {**self.keys, key.format: _Said(line, key)}
        if len(keys) > _MOST_FORMATS:
            del keys[next(iter(keys))]
        return self._replace(keys=keys)


NOTHING = InForce()


def key_of(line: bytes, limit: int) -> Key:
    """An EXT-X-KEY's method, its format and whether it has a vector."""
    return _known_key(line, limit) if len(line) <= _REMEMBERED_BYTES else _key(line, limit)


def said_again(before: InForce, behind: InForce) -> tuple[bytes, ...]:
    """The lines that lead from what a player holds to what it has to hold."""
    lines: list[bytes] = []
    keys = before.keys
    if behind.map is not None and behind.map != before.map:
        under = _keys_at(behind.map, behind.keys)
        lines += [*_turned(keys, under), behind.map.line]
        keys = under
    lines += _turned(keys, behind.keys)
    if behind.bitrate is not None and behind.bitrate != before.bitrate:
        lines.append(behind.bitrate)
    return tuple(lines)


def range_end(values: Iterable[str], end: int = 0) -> int:
    """Where the last of these byte ranges ends, each 'length' or 'length@offset' (section 4.4.4.2).

    The first one without an offset continues ``end``; players read it from 0 where nothing precedes it.
    """
    for value in values:
        length, at, offset = value.strip().partition("@")
        end = (whole_of(offset) if at else end) + whole_of(length)
    return end


def _turned(before: Mapping[str, _Said], behind: Mapping[str, _Said]) -> list[bytes]:
    # A KEY can be replaced, or all of them ended; one alone cannot end.
    if before.keys() - behind.keys():
        return [_NO_KEY, *(said.line for said in behind.values())]
    return [said.line for format_, said in behind.items() if before.get(format_) != said]


def _under(keys: Mapping[str, _Said]) -> bytes | None:
    said = keys.get(IDENTITY)
    if said is None or said.key.method not in _WHOLE_FILES:
        return None
    return said.line if said.key.has_vector else b""


def _keys_at(map_: _Map, keys: Mapping[str, _Said]) -> Mapping[str, _Said]:
    """The KEYs that must be in force where a MAP is said again, as near as can be to those that follow."""
    if map_.under == _under(keys):
        return keys
    others = {format_: said for format_, said in keys.items() if format_ != IDENTITY}
    if not map_.under:
        return others
    return {IDENTITY: _Said(map_.under, Key("AES-128", IDENTITY, has_vector=True)), **others}


def _key(line: bytes, limit: int) -> Key:
    values = {
        name: decode(line[start:stop])
        for name, start, stop, _ in attribute_spans(
            line, line.find(b":") + 1, len(line), limit=limit
        )
    }
    return Key(values.get(b"METHOD", ""), values.get(b"KEYFORMAT", IDENTITY), b"IV" in values)


_known_key = lru_cache(maxsize=1024)(_key)
