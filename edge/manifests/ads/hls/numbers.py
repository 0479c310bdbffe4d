"""Between the origin's segment numbers and those given out: blocking reloads and rendition reports."""

from __future__ import annotations

from typing import NamedTuple

from edge.manifests.ads.hls.ledger import Ledger
from edge.manifests.ads.hls.live import listing
from edge.manifests.ads.hls.record import Group, Rendition
from edge.manifests.ads.hls.window import Window


class Tail(NamedTuple):
    """Where a stripped playlist ends, in both numberings."""

    origin: int  # the origin's last whole segment
    given: int  # number given to the last whole segment that is listed
    parts: int  # listed parts behind it
    in_break: bool  # the origin's end is ad material, or not decided yet

    def asked(self, msn: int) -> int:
        """What to ask the origin for, as ``_HLS_msn``, when a player waits for ``msn``; ``_HLS_part`` stays the same.

        In a break this is the origin's next segment and may bring no answer: wait one target duration, not longer.
        """
        return self.origin + (1 if self.in_break else max(msn - self.given, 1))


def tail(group: Group, path: str, window: Window) -> Tail | None:
    """Where the playlist ends that ``listing`` gives for this version; None if it lists nothing."""
    plan, record = listing(group, path, window), group.renditions.get(path)
    if plan is None or record is None:
        return None
    ledger = Ledger(record, window)
    last = min(ledger.last, ledger.decided)
    ends = plan.held > 0 or plan.ad_tail or ledger.is_removed(last) or ledger.is_gap(last)
    # The number of the next one that stays, less one, is that of the last one that does.
    return Tail(
        origin=ledger.last,
        given=ledger.given_of(last + 1) - 1,
        parts=0 if plan.held or plan.ad_tail else window.parts,
        in_break=ends,
    )


def report(group: Group, path: str, msn: int, part: int | None) -> tuple[int, int | None] | None:
    """EXT-X-RENDITION-REPORT's LAST-MSN and LAST-PART of the rendition at ``path``, as given out; None: drop it."""
    record = group.renditions.get(path)
    found = None if record is None else _told(record, msn, part)
    # What lies before all that is listed is of a run of the origin that nobody has asked for yet.
    return None if record is None or found is None or found[0] < record.floor[0] else found


def _told(record: Rendition, msn: int, part: int | None) -> tuple[int, int | None] | None:
    gone = record.removed
    for span in record.spans:
        if span.first <= msn <= span.last or (span.last == record.decided and msn > span.last):
            # In a break: the last segment before it, of which all parts are there.
            return span.first - 1 - gone, None
        if span.last < msn:
            gone += span.size
    if msn <= record.decided and msn >= record.start:
        return msn - gone, part
    if msn < record.start:
        return None
    # Of what this edge has not seen yet nothing is promised.
    whole = min(record.mark[0], record.decided)
    return whole - gone, None
