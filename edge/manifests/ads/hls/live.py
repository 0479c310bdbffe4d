"""The live window under policy strip: one step per new version of a playlist, pure and deterministic.

How a caller uses it, per new origin version of a rendition (never on a hit):

    stored = decode(bytes from the store)                       # None: there is none
    group = reconcile(stored, mine, island=...)                 # islands.py; mine: last record this process used
    step = advance(group, path, window, runs_of(found), role=..., now_ms=..., held=...)
    if step.group != stored: write it, compare and set on the version that was read
    # on a conflict: read again, reconcile again, advance again from the winner's record; nothing is merged by hand.
    # The plan of the step that was written is the one to serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edge.manifests.ads.hls.deciding import Decider, Role
from edge.manifests.ads.hls.epochs import bridged, first_group, is_restarted, renewed, started
from edge.manifests.ads.hls.in_step import lead_over, lead_over_breaks
from edge.manifests.ads.hls.islands import raised
from edge.manifests.ads.hls.ledger import Ledger
from edge.manifests.ads.hls.places_in_time import Clock, axis_of, has_dates, start_of
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.record import MAX_RENDITIONS, Axis, Group, Rendition
from edge.manifests.ads.hls.runs import AdRun, merged
from edge.manifests.ads.hls.shown import Shown, show
from edge.manifests.ads.hls.timeline import Timeline, numbered
from edge.manifests.ads.hls.window import Window

Event = Literal["started", "joined", "restarted", "slept", "gapped"]
_NEAR = (
    3  # segments that renditions without dates may be apart and still be placed by their numbers
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one version of one rendition led to."""

    group: Group  # equal to the one passed in: nothing to write
    # None: nothing of this version may be listed and there is nothing to hold (a version from before the window of
    # others, seen by a process without memory): ask the origin again, else answer 503, never an empty playlist.
    plan: Plan | None
    hold: bool = False  # the plan is for the caller's held version, not for the new one
    waits: bool = False  # more could be listed if the leader had come as far
    event: Event | None = None  # for the metric


def advance(
    group: Group | None,
    path: str,
    window: Window,
    runs: Sequence[AdRun],
    *,
    role: Role,
    now_ms: int,
    held: Window | None = None,
    gap_only: bool = False,
    ad_tail: bool = False,
) -> Step:
    """Seal what is new in ``window`` and say what to list.

    ``held`` is the window of the version that the caller last served of this rendition (its bytes are kept beside it);
    without it an all-ad window is marked EXT-X-GAP. ``gap_only``: nothing more is removed, only marked.
    ``ad_tail``: a break opens behind the last segment, before the parts (``AdRun`` with ``open_end`` says it too).
    """
    if not len(window):
        # Nothing can be decided about nothing; a playlist that has begun never becomes empty.
        group = first_group(window, now_ms) if group is None else group
        return Step(group=group, plan=None if path in group.renditions else Plan())
    step, short = _advance(
        group, path, window, runs, role, now_ms, held=held, gap_only=gap_only, ad_tail=ad_tail
    )
    if short > 0 and group is not None:
        # Records that did not know of one another were joined, and what players were told lies beyond it.
        group = raised(group, short)
        step, _ = _advance(
            group, path, window, runs, role, now_ms, held=held, gap_only=gap_only, ad_tail=ad_tail
        )
    return step


def _advance(
    group: Group | None,
    path: str,
    window: Window,
    runs: Sequence[AdRun],
    role: Role,
    now_ms: int,
    *,
    held: Window | None,
    gap_only: bool,
    ad_tail: bool,
) -> tuple[Step, int]:
    """One step, and by how much its EXT-X-DISCONTINUITY-SEQUENCE would go back."""
    work = _Work(group, path, window, role=role, now_ms=now_ms)
    decider = work.decider(merged(runs), gap_only=gap_only, ad_tail=ad_tail)
    decider.decide()
    work.fall_in()
    shown = work.show(decider.ad_tail)
    is_over = window.ended or (held is not None and held.ended) or work.event == "restarted"
    kept = None if is_over else work.show_held(held)
    if kept is not None and (shown is None or work.is_idle(decider, shown, kept)):
        return work.step(decider, kept, hold=True)
    if shown is None and work.unhide():
        work.event = work.event or "gapped"
        shown = work.show(decider.ad_tail or window.parts > 0)
    elif shown is not None and decider.decide_parts():
        shown = work.show(ad_tail=False)
    if shown is None and decider.withheld:
        # The leader cannot be had or is far behind: better what its own evidence says than nothing at all.
        return _advance(
            group,
            path,
            window,
            runs,
            "alone",
            now_ms,
            held=None,
            gap_only=gap_only,
            ad_tail=ad_tail,
        )
    if shown is None:
        return Step(group=work.known, plan=None), 0
    return work.step(decider, shown)


def listing(group: Group, path: str, window: Window) -> Plan | None:
    """The plan of a version that was advanced before, under the record as it is now; None: nothing may be listed."""
    record = group.renditions.get(path)
    shown = None if record is None else _shown_again(Ledger(record, window), record.floor)
    return None if shown is None else shown.plan


def _shown_again(
    ledger: Ledger, floor: tuple[int, int], *, hints_at_ad: bool = False
) -> Shown | None:
    number = ledger.last + 1
    if hints_at_ad:
        is_ad = True
    elif number <= ledger.decided:
        is_ad = ledger.is_removed(number) or ledger.is_gap(number)
    else:
        # Parts of a segment that nobody has decided upon were not listed and are not now.
        is_ad = ledger.ends_in_break or ledger.window.parts > 0
    return show(ledger, floor=floor, ad_tail=is_ad)


class _Work:
    """One step: the group, the rendition and what the two become."""

    def __init__(
        self, group: Group | None, path: str, window: Window, *, role: Role, now_ms: int
    ) -> None:
        self.event: Event | None = None
        self._path, self._window, self._now_ms = path, window, now_ms
        self.known = group = first_group(window, now_ms) if group is None else group
        old = group.renditions.get(path)
        bridge: Rendition | None = None
        if old is not None and is_restarted(old, window, now_ms):
            self.event, bridge, old = "restarted", old, None
            if role == "leads":
                group = renewed(group, window, now_ms)
        if role == "leads":
            group = _led(group, path, window, old)
        self._group = group
        self._is_placed = _can_place(group, window)
        # Where nothing is dated, what follows a break goes on with it, until a date says where it lies.
        self._goes_on = (
            role == "follows" and not self._is_placed and _is_undated(group, window, old)
        )
        is_lost = role == "follows" and not self._is_placed and not self._goes_on
        self._role: Role = "alone" if is_lost else role
        self._clock = Clock(window, group.axis)
        self._timeline = Timeline(group.shift, group.intervals)
        self._fresh = old is None
        if old is None:
            old = started(window, shift=self._shift_here(), drift=self._drift_here())
            if bridge is not None:
                old = bridged(old, bridge, window)
            self.event = self.event or ("started" if not group.renditions else "joined")
        self._record = old
        self._ledger = Ledger(old, window)
        self._told = old.decided  # the last that others may have been told of
        if window.first > old.decided + 1:
            self.event = self.event or "slept"
            self._skip()
        if role == "leads" and self._ledger.settled is not None:
            self._timeline.settle(self._ledger.settled)
        if role == "leads":
            self._meet(lead_over_breaks(self._ledger, self._timeline))

    def decider(self, runs: Sequence[AdRun], *, gap_only: bool, ad_tail: bool) -> Decider:
        return Decider(
            self._ledger,
            self._timeline,
            self._clock,
            role=self._role,
            until=-1 if self._goes_on else self._group.until,
            fresh=self._fresh and not self._window.whole,
            gap_only=gap_only,
            runs=runs,
            ad_tail=ad_tail,
        )

    def fall_in(self) -> None:
        """Count as the leader does, where the two had gone apart."""
        if self._role == "follows":
            self._meet(lead_over(self._group, self._ledger, self._timeline, self._clock))

    def _meet(self, lead: int) -> None:
        """Whoever is behind moves forward: this rendition, or by ``lead`` all others and the group's breaks."""
        if lead == 0:
            return
        is_told = self._ledger.lift(max(-lead, 0), told=self._told) or lead > 0
        if lead > 0:
            self._group = raised(self._group, lead, but=self._path)
            self._timeline = Timeline(self._group.shift, self._group.intervals)
        if is_told:  # segments have other names from now on
            self._group = replace(self._group, jumps=self.known.serial + 1)

    def show(self, ad_tail: bool) -> Shown | None:
        return show(self._ledger, floor=self._record.floor, ad_tail=ad_tail)

    def show_held(self, held: Window | None) -> Shown | None:
        """What the version gives that the caller holds, with all that is decided by now."""
        if held is None or not len(held):
            return None
        record = self._closed(floor=self._record.floor, head=self._record.head)
        tail = Clock(held, self._group.axis).middle(len(held))
        hints_at_ad = self._role == "follows" and self._timeline.at(tail) is not None
        return _shown_again(Ledger(record, held), record.floor, hints_at_ad=hints_at_ad)

    def unhide(self) -> bool:
        """Mark something, because there is nothing else to list; whether there was anything."""
        return self._ledger.unhide()

    def is_idle(self, decider: Decider, shown: Shown, kept: Shown) -> bool:
        """Whether nothing new would be listed, while what is old slides away."""
        if kept.last != shown.last:
            return kept.last > shown.last
        if self._window.parts and not decider.ad_tail and not decider.withheld:
            return False
        in_break = decider.ad_tail or decider.withheld > 0 or self._ledger.ends_in_break
        return in_break and kept.size > shown.size

    def step(self, decider: Decider, shown: Shown, *, hold: bool = False) -> tuple[Step, int]:
        """The record with this version in it, and what to do; by how much discontinuity numbers would go back."""
        head = max(self._record.head, (shown.first, shown.first_d))
        floor = self._record.floor
        floor = (max(floor[0], shown.floor[0]), max(floor[1], shown.floor[1]))
        record = self._closed(floor=floor, head=head)
        group = self._group
        if self._role == "leads":
            begin, end = self._clock.start(0), self._clock.end(len(self._window) - 1)
            self._timeline.forget(begin - (end - begin))
            group = replace(
                group,
                leader=self._path,
                until=decider.until,
                shift=self._timeline.shift,
                intervals=tuple(self._timeline.intervals),
            )
        if record != group.renditions.get(self._path):
            group = replace(
                group, renditions=_bounded({**group.renditions, self._path: record}, group.leader)
            )
        if group != self.known:
            group = replace(group, serial=self.known.serial + 1)
        step = Step(group=group, plan=shown.plan, hold=hold, waits=decider.waits, event=self.event)
        return step, self._record.floor[1] - shown.floor[1]

    def _closed(self, *, floor: tuple[int, int], head: tuple[int, int]) -> Rendition:
        return self._ledger.closed(self._record, floor=floor, head=head, now_ms=self._now_ms)

    def _skip(self) -> None:
        ledger = self._ledger
        open_before = ledger.spans and ledger.spans[-1].shift is None
        ledger.skip(self._shift_here() if self._role == "follows" else None)
        if self._role == "leads" and open_before:
            self._timeline.close(end=None, joined=True, shift=ledger.shift)

    def _shift_here(self) -> int:
        """Given minus origin's discontinuity number at the window's first segment, as the group counts."""
        if self._is_placed:
            return self._timeline.shift_at(self._clock.middle(0))
        return self._timeline.latest_shift

    def _drift_here(self) -> int:
        """What the origin forgot to count before this rendition was seen, as the leader knows it."""
        group = self._group
        leader = group.renditions.get(group.leader or "")
        if leader is None or not leader.drift or not self._is_placed or group.until is None:
            return 0
        # The segment that lies where the leader's newest one does has the same number.
        window = self._window
        near = [at for at in range(len(window)) if self._clock.middle(at) < group.until]
        if not near:
            return 0
        counted = window.discontinuity_sequence + sum(
            1 for at in window.discontinuities if at <= near[-1]
        )
        return leader.mark[1] - counted


def _led(group: Group, path: str, window: Window, old: Rendition | None) -> Group:
    """The group with the axis that its leader's playlist has; breaks are placed by number where that does not hold."""
    if group.leader is None:
        axis = axis_of(window)
        if not Clock(window, axis).is_sound(0, len(window) - 1):
            axis = "elapsed" if window.whole else "numbers"
        return replace(group, axis=axis)
    if _is_sound(group, window, old):
        return group
    if old is None:
        latest = Timeline(group.shift, group.intervals).latest_shift
        return replace(group, axis="numbers", shift=latest, intervals=(), until=None)
    # Others may have to decide yet upon what the leader has: its own record has the breaks by number.
    return replace(
        group,
        axis="numbers",
        shift=old.shift,
        intervals=numbered(old),
        until=start_of(old.decided + 1),
    )


def _is_sound(group: Group, window: Window, old: Rendition | None) -> bool:
    """Whether what is new in the leader's window lies on the group's axis behind all that was decided."""
    if not _has_axis(group.axis, window):
        return False
    clock = Clock(window, group.axis)
    new = 0 if old is None else max(0, old.decided + 1 - window.first)
    if not clock.is_sound(max(new - 1, 0), len(window) - 1):
        return False
    if old is None or not group.intervals or new >= len(window):
        return True
    return clock.middle(new) >= group.intervals[-1].end


def _has_axis(axis: Axis, window: Window) -> bool:
    if axis == "pdt":
        return has_dates(window)
    return axis == "numbers" or window.whole


def _can_place(group: Group, window: Window) -> bool:
    """Whether the leader's breaks can be found in a window."""
    if group.until is None or not _has_axis(group.axis, window):
        return False
    leader = group.renditions.get(group.leader or "")
    if group.axis != "numbers" or leader is None:
        return leader is not None
    return abs(window.first + len(window) - 1 - leader.mark[0]) <= _NEAR


def _is_undated(group: Group, window: Window, old: Rendition | None) -> bool:
    """Whether all of a window is what follows an ad, and only its dates are missing."""
    if old is None or group.axis != "pdt" or group.until is None or window.ended:
        return False
    return (
        Ledger(old, window).ends_in_break
        and window.first <= old.decided + 1
        and not has_dates(window)
    )


def _bounded(renditions: dict[str, Rendition], leader: str | None) -> dict[str, Rendition]:
    """The renditions in use; the one that was not seen for longest makes room."""
    while len(renditions) > MAX_RENDITIONS:
        others = (path for path in renditions if path != leader)
        del renditions[min(others, key=lambda path: renditions[path].seen_ms)]
    return renditions
