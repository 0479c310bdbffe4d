"""What the tests of filters share: manifests found in the wild, and readers that are not ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import m3u8
from lxml import etree

from edge.manifests.dash.scan import scan as scan_dash
from edge.manifests.dash.select import apply_dash
from edge.manifests.errors import ManifestError
from edge.manifests.filters.filtered import Filtered
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.hls.scan import scan as scan_hls
from edge.manifests.hls.select import apply_hls
from edge.manifests.limits import DEFAULT
from tests.lacking import lacking

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "corpus"
MASTER_TAG = b"#EXT-X-STREAM-INF"


# PyPI's m3u8 refuses it: one BANDWIDTH is no number.
REFUSED = "Eyevinn__hls-m3u8__master-with-i-frame-stream-inf.m3u8"


def masters() -> list[str]:
    """Every multivariant playlist of the corpus that PyPI's m3u8 reads."""
    files = sorted((FOLDER / "hls").glob("*.m3u8"))
    found = [path.name for path in files if MASTER_TAG in path.read_bytes()]
    return [name for name in found if name != REFUSED] or ["the corpus"]


def mpds() -> list[str]:
    """Every MPD of the corpus that can be read."""
    return [path.name for path in sorted((FOLDER / "dash").glob("*.mpd")) if _is_mpd(path)] or [
        "the corpus"
    ]


def read(name: str) -> bytes:
    """A file by its name, or by the only name that contains it."""
    found = sorted(FOLDER.glob(f"*/*{name}*"))
    if not found:
        lacking(f"no {name} in the corpus of manifests at {FOLDER}: put it beside the project")
    exact = [path for path in found if path.name == name]
    (path,) = exact or found
    return path.read_bytes()


def hls(data: bytes, text: str) -> tuple[bytes, Filtered]:
    """A filtered playlist, and what was done."""
    result = apply_hls(data, scan_hls(data), parse_filter(text))
    return result.output(data), result


def dash(data: bytes, text: str) -> tuple[bytes, Filtered]:
    """A filtered MPD, and what was done."""
    result = apply_dash(data, scan_dash(data, DEFAULT), parse_filter(text))
    return result.output(data), result


@dataclass
class Master:
    """What PyPI's m3u8 sees of a multivariant playlist."""

    variants: list[str]
    groups: dict[tuple[str, str], list[str]]  # (type, group) -> names of its renditions
    references: set[tuple[str, str]]
    iframes: list[str]
    images: list[str]
    playlist: Any = field(repr=False)

    @classmethod
    def of(cls, data: bytes) -> Master:
        playlist = m3u8.loads(data.decode())
        groups: dict[tuple[str, str], list[str]] = {}
        for media in playlist.media:
            groups.setdefault((media.type, media.group_id), []).append(media.name)
        references: set[tuple[str, str]] = set()
        for variant in playlist.playlists:
            info = variant.stream_info
            for kind, name in (
                ("AUDIO", info.audio),
                ("VIDEO", info.video),
                ("SUBTITLES", info.subtitles),
                ("CLOSED-CAPTIONS", info.closed_captions),
            ):
                if name and name != "NONE":
                    references.add((kind, name.strip('"')))
        return cls(
            variants=[variant.uri for variant in playlist.playlists],
            groups=groups,
            references=references,
            iframes=[playlist.uri for playlist in playlist.iframe_playlists],
            images=[playlist.uri for playlist in playlist.image_playlists],
            playlist=playlist,
        )


def tree(data: bytes) -> etree._Element:
    """What lxml makes of an MPD, without its namespaces."""
    parser = etree.XMLParser(resolve_entities=False, recover=True, encoding="utf-8")
    root = etree.fromstring(data, parser)
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2].rpartition(":")[2]
    return root


def representations(data: bytes) -> list[list[list[str]]]:
    """The ids of Representations, by Period and AdaptationSet."""
    return [
        [
            [r.get("id", "") for r in holder.findall("Representation")]
            for holder in period.findall("AdaptationSet")
        ]
        for period in tree(data).findall("Period")
    ]


def _is_mpd(path: Path) -> bool:
    try:
        scan_dash(path.read_bytes(), DEFAULT)
    except ManifestError:
        return False
    return True
