"""Whether a rendition counts discontinuities as the leading one does: the same segment has the same number in both."""

from __future__ import annotations

from edge.manifests.ads.hls.ledger import Ledger
from edge.manifests.ads.hls.places_in_time import Clock
from edge.manifests.ads.hls.record import Group
from edge.manifests.ads.hls.timeline import Timeline


def lead_over_breaks(ledger: Ledger, timeline: Timeline) -> int:
    """By how much the leader's own numbers are higher than what its group's breaks tell the others to count.

    0 also while a break is going on.
    """
    if timeline.is_open or ledger.is_open:
        return 0
    return ledger.latest_shift - timeline.latest_shift


def lead_over(group: Group, ledger: Ledger, timeline: Timeline, clock: Clock) -> int:
    """By how much a rendition's discontinuity numbers are higher than the leader's for the same segments.

    They are compared at the last segment that both list, behind all breaks. 0 also where nothing can be compared: a
    break is going on, or the origin itself counts otherwise in the two.
    """
    leader = group.renditions.get(group.leader or "")
    if leader is None or group.until is None or timeline.is_open:
        return 0
    if leader.gaps and leader.gaps[-1][1] >= leader.mark[0]:
        return 0
    window = ledger.window
    for position in reversed(range(min(len(window), ledger.decided + 1 - window.first))):
        if clock.middle(position) < group.until:
            break
    else:
        return 0
    number = window.first + position
    if not (timeline.is_behind_all(clock.middle(position)) and ledger.is_behind_all(number)):
        return 0
    if ledger.origin_d(number) != leader.mark[1]:
        return 0
    return ledger.latest_shift - timeline.latest_shift
