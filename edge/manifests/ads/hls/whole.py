"""Playlists that need no record: all of it is there (VOD), or the numbers stay the origin's (gap)."""

from __future__ import annotations

from collections.abc import Sequence

from edge.manifests.ads.hls.plan import Hole, Plan, Run
from edge.manifests.ads.hls.runs import AdRun, merged
from edge.manifests.ads.hls.window import Sides, Window


def plan(window: Window | Sides, runs: Sequence[AdRun]) -> Plan:
    """Cut the runs out, counting from the first line; a playlist of ads alone is marked instead, never emptied.

    For ``window.whole and window.ended`` without a record of it, and for a look at any playlist by itself.
    """
    runs = decided(window, runs)
    total = len(window)
    holes = tuple(
        Hole(run.first, min(run.last, total - 1), joined=bool(run.joined))
        for run in runs
        if run.first < total
    )
    if sum(hole.last - hole.first + 1 for hole in holes) == total:
        return gap(window, runs)
    return Plan(holes=holes, ad_tail=_is_tail_ad(window, runs))


def gap(window: Window | Sides, runs: Sequence[AdRun]) -> Plan:
    """Mark the runs with EXT-X-GAP; numbers stay the origin's."""
    total = len(window)
    return Plan(
        gaps=tuple(
            Run(run.first, min(run.last, total - 1)) for run in merged(runs) if run.first < total
        ),
        ad_tail=_is_tail_ad(window, runs),
    )


def decided(window: Window | Sides, runs: Sequence[AdRun]) -> tuple[AdRun, ...]:
    """The runs with ``joined`` as ``plan`` decides it, for followers to do the same."""
    return tuple(
        run if run.joined is not None else AdRun(*run[:5], joined=_is_joined(window, run))
        for run in merged(runs)
    )


def _is_joined(window: Window | Sides, run: AdRun) -> bool:
    # Nothing before it, or nothing behind: there is no join.
    if run.first == 0 or run.last >= len(window) - 1:
        return False
    return not window.contiguous(run.first - 1, run.last + 1)


def _is_tail_ad(window: Window | Sides, runs: Sequence[AdRun]) -> bool:
    total = len(window)
    return any(run.first >= total or (run.open_end and run.last >= total - 1) for run in runs)
