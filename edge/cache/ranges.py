"""Byte ranges, RFC 9110 section 14."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPEC = re.compile(r"bytes=[ \t]*(\d{0,19})[ \t]*-[ \t]*(\d{0,19})[ \t]*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes ``start`` to ``stop``, ``stop`` exclusive."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


class NotSatisfiable(ValueError):
    """No byte of the range exists: 416."""


def resolve(field: str | None, *, size: int) -> Span | None:
    """The span that a Range field asks for; ``None`` means the whole, as for a field that is not understood.

    Several ranges in one field are answered with the whole, which RFC 9110 section 14.2 allows.
    """
    if field is None:
        return None
    match = _SPEC.match(field)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise NotSatisfiable
    return Span(start, min(int(last) + 1, size) if last else size)


def first_place(field: str) -> int | None:
    """Where a Range field starts; 0 for a suffix, whose start only the size tells; ``None`` for several ranges."""
    match = _SPEC.match(field)
    if match is None or (not match[1] and not match[2]):
        return None
    return int(match[1] or 0)


def _suffix(length: str, size: int) -> Span | None:
    if not length:
        return None
    if int(length) == 0 or size == 0:
        raise NotSatisfiable
    return Span(max(0, size - int(length)), size)
