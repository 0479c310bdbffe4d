"""Marked places: where the URIs of a finished manifest stand and what they point to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote


class Kind(StrEnum):
    """What a URI points to, which decides how the edge answers it."""

    CHILD_PLAYLIST = "child-playlist"
    RENDITION_REPORT = "rendition-report"
    SEGMENT = "segment"
    PART = "part"
    INIT = "init"
    KEY = "key"
    LICENSE = "license"
    IMAGE = "image"
    STEERING = "steering"
    SESSION_DATA = "session-data"
    ASSET = "asset"
    ASSET_LIST = "asset-list"
    MPD = "mpd"
    MPD_LOCATION = "mpd-location"
    PATCH = "patch"
    BASE = "base"
    INDEX = "index"
    BITSTREAM_SWITCHING = "bitstream-switching"
    XLINK = "xlink"
    UTC_TIMING = "utc-timing"
    EVENT = "event"


# Never requested as they stand: only what is resolved against them is.
UNFETCHED = frozenset({Kind.BASE})


@dataclass(frozen=True, slots=True)
class Place:
    """The bytes ``start`` to ``stop`` of the output are a URI that a player asks this edge for."""

    start: int
    stop: int
    kind: Kind


def with_query_token(
    output: bytes, places: Iterable[Place], token: str, *, xml: bool, name: str = "token"
) -> bytes:
    """``output`` with ``name=token`` in the query of every fetched URI, before its fragment.

    For players that cannot use the path form; nothing else changes.
    """
    parameter = f"{name}={quote(token, safe='-._~')}".encode()
    joiner = b"&amp;" if xml else b"&"
    pieces: list[bytes] = []
    position = 0
    for place in sorted(places, key=lambda place: place.start):
        if place.kind in UNFETCHED:
            continue
        mark, question = _query_end(output, place)
        lead = joiner if question else b"?"
        pieces += (output[position:mark], lead, parameter)
        position = mark
    pieces.append(output[position:])
    return b"".join(pieces)


def _query_end(output: bytes, place: Place) -> tuple[int, bool]:
    """Where the query of the URI ends, or would, and whether there is one (RFC 3986 section 3)."""
    fragment = output.find(b"#", place.start, place.stop)
    mark = place.stop if fragment < 0 else fragment
    return mark, output.find(b"?", place.start, mark) >= 0
