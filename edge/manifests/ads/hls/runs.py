"""Runs of ad segments, as the arithmetic of windows takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from edge.manifests.ads.evidence import Found


class AdRun(NamedTuple):
    """A run of segments that the rules, or the leading rendition, call ad material; positions in one window."""

    first: int  # equal to the window's length: it begins with the parts behind the last segment
    last: int  # inclusive
    key: str = ""
    rule: str = ""
    open_end: bool = False  # nothing has closed it by the end of the window
    joined: bool | None = None  # as the leading rendition decided; None: not decided


def runs_of(found: Found) -> tuple[AdRun, ...]:
    """The runs that a policy acts upon."""
    return merged(
        AdRun(hit.first_index, hit.last_index, hit.key, hit.rule, hit.open_end)
        for hit in found.certain
        if hit.first_index is not None and hit.last_index is not None
    )


def merged(runs: Iterable[AdRun]) -> tuple[AdRun, ...]:
    """The same segments in order, with runs that overlap or touch made one."""
    made: list[AdRun] = []
    for run in sorted(runs, key=lambda run: run[:2]):
        if run.last < run.first:
            continue
        if not made or run.first > made[-1].last + 1:
            made.append(run)
            continue
        before = made[-1]
        later = run if run.last >= before.last else before
        # Of two that touch, what is behind the second one decides how the sides meet.
        made[-1] = before._replace(last=later.last, open_end=later.open_end, joined=later.joined)
    return tuple(made)
