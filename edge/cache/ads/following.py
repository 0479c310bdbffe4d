"""A leader's breaks in another rendition's window, by PROGRAM-DATE-TIME alone: for gaps, which need no record."""

from __future__ import annotations

from collections.abc import Sequence

from edge.manifests.ads.hls.places_in_time import Clock, has_dates
from edge.manifests.ads.hls.runs import AdRun, merged
from edge.manifests.ads.hls.window import Window


def follow_times(
    leader: Window, runs: Sequence[AdRun], follower: Window
) -> tuple[AdRun, ...] | None:
    """The segments whose middle lies in a run of the leader's; ``None`` if the times of one of them are not known."""
    if not (_tells_when(leader) and _tells_when(follower)):
        return None
    intervals: list[tuple[float, float, AdRun]] = []
    for run in runs:
        if run.first >= len(leader):
            continue
        last = min(run.last, len(leader) - 1)
        start, end = leader.starts[run.first], leader.starts[last]
        if start is None or end is None:
            return None
        intervals.append((start, end + float(leader.seconds[last]) * 1000, run))
    found: list[AdRun] = []
    at = 0
    for position in range(len(follower) if intervals else 0):
        begins = follower.starts[position]
        if begins is None:
            return None
        middle = begins + float(follower.seconds[position]) * 500
        while at < len(intervals) and middle >= intervals[at][1]:
            at += 1
        if at < len(intervals) and middle >= intervals[at][0]:
            run = intervals[at][2]
            found.append(AdRun(position, position, run.key, run.rule, run.open_end, run.joined))
    return merged(found)


def _tells_when(window: Window) -> bool:
    """Whether its dates go on from segment to segment, so that a moment is one place."""
    return has_dates(window) and Clock(window, "pdt").is_sound(0, len(window) - 1)
