"""The tags of SCTE-35 and its spellings, read once for all rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal

from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.rules import SpliceTag
from edge.manifests.ads.scte35 import Cue, decode
from edge.manifests.hls.scan import Attribute

Action = Literal["opens", "goes-on", "closes", "unclear", "tells"]

_SECONDS = re.compile(r'\s*["”“]?\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)')
_OF_WHOLE = re.compile(
    r'\s*"?([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*/\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)'
)
_FROM_SIGNAL = re.compile(r"PT([0-9]{1,9}(?:\.[0-9]{1,9})?)S")
_TYPE = re.compile(r"0[xX]([0-9A-Fa-f]{1,2})|([0-9]{1,3})")

_GO_ON = frozenset(("EXT-X-CUE-OUT-CONT", "EXT-X-CUE-SPAN"))
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


class Sign:
    """What one tag says, before any rule has judged it."""

    __slots__ = ("_found", "_segments", "action", "at", "cue", "seconds", "tag", "type")

    def __init__(
        self,
        segments: Segments,
        found: Tag,
        tag: SpliceTag,
        action: Action,
        *,
        seconds: Decimal | None = None,
        type_: int | None = None,
        cue: Cue | None = None,
    ) -> None:
        self._segments = segments
        self._found = found
        self.at = found.at  # position of the URI that it stands before
        self.tag = tag
        self.action = action
        self.seconds = seconds  # declared of a break that opens
        self.type = type_
        self.cue = cue

    @property
    def what(self) -> str:
        """The tag for a person."""
        return f"line {self._segments.line_of(self._found.start)}: {self._found.name}"

    def progress(self) -> tuple[Decimal | None, Decimal | None]:
        """Of a break that goes on: what has passed of it, and what is left."""
        value = self._segments.value(self._found)
        elapsed, whole = _progress(value, self._segments.attributes(self._found))
        left = None if elapsed is None or whole is None else max(whole - elapsed, Decimal(0))
        return elapsed, left


def signs(segments: Segments, tags: Iterable[Tag]) -> Iterator[Sign]:
    """What those of some tags say that are such tags, in their order."""
    for found in tags:
        known = TAGS.get(found.name)
        sign = None if known is None else _sign(segments, found, known)
        if sign is not None:
            yield sign


def _sign(segments: Segments, found: Tag, tag: SpliceTag) -> Sign | None:
    if found.name in _GO_ON:
        return Sign(segments, found, tag, "goes-on")
    if found.name == "EXT-X-CUE-IN":
        return Sign(segments, found, tag, "closes")
    value = segments.value(found)
    if tag in ("oatcls", "splicepoint"):
        cue = decode(value)
        return None if cue is None else Sign(segments, found, tag, "tells", cue=cue)
    attributes = segments.attributes(found) if "=" in value else {}
    if tag == "x-scte35":
        return _of_scte35(segments, found, attributes)
    if tag == "cue-type":
        kind = _value(attributes, "TYPE").lower()
        if kind == "splicein":
            return Sign(segments, found, tag, "closes")
        seconds = _seconds(_value(attributes, "DURATION"))
        return Sign(segments, found, tag, "opens", seconds=seconds) if kind == "spliceout" else None
    seconds = _seconds(value)
    if seconds is None:
        seconds = _seconds(_value(attributes, "DURATION", "Duration"))
    if seconds is None and value.strip() and not attributes:
        return Sign(segments, found, tag, "unclear")
    return Sign(segments, found, tag, "opens", seconds=seconds, cue=_cue(attributes))


def _of_scte35(segments: Segments, found: Tag, attributes: Mapping[str, Attribute]) -> Sign | None:
    """EXT-X-SCTE35."""
    out = _value(attributes, "CUE-OUT").upper()
    if _value(attributes, "CUE-IN").upper() == "YES":
        return Sign(segments, found, "x-scte35", "closes")
    if out == "CONT":
        return Sign(segments, found, "x-scte35", "goes-on")
    cue = _cue(attributes)
    if out == "YES":
        number = _TYPE.fullmatch(_value(attributes, "TYPE").strip())
        type_ = None if number is None else int(number[1], 16) if number[1] else int(number[2])
        seconds = _seconds(_value(attributes, "DURATION"))
        return Sign(segments, found, "x-scte35", "opens", seconds=seconds, type_=type_, cue=cue)
    return None if cue is None else Sign(segments, found, "x-scte35", "tells", cue=cue)


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
