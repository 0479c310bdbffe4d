"""Patterns that an operator writes: RE2, so that no pattern and no manifest can make a match slow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

MOST_PATTERN_CHARACTERS = 1024
MOST_TEXT_BYTES = 8 * 1024  # longer text matches nothing: what is odd speaks for no break
_MEMORY_BYTES = 1024 * 1024  # of one compiled pattern


class BadPattern(ValueError):
    """The text is no regular expression of RE2, or too large a one."""


class Pattern:
    """One compiled expression, searched for anywhere in a text unless it anchors itself; equal by its source."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        if len(source) > MOST_PATTERN_CHARACTERS:
            raise BadPattern(f"a pattern has at most {MOST_PATTERN_CHARACTERS} characters")
        options = re2.Options()
        options.max_mem = _MEMORY_BYTES
        options.log_errors = False
        try:
            self._compiled: Any = re2.compile(source, options=options)
        except re2.error as error:
            reason = error.args[0] if error.args else "it cannot be read"
            text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise BadPattern(f"no regular expression of RE2: {text}") from error
        self.source = source

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    @property
    def groups(self) -> frozenset[str]:
        """The names of its groups."""
        return frozenset(self._compiled.groupindex)

    def found_in(self, text: bytes | str) -> bool:
        """Whether the text, in UTF-8 if it is bytes, has a match."""
        data = _bytes(text)
        return data is not None and self._compiled.search(data) is not None

    def captured(self, text: bytes | str) -> dict[str, str] | None:
        """The named groups that took part in the first match; ``None`` without a match."""
        data = _bytes(text)
        found = None if data is None else self._compiled.search(data)
        if found is None:
            return None
        return {
            name: value.decode("utf-8", "replace")
            for name, value in found.groupdict().items()
            if value is not None
        }


class Sieve:
    """Many patterns at once, asked which of them can be found in a text at all.

    Most texts have none of the words that the patterns need, and one look for all those words says so.
    """

    __slots__ = ("_filter", "_patterns")

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = tuple(dict.fromkeys(patterns))
        self._filter: Any = re2.Filter()
        for pattern in self._patterns:
            self._filter.Add(pattern.source)
        if self._patterns:
            self._filter.Compile()

    def left(self, text: bytes) -> frozenset[Pattern]:
        """Those that may be found in the text or in a part of it, in letters of any case; all in what is not ASCII."""
        if not self._patterns:
            return frozenset()
        if not text.isascii():
            return frozenset(self._patterns)
        return frozenset(self._patterns[place] for place in self._filter.Match(text, True) or ())


@lru_cache(maxsize=256)
def sieve(patterns: tuple[Pattern, ...]) -> Sieve:
    """The sieve of some patterns, made once."""
    return Sieve(patterns)


def _bytes(text: bytes | str) -> bytes | None:
    """What RE2 is given; what a manifest has that is no UTF-8 stays as it is."""
    if isinstance(text, str):
        try:
            text = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return None
    return text if len(text) <= MOST_TEXT_BYTES else None
