"""Stalls of one player, each counted once, however many ways it is told of: by states, a length, or a bare flag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# Who says it: a change of state, a length, or the flag of version 1, in an event or with a request; or nobody, but what
# it had left to play was over before it asked for more.
Teller = Literal[
    "event-state",
    "request-state",
    "event-length",
    "request-length",
    "event-flag",
    "request-flag",
    "request-gap",
]

LONGEST_MS = 3_600_000
MOST_STALLS = 65_535
_MOST_REMEMBERED = 4
_REMEMBERED_SECONDS = 60.0
_ALIKE_MS = 1000  # lengths of one stall as two tell of it
_TOGETHER_SECONDS = 5.0  # in which it is told of for the picture and for the sound
_RANKS: dict[str, int] = {"flag": 1, "state": 2, "length": 3}


@dataclass(slots=True)
class _Stall:
    at: float  # when it was told of last, on our clock
    is_counted: bool  # not while it begins to play, or after a seek
    ms: int = 0
    rank: int = 0  # of what says how long it was
    tellers: set[Teller] = field(default_factory=set)
    flags: set[tuple[Teller, str]] = field(default_factory=set)  # and for which type of object


class Stalls:
    """What is known of them; times are seconds of our clock, but for ``ts`` in ms of the player's."""

    __slots__ = (
        "_began_at",
        "_began_ts",
        "_open",
        "_recent",
        "asked",
        "count",
        "is_estimate",
        "ms",
        "told",
    )

    def __init__(self) -> None:
        self.count = 0
        self.ms = 0
        self.asked = 0  # of them, those that only requests told of
        self.told = 0  # those that only events told of
        self.is_estimate = False
        self._recent: list[_Stall] = []
        self._open: _Stall | None = None
        self._began_at = 0.0
        self._began_ts: int | None = None

    def began(self, teller: Teller, *, at: float, ts: int | None, is_counted: bool) -> None:
        """The player has stopped to wait for data."""
        if self._open is not None:
            self._tell(self._open, teller)
            return
        # One that was told of after this one began is this one: reports of states may come late.
        known = (one for one in self._fresh(at) if teller not in one.tellers and one.at >= at)
        stall = next(known, None) or self._new(at, is_counted=is_counted)
        self._tell(stall, teller)
        self._open, self._began_at, self._began_ts = stall, at, ts

    def ended(self, teller: Teller, *, at: float, ts: int | None, dry_at: float | None) -> None:
        """It goes on; ``dry_at``: when its buffer must have run out, as far as one can tell."""
        stall, self._open = self._open, None
        if stall is None:
            return
        stall.at = max(stall.at, at)
        if ts is not None and self._began_ts is not None:
            self._lasts(stall, ts - self._began_ts, _RANKS["state"])
            return
        since = self._began_at if dry_at is None else min(self._began_at, dry_at)
        self.is_estimate = self.is_estimate or stall.is_counted
        self._lasts(stall, round((at - since) * 1000), _RANKS["flag"])

    def lasted(self, teller: Teller, ms: int, *, at: float, is_counted: bool) -> None:
        """One has ended that took so long."""
        for stall in self._fresh(at):
            # What is not known well, or did not count, may have been shorter.
            is_vague = stall is self._open or stall.rank <= _RANKS["flag"] or not stall.is_counted
            if teller not in stall.tellers and (
                abs(stall.ms - ms) <= _ALIKE_MS or (is_vague and (ms <= stall.ms or stall.rank < 2))
            ):
                break
        else:
            stall = self._new(at, is_counted=is_counted)
        self._tell(stall, teller)
        if stall is not self._open:
            self._lasts(stall, ms, _RANKS["length"])

    def flagged(
        self, teller: Teller, *, at: float, dry_at: float | None, is_counted: bool, kind: str = ""
    ) -> None:
        """There was one since the last report of that teller for that type of object."""
        for stall in self._fresh(at):
            # dash.js says it once for the picture and once for the sound, of one and the same stall.
            is_other = (teller, kind) not in stall.flags and at - stall.at <= _TOGETHER_SECONDS
            if teller not in stall.tellers or is_other:
                self._tell(stall, teller)
                stall.flags.add((teller, kind))
                return
        stall = self._new(at, is_counted=is_counted)
        self._tell(stall, teller)
        stall.flags.add((teller, kind))
        self.is_estimate = self.is_estimate or is_counted
        if dry_at is not None:
            self._lasts(stall, round((at - dry_at) * 1000), _RANKS["flag"])

    def _new(self, at: float, *, is_counted: bool) -> _Stall:
        stall = _Stall(at, is_counted)
        self._recent.append(stall)
        del self._recent[:-_MOST_REMEMBERED]
        if is_counted:
            self.count = min(self.count + 1, MOST_STALLS)
        return stall

    def _tell(self, stall: _Stall, teller: Teller) -> None:
        before = {_way(one) for one in stall.tellers}
        stall.tellers.add(teller)
        after = before | {_way(teller)}
        if stall.is_counted and after != before:
            self.asked += (after == {"request"}) - (before == {"request"})
            self.told += (after == {"event"}) - (before == {"event"})

    def _lasts(self, stall: _Stall, ms: int, rank: int) -> None:
        """The best that is known of its length."""
        if rank <= stall.rank:
            return
        ms = min(max(ms, 0), LONGEST_MS)
        if stall.is_counted:
            self.ms = max(0, self.ms + ms - stall.ms)
        stall.ms, stall.rank = ms, rank

    def _fresh(self, at: float) -> list[_Stall]:
        """Those that somebody may still tell of, the oldest first."""
        return [
            one for one in self._recent if one is self._open or at - one.at <= _REMEMBERED_SECONDS
        ]


def _way(teller: Teller) -> str:
    return teller.partition("-")[0]
