"""Which of many short texts some patterns are found in: most often none, so they are asked in bundles first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from edge.manifests.ads.matching import MOST_TEXT_BYTES, BadPattern, Pattern

# What means something else where many texts stand in lines below one another.
_OF_THE_WHOLE = re.compile(r"\\[AzQC]|\(\?[a-zA-Z]*-")
_FEW = 4


def matching(texts: bytes, *patterns: Pattern) -> list[list[int]]:
    """For each pattern the positions of the texts, one a line, that have a match."""
    found: list[list[int]] = [[] for _ in patterns]
    for place, text in _candidates(texts, patterns):
        for pattern, places in zip(patterns, found, strict=True):
            if pattern.found_in(text):
                places.append(place)
    return found


def runs(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Positions in order, as the first and the last of each run."""
    first = last = -1
    for position in positions:
        if position == last + 1 and last >= 0:
            last = position
            continue
        if last >= 0:
            yield first, last
        first = last = position
    if last >= 0:
        yield first, last


def _candidates(texts: bytes, patterns: tuple[Pattern, ...]) -> Iterator[tuple[int, bytes]]:
    """All texts that one of the patterns may be found in, and some others."""
    bundled = _bundled(patterns)
    if bundled is None:
        yield from enumerate(texts.split(b"\n"))
        return
    start = passed = 0
    while start <= len(texts):
        stop = len(texts)
        if stop - start > MOST_TEXT_BYTES:
            stop = texts.rfind(b"\n", start, start + MOST_TEXT_BYTES + 1)
            if stop < 0:  # a text too long to match
                stop = texts.find(b"\n", start + MOST_TEXT_BYTES)
                stop = len(texts) if stop < 0 else stop
        bundle = texts[start:stop]
        if bundled.found_in(bundle):
            yield from _within(bundle.split(b"\n"), passed, bundled)
        passed += bundle.count(b"\n") + 1
        start = stop + 1


def _within(texts: Sequence[bytes], first: int, bundled: Pattern) -> Iterator[tuple[int, bytes]]:
    """Those of some texts of which one may match; the first of them has the number ``first``."""
    if len(texts) <= _FEW:
        yield from enumerate(texts, first)
        return
    middle = len(texts) // 2
    for half, start in ((texts[:middle], first), (texts[middle:], first + middle)):
        if bundled.found_in(b"\n".join(half)):
            yield from _within(half, start, bundled)


@lru_cache(maxsize=1024)
def _bundled(patterns: tuple[Pattern, ...]) -> Pattern | None:
    """Finds something in lines below one another whenever one of the patterns does in one of them."""
    if any(_OF_THE_WHOLE.search(pattern.source) for pattern in patterns):
        return None
    try:
        return Pattern("|".join(f"(?m:{pattern.source})" for pattern in patterns))
    except BadPattern:  # too long with all of them
        return None
