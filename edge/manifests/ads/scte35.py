"""SCTE 35 cues as manifests carry them: base64, hexadecimal and XML; whatever is odd is no cue, never an error."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from edge.manifests.ads.segmentation import OPENING, PROGRAMME, described
from edge.manifests.ads.splice_section import (
    MOST_BYTES,
    TICKS,
    Cue,
    Insert,
    Segmentation,
    section,
)
from edge.manifests.dash.tree import Element

__all__ = ["Cue", "Insert", "Mark", "Segmentation", "decode", "marks", "of_xml"]

_REMEMBERED_CHARACTERS = 512
_MOST_CHARACTERS = 2 * MOST_BYTES + 512  # white space and quotes included
_MOST_ELEMENTS = 256  # of one event
_MOST_DEPTH = 8
_MOST_DIGITS = 20
_QUOTES = "\"'“”„‟‘’"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a cue says at its place: that a break opens or closes there, or that a programme begins."""

    kind: Literal["opens", "closes", "programme"]
    key: str  # 'event:4711' or 'insert:4711'; '' when the cue has no id
    seconds: Decimal | None
    what: str  # for a person: 'provider advertisement (0x30)'


def decode(text: str) -> Cue | None:
    """The cue in base64 or in hexadecimal with '0x', in quotes or not; ``None`` if it is none."""
    if len(text) > _MOST_CHARACTERS:
        return None
    return (_known if len(text) <= _REMEMBERED_CHARACTERS else _decoded)(text)


def _decoded(text: str) -> Cue | None:
    text = "".join(text.split()).strip(_QUOTES)
    try:
        if text[:2] in ("0x", "0X"):
            data = binascii.unhexlify(text[2:])
        else:
            data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # also what is not ASCII
        return None
    return section(data)


# A live window has the same cues in each of its versions, and each of them in several places.
_known = lru_cache(maxsize=1024)(_decoded)


def marks(cue: Cue | None, types: Collection[int], *, inserts: bool = True) -> tuple[Mark, ...]:
    """What a cue means to one who takes these segmentation types for breaks; nothing for what is no cue."""
    return () if cue is None else tuple(_marks(cue, types, inserts=inserts))


def _marks(cue: Cue, types: Collection[int], *, inserts: bool) -> Iterator[Mark]:
    insert = cue.insert
    if insert is not None and inserts:
        key = "" if insert.event is None else f"insert:{insert.event}"
        if insert.cancelled:
            yield Mark("closes", key, None, "splice_insert cancelled")
        elif insert.out is not None:
            kind: Literal["opens", "closes"] = "opens" if insert.out else "closes"
            what = f"splice_insert {'out of' if insert.out else 'into'} the network"
            yield Mark(kind, key, insert.seconds if insert.out else None, what)
    for found in cue.segmentations:
        key = "" if found.event is None else f"event:{found.event}"
        if found.cancelled:
            yield Mark("closes", key, None, "segmentation event cancelled")
        elif found.type is None:
            continue
        elif found.type in types:
            yield Mark("opens", key, found.seconds, described(found.type))
        elif found.type - 1 in types and found.type - 1 in OPENING:
            yield Mark("closes", key, None, f"end of {described(found.type)}")
        elif found.type in PROGRAMME:
            yield Mark("programme", key, found.seconds, described(found.type))


# XML: SCTE 35's own schema, SCTE 214-1's Binary around a section, and DASH's messageData

_SECTION = frozenset(("spliceinfosection", "spliceinsert", "timesignal", "segmentationdescriptor"))


def of_xml(element: Element) -> Cue | None:
    """The cue in a DASH Event of any of SCTE 35's schemes, or in an element of one; ``None`` if there is none.

    Prefixes and case do not count: real MPDs have them wrong.
    """
    data = _attribute(element, "messagedata")
    if data is not None:
        return decode(data)
    found = _elements(element)
    if found is None:
        return None
    named = [(item.name.lower(), item) for item in found]
    if any(name == "encryptedpacket" for name, _ in named):
        return None
    for name, item in named:
        if name == "binary":
            return _text(item)
    if not any(name in _SECTION for name, _ in named):
        return _text(element) if len(found) == 1 else None
    inserts = [_insert(item) for name, item in named if name == "spliceinsert"]
    return Cue(
        insert=inserts[0] if inserts else None,
        segmentations=tuple(
            _segmentation(item) for name, item in named if name == "segmentationdescriptor"
        ),
    )


def _elements(root: Element) -> list[Element] | None:
    """The element and all in it; ``None`` when they are more, or deeper, than a cue can need."""
    found, level = [root], [root]
    for _ in range(_MOST_DEPTH):
        level = [child for parent in level for child in parent.children]
        if not level:
            return found
        found += level
        if len(found) > _MOST_ELEMENTS:
            return None
    return None


def _insert(element: Element) -> Insert:
    event = _number(_attribute(element, "spliceeventid"))
    if _truth(_attribute(element, "spliceeventcancelindicator")):
        return Insert(event=event, out=None, cancelled=True)
    lengths = (
        _number(_attribute(child, "duration"))
        for child in element.children
        if child.name.lower() == "breakduration"
    )
    return Insert(
        event=event,
        out=_truth(_attribute(element, "outofnetworkindicator")),
        seconds=_seconds(next(lengths, None)),
    )


def _segmentation(element: Element) -> Segmentation:
    # An encoder in the field writes spliceEventId here.
    event = _number(
        _attribute(element, "segmentationeventid") or _attribute(element, "spliceeventid")
    )
    if _truth(_attribute(element, "segmentationeventcancelindicator")):
        return Segmentation(event=event, type=None, cancelled=True)
    return Segmentation(
        event=event,
        type=_number(_attribute(element, "segmentationtypeid")),
        seconds=_seconds(_number(_attribute(element, "segmentationduration"))),
    )


def _text(element: Element) -> Cue | None:
    if element.close_start - element.open_stop > _MOST_CHARACTERS:
        return None
    return decode(element.text)


def _attribute(element: Element, name: str) -> str | None:
    for written, attribute in element.attributes.items():
        if written.rpartition(":")[2].lower() == name:
            return attribute.value
    return None


def _number(text: str | None) -> int | None:
    text = "" if text is None else text.strip()
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if plain else None


def _seconds(ticks: int | None) -> Decimal | None:
    return None if ticks is None else Decimal(ticks) / TICKS


def _truth(text: str | None) -> bool | None:
    """An xs:boolean; ``None`` for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().lower())
