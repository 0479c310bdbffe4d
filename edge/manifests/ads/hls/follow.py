"""A leader's breaks in other renditions that are there from their first segment: by the middle of each segment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from edge.manifests.ads.hls.runs import AdRun, merged
from edge.manifests.ads.hls.window import Window

_TOLERANCE = Decimal("0.02")


def can_follow(leader: Window, follower: Window) -> bool:
    """Whether two whole playlists share a timeline: as long as each other, but for a target duration or 2 %.

    While they grow, it is enough that both begin at the beginning.
    """
    if not (leader.whole and follower.whole):
        return False
    if not (leader.ended and follower.ended):
        return True
    ours, theirs = _length(leader), _length(follower)
    allowed = max(leader.target_seconds, follower.target_seconds, ours * _TOLERANCE)
    return abs(ours - theirs) <= allowed


def follow_whole(leader: Window, runs: Sequence[AdRun], follower: Window) -> tuple[AdRun, ...]:
    """The leader's runs (of ``whole.decided``) in a follower, by seconds since the start."""
    moments = list(accumulate(leader.seconds, initial=Decimal(0)))
    middles, begin = [], Decimal(0)
    for seconds in follower.seconds:
        middles.append(begin + seconds / 2)
        begin += seconds
    total, found = len(middles), []
    for run in runs:
        first = bisect_left(middles, moments[min(run.first, len(leader))])
        # What is longer than the leader belongs to its last segment.
        ends = run.last >= len(leader) - 1
        stop = total if ends else bisect_left(middles, moments[run.last + 1])
        if first < stop:
            found.append(run._replace(first=first, last=stop - 1))
    return merged(found)


def _length(window: Window) -> Decimal:
    return sum(window.seconds, Decimal(0))
