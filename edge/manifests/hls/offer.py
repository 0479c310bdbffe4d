"""What a multivariant playlist offers, as renditions that a filter can judge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from edge.manifests.context import Context
from edge.manifests.errors import ManifestError
from edge.manifests.filters import codecs, language
from edge.manifests.filters.view import Range, Rendition, Type
from edge.manifests.hls import define
from edge.manifests.hls.scan import Attribute, Line, Playlist
from edge.manifests.uris import OriginMap

STREAM, IFRAME, IMAGE, MEDIA = (
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-IMAGE-STREAM-INF",
    "EXT-X-MEDIA",
)
GROUPS = ("AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS")
_CHOICES = frozenset((STREAM, IFRAME, IMAGE, MEDIA))

_MEDIA_TYPES: Mapping[str, Type] = {
    "AUDIO": "audio",
    "VIDEO": "video",
    "SUBTITLES": "text",
    "CLOSED-CAPTIONS": "text",
}
_RANGES: Mapping[str, Range] = {"SDR": "SDR", "HLG": "HLG", "PQ": "PQ"}
_RESOLUTION = re.compile(r"\s*([0-9]{1,6})[xX]([0-9]{1,6})")
_WHOLE = re.compile(r"\s*([0-9]{1,15})")
# An attribute list without blanks, empty values or anything else that only the scanner should judge.
_PLAIN = re.compile(r'([A-Z0-9-]++)=("[^"]*+"|[^",\s“”]++)')
_CODECS_CHARS = 256  # the longest CODECS that is remembered
_ANY_VARIANT = "variant with a picture"
_DECIMAL = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,12})?)")
_NOWHERE = Context(base=None, origins=OriginMap(()), origin="", path="")


class Entry(NamedTuple):
    """One tag that offers something, the lines that belong to it, and its attributes with variables in place."""

    tag: str
    at: int  # index of its line
    uri: int | None  # index of the URI's line, for a variant that has one
    values: Mapping[str, str]
    groups: Mapping[str, str]  # kind -> badge of the group of that kind that it refers to

    @property
    def where(self) -> str:
        """Where it stands, for a person."""
        return f"line {self.at + 1}, {self.tag}"


def group_badge(kind: str, name: str) -> str:
    """What the renditions of a group wear."""
    return f"{kind} group '{name}'"


def entries(playlist: Playlist) -> list[Entry]:
    """Every variant, rendition, I-frame and image playlist, in the order of the playlist."""
    known = define.variables(playlist, _NOWHERE)
    found: list[Entry] = []
    uris = _uris(playlist)
    for index, line in enumerate(playlist.lines):
        tag = line.tag
        if tag in _CHOICES:
            values = _values(playlist, line, known)
            if tag == MEDIA and values.get("TYPE") not in _MEDIA_TYPES:
                continue  # what it offers is not known, so nothing can be said against it
            groups = _groups(values) if tag != MEDIA else {}
            found.append(Entry(tag, index, uris.get(index), values, groups))
    return found


def _uris(playlist: Playlist) -> dict[int, int]:
    """Of each variant's line, that of its URI: the first one behind it that no other variant stands before."""
    found: dict[int, int] = {}
    waiting: int | None = None
    for index, line in enumerate(playlist.lines):
        if line.tag == STREAM:
            waiting = index
        elif waiting is not None and line.role == "uri":
            found[waiting] = index
            waiting = None
    return found


def renditions(offered: list[Entry]) -> list[Rendition]:
    """The entries as a filter sees them, each with its place in the list as its id."""
    used = {group for entry in offered for group in entry.groups.values()}
    made = {
        group_badge(e.values["TYPE"], e.values.get("GROUP-ID", ""))
        for e in offered
        if e.tag == MEDIA
    }
    pictures = [_Picture(entry) if entry.tag != MEDIA else None for entry in offered]
    worn: set[str] = set()
    for entry, picture in zip(offered, pictures, strict=True):
        if picture is not None and entry.tag == STREAM and not picture.is_audio:
            worn.update(picture.ties)
    return [
        _media(number, entry, used)
        if picture is None
        else _variant(number, entry, picture, made)
        if entry.tag == STREAM
        else _follower(number, entry, picture, worn)
        for number, (entry, picture) in enumerate(zip(offered, pictures, strict=True))
    ]


class _Codecs(NamedTuple):
    """What a CODECS attribute tells."""

    listed: tuple[str, ...]
    range: Range
    has_audio: bool
    only_audio: bool
    families: str  # of the picture
    pictures: str  # the codecs of the picture in full


@lru_cache(maxsize=256)
def _codecs(text: str) -> _Codecs:
    listed = codecs.split_codecs(text)
    has_audio = bool(codecs.families(listed, "audio"))
    return _Codecs(
        listed=listed,
        range=codecs.stated_range(listed) or "SDR",
        has_audio=has_audio,
        only_audio=has_audio and all(codecs.is_of(codec, ("audio", "text")) for codec in listed),
        families=" ".join(sorted(codecs.families(listed, "video"))),
        pictures=" ".join(sorted(codec for codec in listed if codecs.is_of(codec, ("video",)))),
    )


class _Picture:
    """What the attributes of a variant, an I-frame or an image playlist say."""

    def __init__(self, entry: Entry) -> None:
        values = entry.values
        text = values.get("CODECS", "")
        told = _codecs(text) if len(text) <= _CODECS_CHARS else _codecs.__wrapped__(text)
        size = _RESOLUTION.match(values.get("RESOLUTION", ""))
        self.codecs = told.listed
        self.width = int(size[1]) if size else None
        self.height = int(size[2]) if size else None
        self.bandwidth = _whole(values.get("BANDWIDTH")) or _whole(values.get("AVERAGE-BANDWIDTH"))
        self.range = _RANGES.get(values.get("VIDEO-RANGE", "").strip().upper(), told.range)
        self.has_audio = told.has_audio
        self.is_audio = (
            told.only_audio
            and size is None
            and "VIDEO" not in values
            and "VIDEO-RANGE" not in values
        )
        # RFC 8216bis section 4.4.6.2: without PATHWAY-ID the pathway is '.'.
        self.pathway = f"variant of pathway '{values.get('PATHWAY-ID', '.')}'"
        self.sized: tuple[str, ...] = ()
        if size is not None:
            bare = f"{self.pathway} at {self.width}x{self.height}"
            self.sized = (f"{bare} in {told.families} {self.range}", bare)
        self.coded = (f"{self.pathway} in {told.pictures}",) if told.pictures else ()

    @property
    def ties(self) -> tuple[str, ...]:
        """What a variant has in common with the I-frame and image playlists made from it."""
        return (*self.sized, *self.coded, self.pathway, _ANY_VARIANT)


def _media(number: int, entry: Entry, used: set[str]) -> Rendition:
    values = entry.values
    kind = values["TYPE"]
    group = group_badge(kind, values.get("GROUP-ID", ""))
    return Rendition(
        id=number,
        type=_MEDIA_TYPES[kind],
        channels=_whole(values.get("CHANNELS")),
        language=language.normal(values.get("LANGUAGE")),
        default=values.get("DEFAULT") == "YES",
        part=True,
        judged=kind != "VIDEO",  # camera angles have no attributes of their own
        badges=(group,),
        follows=(_user(group),) if group in used else (),
    )


def _variant(number: int, entry: Entry, picture: _Picture, made: set[str]) -> Rendition:
    groups = entry.groups
    needed = (groups[kind] for kind in ("AUDIO", "VIDEO") if kind in groups)
    users = tuple([_user(group) for group in groups.values()])
    return Rendition(
        id=number,
        type="audio" if picture.is_audio else "video",
        bandwidth=picture.bandwidth,
        total=True,
        width=picture.width,
        height=picture.height,
        frame_rate=_decimal(entry.values.get("FRAME-RATE")),
        codecs=picture.codecs,
        supplemental=_supplemental(entry.values),
        range=picture.range,
        audible=groups.get("AUDIO") not in made and (picture.has_audio or not picture.codecs),
        needs=tuple([group for group in needed if group in made]),
        badges=users if picture.is_audio else users + picture.ties,
    )


def _follower(number: int, entry: Entry, picture: _Picture, worn: set[str]) -> Rendition:
    """An I-frame playlist follows the variants made from the same picture, an image playlist its pathway's.

    An I-frame playlist that no variant matches is judged by its own attributes.
    """
    is_trick = entry.tag == IFRAME
    ties = (picture.sized or picture.coded) if is_trick else ()
    match = next((tie for tie in ties if tie in worn), None)
    pathway = picture.pathway if picture.pathway in worn else _ANY_VARIANT
    return Rendition(
        id=number,
        type="trick" if is_trick else "image",
        bandwidth=picture.bandwidth,
        width=picture.width,
        height=picture.height,
        codecs=picture.codecs,
        supplemental=_supplemental(entry.values),
        range=picture.range,
        judged=is_trick and match is None,
        badges=tuple([_user(group) for group in entry.groups.values()]),
        follows=(match or pathway,),
    )


def _groups(values: Mapping[str, str]) -> dict[str, str]:
    return {
        kind: group_badge(kind, values[kind])
        for kind in GROUPS
        if kind in values and not (kind == "CLOSED-CAPTIONS" and values[kind] == "NONE")
    }


def _user(group: str) -> str:
    return f"variant with {group}"


def _supplemental(values: Mapping[str, str]) -> tuple[str, ...]:
    """RFC 8216bis section 4.4.6.2: each codec may be followed by '/' and brands."""
    text = values.get("SUPPLEMENTAL-CODECS")
    return tuple([codec.partition("/")[0] for codec in codecs.split_codecs(text)]) if text else ()


def _values(playlist: Playlist, line: Line, known: define.Variables) -> Mapping[str, str]:
    """The attributes of a tag by name; most are written as the RFC says and can be read at once."""
    text = playlist.value(line)
    if not known:
        pairs = _PLAIN.findall(text)
        if ",".join(map("=".join, pairs)) == text:
            return {name: value[1:-1] if value[0] == '"' else value for name, value in pairs}
    return {
        a.name: _value(a, line, known) if known else a.value
        for a in playlist.attributes(line).values()
    }


def _value(attribute: Attribute, line: Line, known: define.Variables) -> str:
    value = attribute.value
    if not define.has_variables(value):
        return value
    try:
        return known.substitute(value, line.start)
    except ManifestError:
        return value  # the rewriter says what is wrong with it; here it is a name like any other


def _whole(text: str | None) -> int | None:
    match = _WHOLE.match(text or "")
    return int(match[1]) if match else None


def _decimal(text: str | None) -> float | None:
    match = _DECIMAL.match(text or "")
    return float(match[1]) if match else None
