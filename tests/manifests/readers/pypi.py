"""Readers from PyPI."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import m3u8
from mpegdash.parser import MPEGDASHParser

from tests.manifests.readers.node import Document, Reading

_URIS = frozenset(
    {"base_url_value", "locations", "media", "initialization", "index", "source_url", "utc_timings"}
)


def read_all(library: str, documents: Mapping[str, Document]) -> dict[str, Reading]:
    """What a library sees in each of the documents."""
    read = _READERS[library]
    return {key: _reading(read, document) for key, document in documents.items()}


def _reading(read: Callable[[Document], Reading], document: Document) -> Reading:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(document)
        except Exception as error:  # noqa: BLE001 - whatever it fails with, it refuses the document
            return Reading(saw=None, error=type(error).__name__)


def _read_m3u8(document: Document) -> Reading:
    found = m3u8.loads(document.data.decode("utf-8-sig"))
    segments = found.segments
    items = [*found.playlists, *found.media, *found.iframe_playlists, *found.image_playlists]
    items += [*segments, *(part for segment in segments for part in segment.parts)]
    items += [*found.segment_map, *filter(None, found.keys), *found.rendition_reports]
    return Reading(
        saw={
            "variants": [
                (p.stream_info.bandwidth, p.stream_info.resolution, p.stream_info.codecs)
                for p in found.playlists
            ],
            "media": [(m.type, m.group_id, m.name, m.language, m.default) for m in found.media],
            "segments": [
                (s.duration, s.title, s.byterange, s.discontinuity, str(s.program_date_time))
                for s in segments
            ],
            "parts": [(p.duration, p.independent, p.byterange) for s in segments for p in s.parts],
            "header": (
                found.is_variant,
                found.target_duration,
                found.media_sequence,
                found.version,
            ),
            "end": (found.is_endlist, found.playlist_type, len(found.session_data)),
        },
        uris=tuple(item.uri for item in items),
    )


def _read_mpegdash(document: Document) -> Reading:
    text = document.data.decode("utf-8-sig")
    if "<MPD" not in text:
        raise ValueError("the library would take this for the address of an MPD")
    return Reading(saw=_plain(MPEGDASHParser.parse(text)))


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not hasattr(node, "__dict__"):
        return node
    return {
        "of": type(node).__name__,
        **{name: _plain(value) for name, value in vars(node).items() if name not in _URIS},
    }


_READERS = {"m3u8": _read_m3u8, "mpegdash": _read_mpegdash}
