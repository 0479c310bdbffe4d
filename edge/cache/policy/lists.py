"""Comma-separated fields as caches meet them: quoted strings, empty members, stray white space."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.origin.upstream import Fields

OWS = " \t"
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')

_MARK = re.compile(r'[",]')
_ESCAPED = re.compile(r"\\(.)")


def split_list(value: str) -> list[str]:
    """The members without white space around them, empty ones left out; a comma in a quoted string separates nothing.

    A quote that never closes is an ordinary character, so that nothing after it is hidden.
    """
    if '"' not in value:
        return _trimmed(value.split(","))
    members: list[str] = []
    start = at = 0
    while (mark := _MARK.search(value, at)) is not None:
        at = mark.end()
        if mark.group() == ",":
            members.append(value[start : mark.start()])
            start = at
        elif (quoted := QUOTED.match(value, mark.start())) is not None:
            at = quoted.end()
        else:
            break
    if mark is None:
        members.append(value[start:])
    else:
        members.extend(value[start:].split(","))
    return _trimmed(members)


def members(fields: Fields, name: str) -> list[str]:
    """The members of a list field over all its lines."""
    return [member for line in fields.getall(name, ()) for member in split_list(line)]


def names_in(fields: Fields, name: str) -> frozenset[str]:
    """The field's members as lower-case field names."""
    return frozenset(member.lower() for member in members(fields, name))


def unquoted(value: str) -> str | None:
    """What stands in a quoted string; ``None`` if the value is not one."""
    match = QUOTED.fullmatch(value)
    return None if match is None else _ESCAPED.sub(r"\1", match.group(1))


def _trimmed(parts: Iterable[str]) -> list[str]:
    return [trimmed for part in parts if (trimmed := part.strip(OWS))]
