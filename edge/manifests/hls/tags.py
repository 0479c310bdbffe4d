"""The one table of every HLS tag and attribute that carries a URI, and what the URI points to.

A new tag is one line here. Lines that are no tags are URIs too: :func:`references` gives those as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from edge.manifests.errors import TooManyUris
from edge.manifests.hls.scan import Line, Playlist, attribute_spans, decode
from edge.manifests.places import Kind


@dataclass(frozen=True, slots=True)
class UriAttribute:
    """One attribute that holds a URI; ``when`` narrows it to tags with that other attribute's value.

    Of several for one attribute the first that fits counts.
    """

    attribute: str
    kind: Kind
    when: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class UriValue:
    """A tag whose whole value is a URI; ``absolute``: only if it has a scheme or begins with a slash."""

    kind: Kind
    absolute: bool = False


UriTag = UriValue | tuple[UriAttribute, ...]

URI_TAGS: Mapping[str, UriTag] = {
    # RFC 8216bis section 4.4.4, media segments
    "EXT-X-KEY": (UriAttribute("URI", Kind.KEY),),
    "EXT-X-MAP": (UriAttribute("URI", Kind.INIT),),
    "EXT-X-PART": (UriAttribute("URI", Kind.PART),),
    # section 4.4.5, media metadata, and its appendix D on interstitials
    "EXT-X-DATERANGE": (
        UriAttribute("X-ASSET-URI", Kind.ASSET),
        UriAttribute("X-ASSET-LIST", Kind.ASSET_LIST),
        UriAttribute("X-URI", Kind.ASSET, when=("CLASS", "com.apple.hls.preload")),
    ),
    "EXT-X-PRELOAD-HINT": (
        UriAttribute("URI", Kind.INIT, when=("TYPE", "MAP")),
        UriAttribute("URI", Kind.PART),
    ),
    "EXT-X-RENDITION-REPORT": (UriAttribute("URI", Kind.RENDITION_REPORT),),
    # section 4.4.6, multivariant playlists
    "EXT-X-MEDIA": (UriAttribute("URI", Kind.CHILD_PLAYLIST),),
    "EXT-X-I-FRAME-STREAM-INF": (UriAttribute("URI", Kind.CHILD_PLAYLIST),),
    "EXT-X-SESSION-DATA": (UriAttribute("URI", Kind.SESSION_DATA),),
    "EXT-X-SESSION-KEY": (UriAttribute("URI", Kind.KEY),),
    "EXT-X-CONTENT-STEERING": (UriAttribute("SERVER-URI", Kind.STEERING),),
    # image playlists (Roku, Disney and others)
    "EXT-X-IMAGE-STREAM-INF": (UriAttribute("URI", Kind.CHILD_PLAYLIST),),
    # prefetch of LHLS and of Twitch
    "EXT-X-PREFETCH": UriValue(Kind.SEGMENT),
    "EXT-X-TWITCH-PREFETCH": UriValue(Kind.SEGMENT),
    # Uplynk: a key server's URL, or the key itself in hexadecimal digits
    "UPLYNK-KEY": UriValue(Kind.KEY, absolute=True),
}

# Children of a playlist that are playlists: delivery directives never travel into them.
PLAYLISTS = frozenset({Kind.CHILD_PLAYLIST, Kind.RENDITION_REPORT, Kind.ASSET})

_NAMES = frozenset(
    known.attribute.encode()
    for entry in URI_TAGS.values()
    if not isinstance(entry, UriValue)
    for known in entry
)
_BLANK = 0x20
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")


class Reference(NamedTuple):
    """A URI in a playlist: the bytes ``start`` to ``stop``, without quotes."""

    start: int
    stop: int
    text: str
    kind: Kind
    line: Line
    attribute: str | None


def references(playlist: Playlist) -> Iterator[Reference]:
    """Every URI of a playlist in its order, whatever line or attribute it hides in."""
    data, count, limit = playlist.data, 0, playlist.limits.uris
    kind = line_kind(playlist)
    for line in playlist.lines:
        if line.role == "uri":
            count += 1
            text = decode(data[line.value_start : line.value_stop])
            yield Reference(line.value_start, line.value_stop, text, kind, line, None)
        elif line.tag in URI_TAGS:
            for reference in of_tag(playlist, line):
                count += 1
                yield reference
        if count > limit:
            raise TooManyUris(f"more than {limit} URIs")


def line_kind(playlist: Playlist) -> Kind:
    """What the URI lines of a playlist point to."""
    if playlist.kind == "master":
        return Kind.CHILD_PLAYLIST
    if next(playlist.tags("EXT-X-IMAGES-ONLY"), None) is not None:
        return Kind.IMAGE
    return Kind.SEGMENT


def of_tag(playlist: Playlist, line: Line) -> Iterator[Reference]:
    """The URIs of one tag; a repeated attribute is given as often as it stands there."""
    entry = URI_TAGS[line.tag or ""]
    if isinstance(entry, UriValue):
        text = playlist.value(line)
        start = line.value_start + len(text) - len(text.lstrip(" \t"))
        text = text.strip(" \t")
        if text and (not entry.absolute or _ABSOLUTE.match(text)):
            stop = start + len(text.encode("utf-8", "surrogateescape"))
            yield Reference(start, stop, text, entry.kind, line, None)
        return
    data = playlist.data
    spans = attribute_spans(
        data, line.value_start, line.value_stop, limit=playlist.limits.attributes
    )
    for name, start, stop, _ in spans:
        kind = _kind_of(entry, name, playlist, line) if name in _NAMES else None
        if kind is None:
            continue
        while start < stop and data[start] == _BLANK:
            start += 1
        while start < stop and data[stop - 1] == _BLANK:
            stop -= 1
        if start < stop:
            text = decode(data[start:stop])
            yield Reference(start, stop, text, kind, line, name.decode("ascii"))


def _kind_of(
    entry: tuple[UriAttribute, ...], name: bytes, playlist: Playlist, line: Line
) -> Kind | None:
    for known in entry:
        if known.attribute.encode() != name:
            continue
        if known.when is None:
            return known.kind
        other = playlist.attributes(line).get(known.when[0])
        if other is not None and other.value == known.when[1]:
            return known.kind
    return None
