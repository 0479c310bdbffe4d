"""The tags of SCTE-35 and its spellings, read once for all rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.rules import SpliceTag
from edge.manifests.ads.scte35 import Cue, decode
from edge.manifests.errors import TooManyAttributes
from edge.manifests.hls.scan import Attribute, attribute_list
from edge.manifests.hls.scan import decode as as_text

Action = Literal["opens", "goes-on", "closes", "unclear", "tells"]

_SECONDS = re.compile(r'\s*["”“]?\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)')
_OF_WHOLE = re.compile(
    r'\s*"?([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*/\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)'
)
_FROM_SIGNAL = re.compile(r"PT([0-9]{1,9}(?:\.[0-9]{1,9})?)S")
_TYPE = re.compile(r"0[xX]([0-9A-Fa-f]{1,2})|([0-9]{1,3})")

_REMEMBERED_BYTES = 1024  # of one tag's value
TAGS: Mapping[str, SpliceTag] = {
    "EXT-X-CUE-OUT": "cue",
    "EXT-X-CUE-OUT-CONT": "cue",
    "EXT-X-CUE-SPAN": "cue",
    "EXT-X-CUE-IN": "cue",
    "EXT-X-CUE": "cue-type",
    "EXT-X-SCTE35": "x-scte35",
    "EXT-OATCLS-SCTE35": "oatcls",
    "EXT-X-SPLICEPOINT-SCTE35": "splicepoint",
}


class Said(NamedTuple):
    """What a tag says by its name and its value."""

    action: Action
    seconds: Decimal | None = None  # declared of a break that opens
    type: int | None = None
    cue: Cue | None = None


class Sign:
    """What one tag says at its place, before any rule has judged it."""

    __slots__ = ("_found", "_segments", "action", "at", "cue", "seconds", "tag", "type")

    def __init__(self, segments: Segments, found: Tag, tag: SpliceTag, said: Said) -> None:
        self._segments = segments
        self._found = found
        self.at = found.at  # position of the URI that it stands before
        self.tag = tag
        self.action, self.seconds, self.type, self.cue = said

    def what(self) -> str:
        """The tag for a person."""
        return f"line {self._segments.line_of(self._found.start)}: {self._found.name}"

    def progress(self) -> tuple[Decimal | None, Decimal | None]:
        """Of a break that goes on: what has passed of it, and what is left."""
        value = self._segments.value(self._found)
        elapsed, whole = _progress(value, self._segments.attributes(self._found))
        left = None if elapsed is None or whole is None else max(whole - elapsed, Decimal(0))
        return elapsed, left


_GOES_ON, _CLOSES = Said("goes-on"), Said("closes")
_PLAIN = {
    "EXT-X-CUE-OUT-CONT": _GOES_ON,
    "EXT-X-CUE-SPAN": _GOES_ON,
    "EXT-X-CUE-IN": _CLOSES,
}


def signs(segments: Segments, tags: Iterable[Tag]) -> Iterator[Sign]:
    """What those of some tags say that are such tags, in their order."""
    for found in tags:
        known = TAGS.get(found.name)
        if known is None:
            continue
        said = _PLAIN.get(found.name)
        if said is None:
            value, limit = segments.data[found.value_start : found.stop], segments.limits.attributes
            is_short = len(value) <= _REMEMBERED_BYTES
            said = (_known if is_short else _said)(found.name, value, limit)
        if said is not None:
            yield Sign(segments, found, known, said)


def _said(name: str, value: bytes, limit: int) -> Said | None:
    """What such a tag with a value says."""
    text, tag = as_text(value), TAGS[name]
    if tag in ("oatcls", "splicepoint"):
        cue = decode(text)
        return None if cue is None else Said("tells", cue=cue)
    attributes = _attributes(value, limit) if "=" in text else {}
    if tag == "x-scte35":
        return _of_scte35(attributes)
    if tag == "cue-type":
        kind = _value(attributes, "TYPE").lower()
        if kind == "splicein":
            return _CLOSES
        seconds = _seconds(_value(attributes, "DURATION"))
        return Said("opens", seconds) if kind == "spliceout" else None
    seconds = _seconds(text)
    if seconds is None:
        seconds = _seconds(_value(attributes, "DURATION", "Duration"))
    if seconds is None and text.strip() and not attributes:
        return Said("unclear")
    return Said("opens", seconds, cue=_cue(attributes))


# A live window says the same in each of its versions.
_known = lru_cache(maxsize=1024)(_said)


def _attributes(value: bytes, limit: int) -> Mapping[str, Attribute]:
    """By name, of a repeated one the last; of too many none."""
    try:
        found = attribute_list(value, 0, len(value), limit=limit)
    except TooManyAttributes:
        return {}
    return {attribute.name: attribute for attribute in found}


def _of_scte35(attributes: Mapping[str, Attribute]) -> Said | None:
    """EXT-X-SCTE35."""
    out = _value(attributes, "CUE-OUT").upper()
    if _value(attributes, "CUE-IN").upper() == "YES":
        return _CLOSES
    if out == "CONT":
        return _GOES_ON
    cue = _cue(attributes)
    if out == "YES":
        number = _TYPE.fullmatch(_value(attributes, "TYPE").strip())
        type_ = None if number is None else int(number[1], 16) if number[1] else int(number[2])
        return Said("opens", _seconds(_value(attributes, "DURATION")), type_, cue)
    return None if cue is None else Said("tells", cue=cue)


def _progress(
    value: str, attributes: Mapping[str, Attribute]
) -> tuple[Decimal | None, Decimal | None]:
    """What has passed of a break, and how long the whole of it is."""
    match = _OF_WHOLE.match(value)
    if match is not None:
        return Decimal(match[1]), Decimal(match[2])
    signal = _FROM_SIGNAL.fullmatch(_value(attributes, "TIMEFROMSIGNAL"))
    elapsed = (
        Decimal(signal[1]) if signal else _seconds(_value(attributes, "ElapsedTime", "ELAPSED"))
    )
    return elapsed, _seconds(_value(attributes, "Duration", "DURATION"))


def _cue(attributes: Mapping[str, Attribute]) -> Cue | None:
    text = _value(attributes, "CUE", "SCTE35")
    return decode(text) if text else None


def _value(attributes: Mapping[str, Attribute], *names: str) -> str:
    for name in names:
        if name in attributes:
            return attributes[name].value
    return ""


def _seconds(text: str) -> Decimal | None:
    match = _SECONDS.match(text)
    return None if match is None else Decimal(match[1])
