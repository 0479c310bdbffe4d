"""Which breaks of an MPD cannot be cut out, and why: the stated rule, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge.manifests.ads.dash.properties import References
from edge.manifests.ads.dash.split import LARGEST, Range, Splitting
from edge.manifests.ads.dash.times import Span
from edge.manifests.ads.dash.tracks import Unreadable, is_counted
from edge.manifests.ads.evidence import Break
from edge.manifests.dash.scan import Document

EMPTY = "every Period that has media is an ad: an MPD is never emptied"
DYNAMIC = "it lies within a Period of a dynamic MPD, where what was offered once must not move"
UNTIMED = "the times of the Periods behind it are not known without it"
REFERRED = "other Periods refer to content protection that is said only there"
COUNTED = "the Period before it has no SegmentTimeline, so that some players would look for its segments in the hole"
BUSY = "there are too many breaks in the MPD"
_MOST_WORK = (
    50_000  # looks at rows of segments, and at where a track and a break meet, in one document
)


def is_dynamic(document: Document) -> bool:
    """Whether an MPD is one whose times are bound to the clock."""
    return (document.root.get("type") or "").strip().lower() == "dynamic"


def left(document: Document, spans: Sequence[Span], breaks: Iterable[Break]) -> dict[str, str]:
    """The key of every break that stays though a rule is sure of it, and the reason."""
    certain = [one for one in breaks if not one.ambiguous]
    whole = [one for one in certain if one.time_range is None]
    reasons = dict(_within(document, spans, [one for one in certain if one.time_range is not None]))
    references = References(document)
    dynamic = is_dynamic(document)
    said = (span.index for span in reversed(spans) if span.period.get("start") is not None)
    last_said = next(said, -1)
    for one in whole:
        if any(references.lead_to(spans[index].period) for index in one.periods):
            reasons[one.key] = REFERRED
        elif not _times_hold(spans, one, last_said, dynamic=dynamic):
            reasons[one.key] = UNTIMED
        elif dynamic and one.periods[0] and is_counted(spans[one.periods[0] - 1].period):
            reasons[one.key] = COUNTED
    gone = {index for one in whole if one.key not in reasons for index in one.periods}
    if gone and not any(_plays(span) for span in spans if span.index not in gone):
        reasons.update((one.key, EMPTY) for one in whole if one.key not in reasons)
    return reasons


def _times_hold(spans: Sequence[Span], one: Break, last_said: int, *, dynamic: bool) -> bool:
    """Whether the Periods behind a break have a place in time without it; ``last_said`` is the last with a start."""
    follower = one.periods[-1] + 1
    if follower == len(spans):
        return True
    if dynamic:
        # A Period without a start is not yet placed on the clock; it would be, by the Period before the break.
        return spans[follower].start is not None or one.periods[0] == 0
    return follower > last_said or all(spans[index].seconds is not None for index in one.periods)


def _plays(span: Span) -> bool:
    period = span.period
    remote = period.document.data.find(b":href", period.start, period.open_stop) >= 0
    return remote or any(child.name == "AdaptationSet" for child in period.outline)


def _within(
    document: Document, spans: Sequence[Span], parts: Sequence[Break]
) -> Iterator[tuple[str, str]]:
    if is_dynamic(document):
        yield from ((one.key, DYNAMIC) for one in parts)
        return
    by_period: dict[int, list[Break]] = {}
    for one in parts:
        by_period.setdefault(one.periods[0], []).append(one)
    work, size = 0, len(document.data)
    for index, inside in by_period.items():
        # Each part that stays says again what its Period says of its media.
        period = spans[index].period
        size += len(inside) * (period.stop - period.start)
        if work > _MOST_WORK or size > LARGEST:
            yield from ((one.key, BUSY) for one in inside)
            continue
        try:
            splitting = Splitting(spans[index])
        except Unreadable as reason:
            yield from ((one.key, str(reason)) for one in inside)
            continue
        work += splitting.work(len(inside))
        yield from _together(splitting, inside)


def _together(splitting: Splitting, inside: Sequence[Break]) -> Iterator[tuple[str, str]]:
    possible: list[Break] = []
    for one in inside:
        try:
            splitting.pieces([range_of(one)])
        except Unreadable as reason:
            yield one.key, str(reason)
        else:
            possible.append(one)
    try:
        splitting.pieces([range_of(one) for one in possible])
    except Unreadable as reason:
        yield from ((one.key, str(reason)) for one in possible)


def range_of(one: Break) -> Range:
    """Where in its Period a break lies."""
    if one.time_range is None:
        raise ValueError(one.key)
    return one.time_range
