"""What one report of a player says, once it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

# 'query' and 'fields' stand with a request, 'event' in a body of its own.
Mode = Literal["query", "fields", "json", "event"]
Fault = Literal["length", "syntax", "key", "value", "version", "number"]

# (value, type of object that it holds for, or empty for all)
Measures = tuple[tuple[int, str], ...]

_MOST_OBJECTS = 8


@dataclass(frozen=True, slots=True)
class NextObject:
    """A URI reference, decoded and relative to the request (``None``: the same file), and its first and last byte."""

    reference: str | None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmcd:
    """The members that make sense, by kind; what else was said shows in ``faults`` alone."""

    mode: Mode
    version: int = 1
    integers: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Measures] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)  # strings and tokens
    flags: Mapping[str, bool] = field(default_factory=dict)
    errors: tuple[str, ...] = ()  # codes
    following: tuple[tuple[str | None, str | None], ...] = ()  # references as sent, ranges of bytes
    rate: float | None = None  # of playing
    faults: tuple[Fault, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether all of it is as CTA-5004 wants it."""
        return not self.faults

    @property
    def is_urgent(self) -> bool:
        """Whether the player waits for this object before it can play: it starts, seeks, or has run dry."""
        return self.flags.get("su", False) or self.flags.get("bs", False)

    def measure(self, key: str, *types: str) -> int | None:
        """The first of ``key`` that holds for one of ``types``, or else for all types, or else any."""
        found = self.measures.get(key)
        if not found:
            return None
        for wanted in (*types, ""):
            for value, kind in found:
                if kind == wanted:
                    return value
        return found[0][0]

    def next_objects(self) -> tuple[NextObject, ...]:
        """What the player will ask for next, as far as it can be told."""
        found = []
        for reference, range_ in self.following[:_MOST_OBJECTS]:
            one = _object(reference, range_, is_encoded=self.version == 1)
            if one is not None:
                found.append(one)
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Its members by key, for people and tests."""
        found: dict[str, Any] = {**self.integers, **self.texts, **self.flags}
        found |= {key: [list(one) for one in value] for key, value in self.measures.items()}
        if self.rate is not None:
            found["pr"] = self.rate
        if self.errors:
            found["ec"] = list(self.errors)
        return found


def _object(reference: str | None, range_: str | None, *, is_encoded: bool) -> NextObject | None:
    if reference is None and range_ is None:
        return None
    plain = reference
    # Of version 1 always; some go on with it. A slash in a name of a file could not be asked for anyway.
    if reference is not None and (is_encoded or "%2F" in reference):
        plain = unquote(reference)
    if range_ is None:
        return NextObject(plain)
    first, dash, last = range_.partition("-")
    if not (dash and _is_count(first) and _is_count(last)) or int(last) < int(first):
        return None
    return NextObject(plain, int(first), int(last))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15
