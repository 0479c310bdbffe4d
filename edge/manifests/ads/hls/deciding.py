"""Which of the segments that are new in a window stay, are marked or go; what was decided is never decided again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge.manifests.ads.hls.ledger import Ledger
from edge.manifests.ads.hls.places_in_time import Clock
from edge.manifests.ads.hls.runs import AdRun
from edge.manifests.ads.hls.timeline import Timeline

# leads: decides for its group; follows: the group's breaks decide, never beyond Group.until (fetch and advance the
# leader first); alone: by its own evidence (no group, leader not to be had, its times cannot be mapped).
Role = Literal["leads", "follows", "alone"]
Fate = Literal["keep", "mark", "cut"]


class Decider:
    """Works through one window; the ledger keeps the rendition's side, the timeline the group's."""

    def __init__(
        self,
        ledger: Ledger,
        timeline: Timeline,
        clock: Clock,
        *,
        role: Role,
        until: int | None,
        fresh: bool,
        gap_only: bool,
        runs: Sequence[AdRun],
        ad_tail: bool,
    ) -> None:
        self._ledger = ledger
        self._timeline = timeline
        self._clock = clock
        self._role = role
        self.until = until
        self._follows = role == "follows" or (role == "leads" and fresh and until is not None)
        self._fresh = fresh
        self._gap_only = gap_only
        self._runs = runs
        self._told_tail = ad_tail
        self.withheld = 0
        self.waits = False  # something is left out because the leader has not come so far
        self.ad_tail = False

    def decide(self) -> None:
        """Seal every whole segment that is new and may be."""
        ledger, window = self._ledger, self._ledger.window
        total = len(window)
        begin = max(0, ledger.decided + 1 - window.first)
        run_at = _Runs(self._runs)
        for position in range(begin, total):
            if self._is_beyond(position):
                self.withheld, self.waits = total - position, True
                break
            self._seal(position, run_at(position))
        if self._role == "leads" and begin < total:
            self.until = max(self.until or 0, self._clock.end(total - 1))
        self.ad_tail = self._is_tail_ad()

    def decide_parts(self) -> bool:
        """Seal the unfinished segment of which parts are listed: it stays; whether that changed anything."""
        ledger, window = self._ledger, self._ledger.window
        number = ledger.last + 1
        if not window.parts or self.ad_tail or self.withheld or number <= ledger.decided:
            return False
        self._close(number)
        ledger.keep(number)
        if self._role == "leads":
            self.until = max(self.until or 0, self._clock.end(len(window)))
        return True

    # --- one segment

    def _seal(self, position: int, run: AdRun | None) -> None:
        ledger = self._ledger
        number = ledger.window.first + position
        fate, key, rule = self._fate(position, run)
        if fate == "cut" and ledger.cut(number):
            self._tell(position, gapped=False, key=key, rule=rule)
            return
        self._close(number)
        if fate == "mark" and ledger.mark(number):
            self._tell(position, gapped=True, key=key, rule=rule)
        else:
            ledger.keep(number)

    def _fate(self, position: int, run: AdRun | None) -> tuple[Fate, str, str]:
        if self._follows:
            middle = self._clock.middle(position)
            if self._role == "follows" or (self.until is not None and middle < self.until):
                interval = self._timeline.at(middle)
                if interval is not None:
                    marks = interval.gapped or self._gap_only
                    return ("mark" if marks else "cut"), interval.key, interval.rule
                if self.until is None or middle < self.until:
                    return "keep", "", ""
        if run is None:
            return "keep", "", ""
        number = self._ledger.window.first + position
        # Where numbering begins, nothing may depend on what is not seen: such breaks stay where they are to their end.
        goes_on = self._ledger.is_gap(number - 1) and (position == 0 or run.first < position)
        marks = self._fresh or self._gap_only or goes_on
        return ("mark" if marks else "cut"), run.key, run.rule

    def _is_beyond(self, position: int) -> bool:
        """Whether the leader has not come so far; of an ended playlist nothing is waited for."""
        if self._role != "follows" or self.until is None or self._ledger.window.ended:
            return False
        return self._clock.middle(position) >= self.until

    def _is_tail_ad(self) -> bool:
        """Whether what is listed behind the last segment is to be left out."""
        ledger, total = self._ledger, len(self._ledger.window)
        number = ledger.last + 1
        if number <= ledger.decided:
            return ledger.is_removed(number) or ledger.is_gap(number)
        if self._role == "follows":
            if self._timeline.at(self._clock.middle(total)) is not None:
                return True
            if not self._is_beyond(total):
                return False
            # A hint promises nothing, but parts would seal a segment that the leader has not decided upon.
            self.waits = self.waits or ledger.window.parts > 0
            return ledger.ends_in_break or ledger.window.parts > 0
        return self._told_tail or any(
            run.first >= total or (run.open_end and run.last >= total - 1) for run in self._runs
        )

    # --- joins

    def _close(self, number: int) -> None:
        ledger = self._ledger
        span = ledger.open_span
        if span is None:
            return
        whole = number <= ledger.last
        position = number - ledger.window.first
        if self._role == "follows":
            found = self._timeline.removed_before(self._clock.middle(position))
            if found is not None and found.joined is not None:
                self._close_like(number, found.joined, found.shift if whole else None)
                return
        joined = True
        if span.first == ledger.start and ledger.window.whole:
            joined = False  # nothing before it to be joined to
        elif whole and span.first > ledger.window.first:
            joined = not ledger.window.contiguous(span.first - 1 - ledger.window.first, position)
        ledger.close(number, joined=joined)
        if self._role == "leads":
            end = self._clock.start(position)
            self._timeline.close(end=end, joined=joined, shift=ledger.spans[-1].shift)

    def _close_like(self, number: int, joined: bool, shift: int | None) -> None:
        """As the leader's break is closed, so that all renditions count alike."""
        ledger, span = self._ledger, self._ledger.spans[-1]
        if shift is not None:
            here = ledger.origin_d(number)
            if span.first == ledger.start:
                # Nothing before it was ever listed: it begins where the leader is.
                ledger.close(number, joined=joined, shift=max(shift, span.before - here))
                return
            if ledger.is_gap(span.first - 1) and here + shift == span.before:
                joined = False  # of what is only marked nothing plays
            else:
                joined = joined or here + shift == span.before + 1
        ledger.close(number, joined=joined)

    def _tell(self, position: int, *, gapped: bool, key: str, rule: str) -> None:
        if self._role == "leads":
            start, end = self._clock.start(position), self._clock.end(position)
            shift = self._ledger.latest_shift
            self._timeline.add(start, end, gapped=gapped, shift=shift, key=key, rule=rule)


class _Runs:
    """Which run a position is in, asked in rising order."""

    def __init__(self, runs: Sequence[AdRun]) -> None:
        self._rest = iter(runs)
        self._run = next(self._rest, None)

    def __call__(self, position: int) -> AdRun | None:
        while self._run is not None and self._run.last < position:
            self._run = next(self._rest, None)
        return self._run if self._run is not None and self._run.first <= position else None
