"""What a player says that it will ask for next: ``nor`` and ``nrr`` of CMCD (CTA-5004 and CTA-5004-B)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from multidict import CIMultiDict, CIMultiDictProxy

from edge.structured_fields import BadStructuredField, InnerList, Item, parse_dictionary

HEADER = "CMCD-Request"
_MOST_CHARS = 4096
_MOST_OBJECTS = 8
_RANGE = re.compile(r"(\d{1,15})-(\d{1,15})\Z", re.ASCII)
# For dictionaries that have something else wrong with them.
_LOOSE = re.compile(r'(?:^|,)[ \t]*(nor|nrr)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class NextObject:
    """A URI reference, decoded and relative to the request (``None``: the same file), and its first and last byte."""

    reference: str | None
    first: int | None = None
    last: int | None = None


def next_objects(
    query: str | None, headers: CIMultiDict[str] | CIMultiDictProxy[str]
) -> tuple[NextObject, ...]:
    """What the raw value of the query's parameter says, or else the field; nothing for what cannot be read.

    Both hold the same dictionary; the query's value is percent-encoded once more.
    """
    if query is not None:
        text = unquote_plus(query) if len(query) <= _MOST_CHARS else ""
    else:
        text = ",".join(headers.getall(HEADER, ()))
    if len(text) > _MOST_CHARS or ("nor" not in text and "nrr" not in text):
        return ()
    found = _json(text) if text.startswith("{") else _dictionary(text)
    return tuple(
        one
        for reference, range_ in found[:_MOST_OBJECTS]
        if (one := _object(reference, range_)) is not None
    )


def _dictionary(text: str) -> list[tuple[str | None, str | None]]:
    try:
        members = parse_dictionary(text)
    except BadStructuredField:
        loose = dict(_LOOSE.findall(text))
        return [(loose.get("nor"), loose.get("nrr"))]
    nor, nrr = members.get("nor"), members.get("nrr")
    if isinstance(nor, InnerList):
        return [(_string(item), _text(item.parameters.get("r"))) for item in nor.items]
    if isinstance(nor, Item) and "r" in nor.parameters:
        return [(_string(nor), _text(nor.parameters["r"]))]
    return [(_string(nor), _string(nrr))]


def _json(text: str) -> list[tuple[str | None, str | None]]:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(members, dict):
        return []
    return [(_text(members.get("nor")), _text(members.get("nrr")))]


def _object(reference: str | None, range_: str | None) -> NextObject | None:
    if reference is None and range_ is None:
        return None
    plain = None if reference is None else unquote(reference)
    if range_ is None:
        return NextObject(plain)
    match = _RANGE.match(range_)
    if match is None or int(match[2]) < int(match[1]):
        return None
    return NextObject(plain, int(match[1]), int(match[2]))


def _string(member: InnerList | Item | None) -> str | None:
    return _text(member.value) if isinstance(member, Item) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
