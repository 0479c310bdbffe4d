"""Where numbering begins: without a record, for a rendition that joins, and when an origin starts anew."""

from __future__ import annotations

from dataclasses import replace

from edge.manifests.ads.hls.places_in_time import axis_of
from edge.manifests.ads.hls.record import Group, Rendition
from edge.manifests.ads.hls.window import Window

_FIRST_SECOND = 1_767_225_600  # 2026-01-01T00:00:00Z
# Breaks are further apart than this on the average, so that discontinuity numbers never outrun the clock.
_SECONDS_OF_A_BREAK = 10
_LEAST_PATIENCE_MS = 10_000
_PATIENCE_TARGETS = 3


def first_group(window: Window, now_ms: int) -> Group:
    """The record when there is none: numbers are the origin's, discontinuity numbers are moved on by the clock."""
    # A playlist that keeps everything begins with the same numbers whenever its record begins.
    shift = 0 if window.whole else _by_clock(now_ms)
    return Group(epoch_ms=now_ms, shift=shift, axis=axis_of(window))


def renewed(group: Group, window: Window, now_ms: int) -> Group:
    """The record after the leader's origin has started anew."""
    epoch_ms = max(now_ms, group.epoch_ms + 1)
    shift = max(_by_clock(now_ms), *(known.given + 1 for known in group.renditions.values()), 0)
    return replace(
        group,
        epoch_ms=epoch_ms,
        shift=shift,
        axis=axis_of(window),
        until=None,
        intervals=(),
    )


def started(window: Window, *, shift: int, drift: int) -> Rendition:
    """A rendition nothing is known of: its numbers are the origin's."""
    first = window.first
    header = window.discontinuity_sequence + drift
    return Rendition(
        removed=0,
        shift=shift,
        start=first,
        decided=first - 1,
        head=(first, header + (0 in window.discontinuities)),
        mark=(first - 1, header),
        drift=drift,
        floor=(0, 0),
        given=header + shift,
    )


def bridged(made: Rendition, old: Rendition, window: Window) -> Rendition:
    """A rendition whose origin has started anew: the numbers given out go on where they were."""
    header = window.discontinuity_sequence + made.drift
    shift = max(made.shift, old.given + 1 - header, old.floor[1] - header)
    return replace(
        made,
        removed=window.first - max(old.next_given, old.floor[0]),
        shift=shift,
        given=header + shift,
        floor=old.floor,
        run=old.run + 1,
    )


def is_restarted(known: Rendition, window: Window, now_ms: int) -> bool:
    """Whether numbers went back because the origin began again, and not because this is an older version."""
    last = window.first + len(window) - 1
    patience = max(int(window.target_seconds * 1000) * _PATIENCE_TARGETS, _LEAST_PATIENCE_MS)
    newest = window.starts[len(window) - 1]
    number, _ = known.mark
    if last < number and newest is not None and known.at is not None and newest > known.at:
        return True
    if window.first <= number <= last:
        place = number - window.first
        begins = window.starts[place]
        if begins is None or known.at is None or not window.is_firm(place):
            return False
        return begins > known.at + patience
    return last < known.head[0] and now_ms - known.seen_ms >= patience


def _by_clock(now_ms: int) -> int:
    return max(0, (now_ms // 1000 - _FIRST_SECOND) // _SECONDS_OF_A_BREAK)
