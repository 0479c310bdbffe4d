"""At which line of a TOML text something stands, which ``tomllib`` does not keep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_HEADER = re.compile(r"\s*+(\[\[?)\s*+([^\[\]#]++)\]")
_KEY = re.compile(
    r"""\s*+((?:[A-Za-z0-9_-]++|"[^"]*+"|'[^']*+')(?:\s*+\.\s*+[A-Za-z0-9_-]++)*+)\s*+="""
)
_FENCE = re.compile(r'"""|\'\'\'')

Place = tuple[int | str, ...]


class Lines:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        for number, place in _places(text):
            self._lines.setdefault(place, number)

    def of(self, place: Sequence[int | str]) -> int | None:
        """The line, from 1, of the key or table at ``place``, or of the nearest thing around it that has one."""
        wanted = tuple(place)
        while wanted and wanted not in self._lines:
            wanted = wanted[:-1]
        return self._lines.get(wanted)


def _places(text: str) -> Iterator[tuple[int, Place]]:
    table: Place = ()
    counts: dict[Place, int] = {}
    fence: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        inside, fence = fence, _fence_behind(line, fence)
        if inside is not None:
            continue
        header = _HEADER.match(line)
        if header is not None:
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
            continue
        key = _KEY.match(line)
        if key is not None:
            yield number, (*table, *_parts(key[1]))


def _fence_behind(line: str, fence: str | None) -> str | None:
    """The quotes of the multi-line string in which the line ends, if it does."""
    for found in _FENCE.finditer(line):
        if fence is None:
            fence = found[0]
        elif fence == found[0]:
            fence = None
    return fence


def _parts(name: str) -> Place:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
