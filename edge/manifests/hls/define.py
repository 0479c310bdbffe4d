"""EXT-X-DEFINE: variables of a playlist (RFC 8216bis sections 4.3 and 4.4.2.3).

A variable is resolved where the edge must know its value to find out what a URI leads to, and kept where it may be:
``{$name}`` after the part of the URI that has to change stays as it is. The player can resolve what was kept: a
QUERYPARAM that only the origin's URL has becomes a NAME with the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edge.manifests.context import Context
from edge.manifests.edits import Edit
from edge.manifests.errors import BadDefine, TooLarge, UndefinedVariable
from edge.manifests.hls.scan import Attribute, Line, Playlist, encode
from edge.manifests.uris import split

_VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
_WARNINGS = 20  # more of the same tell nothing new
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class Define:
    """One declaration, with the value it has here; ``None``: only the player can know it."""

    line: Line
    source: str  # 'NAME', 'IMPORT' or 'QUERYPARAM'
    attribute: Attribute
    name: str
    value: str | None


class Room:
    """How many characters the values may still add to all texts together: a few lines could name terabytes."""

    def __init__(self, chars: int) -> None:
        self.chars = chars

    def take(self, chars: int) -> None:
        """Use some of what is left."""
        self.chars -= chars
        if self.chars < 0:
            raise TooLarge("the values of variables add up to too much")


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one playlist, in the order of their declarations."""

    defines: tuple[Define, ...]
    warnings: tuple[str, ...]
    max_chars: int  # of one text
    _values: Mapping[str, tuple[int, str | None]]
    _room: Room

    def __bool__(self) -> bool:
        return bool(self.defines)

    def substitute(self, text: str, position: int) -> str:
        """``text`` at a position with the values declared before it; of a variable nobody declared, an error."""
        return substitute(
            text,
            self._values,
            position=position,
            max_chars=self.max_chars,
            room=self._room,
        )


def has_variables(text: str) -> bool:
    """Whether a text refers to variables."""
    return _VARIABLE.search(text) is not None


def substitute(
    text: str,
    values: Mapping[str, tuple[int, str | None]],
    *,
    position: int,
    max_chars: int,
    room: Room,
) -> str:
    """``text`` with known values in place; what only the player knows stays ``{$name}``.

    ``values`` are by name: where each is declared, and its value.
    """
    left = max_chars - len(text)

    def value_of(match: re.Match[str]) -> str:
        nonlocal left
        name = match[1]
        declared, value = values.get(name, (position, None))
        if declared >= position:
            raise UndefinedVariable(name)
        if value is None:
            return match[0]
        left -= len(value)
        if left < 0:
            raise BadDefine(f"a text with {name} in it grows too long")
        room.take(len(value))
        return value

    return _VARIABLE.sub(value_of, text)


def variables(playlist: Playlist, context: Context) -> Variables:
    """What the playlist declares; a declaration that makes no sense is a warning and declares nothing."""
    found: list[Define] = []
    warnings: list[str] = []
    values: dict[str, tuple[int, str | None]] = {}
    room = Room(playlist.limits.bytes)
    upstream = _query_of(context.base)
    for line in playlist.tags("EXT-X-DEFINE"):
        try:
            define = _declared(playlist, line, context, upstream, values, room)
        except (BadDefine, UndefinedVariable) as error:
            if len(warnings) < _WARNINGS:
                warnings.append(f"EXT-X-DEFINE: {error}")
            continue
        values[define.name] = (line.start, define.value)
        found.append(define)
    return Variables(tuple(found), tuple(warnings), playlist.limits.line_bytes, values, room)


def exported_defines(master: Playlist, context: Context) -> Mapping[str, str]:
    """What a multivariant playlist's children may IMPORT: the ``defines`` of their context."""
    return {d.name: d.value for d in variables(master, context).defines if d.value is not None}


def redeclared(playlist: Playlist, known: Variables, context: Context) -> Iterator[Edit]:
    """Edits that give the player a value that its own URL will not carry.

    The origin's URL is the one after redirects (RFC 8216bis section 4.4.2.3); where the player's URL has the same
    parameter with the same value, the declaration stays.
    """
    data = playlist.data
    for define in known.defines:
        if define.source != "QUERYPARAM" or define.value is None:
            continue
        if context.query.get(define.name) == define.value:
            continue
        if any(character in define.value for character in '"\r\n'):  # RFC 8216 section 4.2
            raise BadDefine(f"the parameter {define.name} cannot be written as a quoted string")
        stop = define.attribute.stop
        if define.attribute.quoted:
            stop += 1 if data[stop : stop + 1] == b'"' else len("\u201d".encode())
        yield Edit(
            start=data.rfind(b"QUERYPARAM", define.line.value_start, define.attribute.start),
            stop=min(stop, define.line.stop),
            text=encode(f'NAME="{define.name}",VALUE="{define.value}"'),
            where="EXT-X-DEFINE QUERYPARAM",
            why="the player's URL has no such parameter",
        )


def _declared(
    playlist: Playlist,
    line: Line,
    context: Context,
    upstream: Mapping[str, str],
    values: Mapping[str, tuple[int, str | None]],
    room: Room,
) -> Define:
    attributes = playlist.attributes(line)
    sources = [s for s in ("NAME", "IMPORT", "QUERYPARAM") if s in attributes]
    if len(sources) != 1:
        raise BadDefine("needs one of NAME, IMPORT and QUERYPARAM")
    source = sources[0]
    attribute = attributes[source]
    name = attribute.value
    if not _NAME.match(name):
        raise BadDefine(f"{name!r} is no variable name")
    if name in values:
        raise BadDefine(f"{name} is declared twice")
    value: str | None
    if source == "NAME":
        if "VALUE" not in attributes:
            raise BadDefine(f"{name} has no VALUE")
        text = attributes["VALUE"].value
        value = substitute(
            text,
            values,
            position=line.start,
            max_chars=playlist.limits.line_bytes,
            room=room,
        )
    elif source == "IMPORT":
        value = context.defines.get(name)
    else:
        value = upstream.get(name) or context.query.get(name) or None
    return Define(line, source, attribute, name, value)


def _query_of(url: str | None) -> Mapping[str, str]:
    query = None if url is None else split(url).query
    if not query:
        return {}
    first: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        first.setdefault(name, value)
    return first
