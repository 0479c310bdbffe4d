"""What of a window is listed, as its ledger has it."""

from __future__ import annotations

from typing import NamedTuple

from edge.manifests.ads.hls.ledger import Ledger
from edge.manifests.ads.hls.plan import Hole, Plan, Run


class Shown(NamedTuple):
    """A listing and its ends."""

    plan: Plan
    first: int  # number at the origin of the first listed segment
    last: int
    size: int
    floor: tuple[int, int]  # EXT-X-MEDIA-SEQUENCE and EXT-X-DISCONTINUITY-SEQUENCE
    first_d: int  # discontinuity number at the origin of the first listed segment


def show(ledger: Ledger, *, floor: tuple[int, int], ad_tail: bool) -> Shown | None:
    """All decided segments that stay and have a number not below the floor; None if there are none."""
    least, least_d = floor
    window, end = ledger.window, min(ledger.last, ledger.decided)
    listed: list[tuple[int, int]] = []
    sequence = shift = 0
    for piece in ledger.pieces():
        # A floor that lies above what this window gives hides its oldest segments.
        first = max(piece.first, window.first, least + piece.removed, ledger.start)
        last = min(piece.last, end)
        if first > last:
            continue
        if not listed:
            sequence, shift = first - piece.removed, piece.shift
        listed.append((first, last))
    if not listed:
        return None
    first, last = listed[0][0], listed[-1][1]
    # The header counts the tag before the first segment until its origin drops it; of what was said to be dropped the
    # older versions of other edges have it still, behind segments that are not listed any more.
    tagged = first - window.first in window.discontinuities
    header = ledger.origin_d(first) + shift - tagged
    bare = header < least_d and tagged
    if bare:
        tagged, header = False, header + 1
    plan = Plan(
        holes=_holes(ledger, first, end, tagged=tagged),
        gaps=_gaps(ledger, first, end),
        held=ledger.last - end,
        media_sequence=None if sequence == window.first else sequence,
        discontinuity_sequence=None if header == window.discontinuity_sequence else header,
        ad_tail=ad_tail,
        bare=bare and first == window.first,
    )
    size = sum(stop - start + 1 for start, stop in listed)
    return Shown(plan, first, last, size, (sequence, header), ledger.origin_d(first))


def _holes(ledger: Ledger, first: int, end: int, *, tagged: bool) -> tuple[Hole, ...]:
    origin = ledger.window.first
    holes = [Hole(0, first - 1 - origin, joined=tagged)] if first > origin else []
    for span in ledger.spans:
        if span.first > first and span.first <= end:
            last = min(span.last, end)
            # In a version that ends inside a removed run nothing follows; in the one after it something may.
            holes.append(Hole(span.first - origin, last - origin, joined=span.joined is not False))
    return tuple(holes)


def _gaps(ledger: Ledger, first: int, end: int) -> tuple[Run, ...]:
    origin = ledger.window.first
    return tuple(
        Run(max(start, first) - origin, min(last, end) - origin)
        for start, last in ledger.gaps
        if start <= end and last >= first
    )
