"""Runs of segments that something sets apart from what is before and behind them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.hls.lengths import Lengths
from edge.manifests.ads.hls.places import Texts
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.rules import Change, Rule, Shape

_ENDING = re.compile(rb"\.[A-Za-z0-9]{1,8}\Z")
_NEAR = Decimal("0.1")
_CUT_SHORT = Decimal("0.9")  # of the usual length


def read(segments: Segments, texts: Texts, rule: Rule, *, lengths: Lengths) -> list[Evidence]:
    """A rule's evidence; where the window cuts a run, that counts as its end."""
    evidence: list[Evidence] = []
    total = len(segments)
    for signal in rule.of(Shape):
        borders = sorted(set().union(*(_changes(segments, texts, c) for c in signal.changes)))
        inner = [border for border in borders if 0 < border < total]
        if not inner:
            continue
        for first, stop in pairwise((0, *inner, total)):
            if not _is_short(first, stop, signal.max_seconds, lengths):
                continue
            changes = " or ".join(sorted(signal.changes))
            evidence.append(
                Evidence(
                    first=first,
                    last=stop - 1,
                    rule=rule.label,
                    signal="shape",
                    family=signal.family,
                    weight=signal.weight,
                    sentence=f"segments {first} to {stop - 1} stand between changes of {changes}",
                )
            )
    return evidence


def _is_short(first: int, stop: int, seconds: Decimal, lengths: Lengths) -> bool:
    """Whether a run has no more seconds than these; most have many more, and are not added up."""
    if lengths.end(first, seconds + _NEAR, stop) < stop:
        return False
    return lengths.between(first, stop) <= seconds + _NEAR


def _changes(segments: Segments, texts: Texts, change: Change) -> Iterator[int]:
    """The positions at which something is not as it was before."""
    return _READERS[change](segments, texts)


def _discontinuities(segments: Segments, _: Texts) -> Iterator[int]:
    yield from segments.discontinuities


def _maps(segments: Segments, _: Texts) -> Iterator[int]:
    before = ""
    for tag in segments.tags("EXT-X-MAP"):
        value = segments.value(tag).strip()
        if value != before:
            yield tag.at
        before = value


def _keys(segments: Segments, _: Texts) -> Iterator[int]:
    """Where encryption begins, ends or becomes another; the next key of the same kind is no change."""
    before = "NONE"
    for tag in segments.tags("EXT-X-KEY"):
        method = segments.attributes(tag).get("METHOD")
        now = "NONE" if method is None else method.value
        if now != before:
            yield tag.at
        before = now


def _codecs(_: Segments, texts: Texts) -> Iterator[int]:
    """A media playlist names no codecs; what changes with them is the kind of file."""
    endings = [match[0] if (match := _ENDING.search(path)) else b"" for path in texts.each("path")]
    yield from (place for place, (a, b) in enumerate(pairwise(endings), start=1) if a != b)


def _grid(segments: Segments, _: Texts) -> Iterator[int]:
    """Behind a segment that is shorter than usual: something was cut there."""
    seconds = segments.all_seconds()
    if not seconds:
        return
    usual = Counter(seconds).most_common(1)[0][0]
    yield from (place + 1 for place, length in enumerate(seconds) if length < usual * _CUT_SHORT)


_READERS: dict[Change, Callable[[Segments, Texts], Iterator[int]]] = {
    "discontinuity": _discontinuities,
    "map": _maps,
    "key": _keys,
    "codec": _codecs,
    "grid": _grid,
}
