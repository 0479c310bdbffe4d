"""What is concluded from all that one player says: pure, one report after another, each with its time."""

from __future__ import annotations

from config.contracts.advice import Advice, Advised
from config.contracts.sessions import Quality
from edge.sessions.cmcd.values import Cmcd
from edge.sessions.numbers import Numbers
from edge.sessions.stalls import Stalls, Teller

LONGEST_START_MS = 600_000
MOST_KBPS = 1_000_000  # on one machine players measure a thousand times what any network gives
MOST_ERRORS = 65_535
_NEW = 0.3  # weight of the newest throughput
_SHORT_MSD_MS = 100  # dash.js says 1 to 87 ms where the picture comes after 250
_ONE_FAULT_SECONDS = 5.0
_VIDEO = ("v", "av")
_BURST_SECONDS = 2.0  # in which a player asks for all that it missed
_NEARLY_EMPTY_MS = 500
_GAP_SECONDS = 5.0  # in which what it says next is still of the same stall
_ROUNDED_MS = 200  # by so much lengths may be off
_GAP_MS = (500, 60_000)  # shorter is chance, longer somebody who was away
_SILENT_SECONDS = 90.0  # after which what was said of the state is no longer believed
_BUFFER_SECONDS = 10.0  # for which a type's buffer is believed without a new report


class Hearing:
    """One player; times are seconds since the epoch on our clock, which the player's need not agree with."""

    __slots__ = (
        "_asked",
        "_asked_at",
        "_audio_at",
        "_audio_ms",
        "_began_at",
        "_began_ts",
        "_by_events",
        "_dry_at",
        "_faulted_at",
        "_first_at",
        "_gap_at",
        "_has_video_rate",
        "_in_haste",
        "_is_heard",
        "_is_starting",
        "_late_at",
        "_late_ms",
        "_left_asked_ms",
        "_left_at",
        "_left_ms",
        "_msd",
        "_offset_ms",
        "_shown_exact",
        "_shown_ms",
        "_state",
        "_told",
        "_told_at",
        "_turned_ts",
        "_video_dry",
        "_videos",
        "advice",
        "advised",
        "quality",
        "stalls",
    )

    def __init__(self) -> None:
        self.quality = Quality()
        self.stalls = Stalls()
        self.advised = Advised()
        self.advice: Advice | None = None  # the latest
        self._asked = Numbers()
        self._told = Numbers()
        self._state: str | None = None
        self._is_starting = False  # it waits, but not since it ran dry
        self._by_events = False  # events tell of its states
        self._turned_ts = 0
        self._offset_ms: float | None = None  # of our clock before the player's
        self._began_at: float | None = None
        self._began_ts: int | None = None
        self._msd = 0
        self._shown_ms: int | None = None
        self._shown_exact = False
        self._first_at: float | None = None  # of a start that this process saw
        self._videos = 0
        self._in_haste = False  # it asked for more than was kept in mind
        self._is_heard = False
        self._late_at = 0.0  # when it asked for more after its buffer was empty
        self._late_ms = 0  # for so long
        self._dry_at: float | None = None  # when the buffer will be empty, by its last report
        self._video_dry = False  # that report was about video
        self._gap_at = 0.0  # of the latest stall that was found by it
        self._left_at = 0.0  # when it came
        self._left_ms = 0  # what it had left to play then
        self._left_asked_ms = 0  # and asked for
        self._has_video_rate = False
        self._audio_ms = 0
        self._audio_at = 0.0
        self._faulted_at = 0.0
        self._asked_at = 0.0  # when it said anything with a request, or by an event
        self._told_at = 0.0

    @property
    def is_paused(self) -> bool:
        """Whether the player says so."""
        return self._state == "a"

    def begins(self, at: float) -> None:
        """It began at ``at``, and asked for more at once than anybody could keep in mind."""
        if not self._is_heard:
            self._is_heard = True
            self._first_at = at
            self._videos = 1  # or more
            self._in_haste = True

    def misses(self) -> None:
        """What it said next could not be kept in mind: how much it has asked for is not known."""
        self._left_asked_ms = -_ROUNDED_MS

    def asks(self, cmcd: Cmcd, at: float) -> None:
        """What came with a request."""
        if not self._asked.take(cmcd):
            return  # a browser or a proxy asked twice
        if self._by_events and at - self._told_at > _SILENT_SECONDS:
            self._forget_state(self._told_at)  # its events come no more
        elif not self._by_events and at - self._asked_at > _SILENT_SECONDS:
            self._forget_state(self._asked_at)
        before, self._asked_at = self._asked_at, at
        state = cmcd.texts.get("sta")
        if not self._is_heard:
            self._is_heard = True
            self._first_at = at if _is_first(cmcd) else None
        has_played = state == "r" and self._state == "s" and self._dry(at) is not None
        if has_played and cmcd.flags.get("bs") and not self._by_events:
            # All that it had was asked for before the picture came: it began without a word, and stalls now.
            self._turn("p", before, None, "request-state")
        self._finds_late(cmcd, at)
        if state is not None and not self._by_events:
            self._turn(state, at, None, "request-state")
        self._lengths(cmcd, at, "request-length")
        if cmcd.flags.get("bs") and not self._by_events:
            self._flag(cmcd, at, "request-flag")
        if cmcd.errors:
            self._faults(at)
        self._shows(cmcd, at)
        self._measures(cmcd, at)
        self._settle(at)

    def tells(self, cmcd: Cmcd, at: float) -> None:
        """An event, which came at ``at`` and may be older."""
        event = cmcd.texts.get("e")
        session = self._told.session
        if event is None or not self._told.take(cmcd):
            return
        if session not in (0, self._told.session):
            # Another page, or another device whose clock is not the last one's.
            self._forget_state(self._told_at)
            self._offset_ms = None
        self._told_at = at
        ts = cmcd.integers.get("ts")
        happened = at if ts is None else self._on_our_clock(ts, at)
        state = cmcd.texts.get("sta")
        if state is not None and ts is not None:
            self._by_events = self._by_events or event == "ps"
            if self._by_events:
                self._turn(state, happened, ts, "event-state")
        self._lengths(cmcd, at, "event-length")
        if cmcd.flags.get("bs") and not self._by_events:
            self._flag(cmcd, at, "event-flag")
        if event == "e" or cmcd.errors:
            self._faults(happened)
        if event != "rr":  # which tells of an answer, with what was true when it was asked for
            self._shows(cmcd, at)
            self._measures(cmcd, at)
        self._settle(at)

    # Playing, and waiting.

    def _turn(self, state: str, at: float, ts: int | None, teller: Teller) -> None:
        if ts is not None:
            if ts < self._turned_ts:
                return  # it came later than what has changed since
            self._turned_ts = ts
        before, self._state = self._state, state
        if state == before:
            return
        if before == "r":
            self.stalls.ended(
                teller, at=at, ts=ts, dry_at=None if ts is not None else self._dry(at)
            )
        if state == "r":
            self.stalls.began(teller, at=at, ts=ts, is_counted=not self._is_starting)
        elif state in ("s", "d", "k"):
            self._is_starting = True
            self._dry_at = None  # what it had left to play is not what it will play
            if state == "s" and self._began_at is None and self._shown_ms is None:
                self._began_at, self._began_ts = at, ts
        elif state == "p":
            self._is_starting = False
            if before == "a":
                self._dry_at = None
            self._played(at, ts)
        elif state == "f" and at - self._faulted_at > _ONE_FAULT_SECONDS:
            self._faults(at)

    def _forget_state(self, at: float) -> None:
        """It was last heard of ``at``, and may have done anything since."""
        self.stalls.ended("request-state", at=at, ts=None, dry_at=None)
        self._state, self._by_events, self._is_starting = None, False, False
        self._turned_ts = 0
        self._dry_at = None
        self._late_ms = 0
        self._began_at = None

    def _lengths(self, cmcd: Cmcd, at: float, teller: Teller) -> None:
        found = cmcd.measures.get("bsd")
        if not found:
            return
        kinds = [kind for _, kind in found]
        # One for each type of object is one stall; several without a type are several.
        lengths = [max(ms for ms, _ in found)] if all(kinds) else [ms for ms, _ in found]
        for ms in lengths:
            self.stalls.lasted(teller, ms, at=at, is_counted=not self._is_starting)

    def _flag(self, cmcd: Cmcd, at: float, teller: Teller) -> None:
        self.stalls.flagged(
            teller,
            at=at,
            dry_at=self._dry(at),
            is_counted=not self._is_starting,
            kind=cmcd.texts.get("ot", ""),
        )

    def _dry(self, at: float) -> float | None:
        """When it must have run dry, as far as requests show; a little while after it has asked for more, too."""
        if self._dry_at is not None and self._dry_at < at:
            return self._dry_at
        if self._late_ms and at - self._late_at <= _BURST_SECONDS:
            return self._late_at - self._late_ms / 1000
        return None

    def _finds_late(self, cmcd: Cmcd, at: float) -> None:
        """Whether what it had left was over before it asks for this; its picture's, where it says that."""
        kind = cmcd.texts.get("ot")
        buffer_ms = cmcd.measure("bl", *(_VIDEO if kind in _VIDEO else ("a",)))
        if buffer_ms is None or kind not in ("v", "av", "a"):
            return
        is_video = kind in _VIDEO
        if not is_video and self._video_dry:
            return
        if self._dry_at is not None and at > self._dry_at:
            self._late_at, self._late_ms = at, round((at - self._dry_at) * 1000)
            self._finds_gap(cmcd, buffer_ms, at)
        self._left_at, self._left_ms = at, buffer_ms
        self._left_asked_ms = min(cmcd.integers.get("d", 0), LONGEST_START_MS)
        self._dry_at, self._video_dry = at + buffer_ms / 1000, is_video

    def _finds_gap(self, cmcd: Cmcd, buffer_ms: int, at: float) -> None:
        """Players without states and flags, such as Shaka: with next to nothing left they have not just paused."""
        if self._state is not None:
            return
        if cmcd.flags.get("su") and buffer_ms <= _NEARLY_EMPTY_MS:
            stood_ms = self._late_ms
        elif (
            0 < buffer_ms <= self._left_asked_ms + _ROUNDED_MS and at > self._gap_at + _GAP_SECONDS
        ):
            # What it asked for before has come, and it has nothing else.
            played_ms = self._left_ms + self._left_asked_ms - buffer_ms
            if played_ms < -_ROUNDED_MS or self._left_ms == 0:
                return  # it began, or went to another place
            stood_ms = round((at - self._left_at) * 1000) - max(0, played_ms)
        else:
            return
        if _GAP_MS[0] <= stood_ms <= _GAP_MS[1]:
            self._gap_at = at
            dry_at = at - stood_ms / 1000
            self.stalls.flagged("request-gap", at=at, dry_at=dry_at, is_counted=True)

    def _faults(self, at: float) -> None:
        self._faulted_at = at
        self.quality.errors = min(self.quality.errors + 1, MOST_ERRORS)

    # The start.

    def _played(self, at: float, ts: int | None) -> None:
        if self._began_at is None or self._shown_exact:
            return
        if ts is not None and self._began_ts is not None:
            self._shown_ms, self._shown_exact = ts - self._began_ts, True
        else:
            self._shown_ms = round((at - self._began_at) * 1000)
        self._began_at = None

    def _shows(self, cmcd: Cmcd, at: float) -> None:
        """Without states, a picture is there about when the second segment is asked for."""
        self._msd = max(self._msd, min(cmcd.integers.get("msd", 0), LONGEST_START_MS))
        if cmcd.texts.get("ot") in _VIDEO and self._first_at is not None:
            self._videos += 1
            if self._videos == 1 and not cmcd.flags.get("su"):
                self._first_at = None  # it has begun elsewhere
            elif self._videos == 2:
                self._estimates_start(self._first_at, at)
        elif self._in_haste and self._first_at is not None and cmcd.measure("bl", "a"):
            self._estimates_start(
                self._first_at, at
            )  # the second of the picture was not kept in mind

    def _estimates_start(self, began_at: float, at: float) -> None:
        if self._state is None and self._shown_ms is None:
            self._shown_ms = round((at - began_at) * 1000)

    def _startup(self) -> int:
        shown = min(self._shown_ms or 0, LONGEST_START_MS)
        if self._shown_exact or self._msd < _SHORT_MSD_MS:
            return max(self._msd, shown)
        return self._msd

    # Figures.

    def _measures(self, cmcd: Cmcd, at: float) -> None:
        measures = cmcd.measures
        if not measures:
            return
        kind = cmcd.texts.get("ot", "")
        quality = self.quality
        if "bl" in measures:
            self._buffer(cmcd, kind, at)
        if "mtp" in measures:
            self._throughput(cmcd, kind)
        if kind in _VIDEO or kind == "":
            played = cmcd.measure("pb", *_VIDEO)
            if played is None and (kind or self._state == "p"):
                played = cmcd.measure("br", *_VIDEO)
            if played is None and (kind or self._state == "p"):
                played = cmcd.measure("ab", *_VIDEO)
            quality.played_kbps = max(quality.played_kbps, min(played or 0, MOST_KBPS))
            top = cmcd.measure("tb", *_VIDEO) or cmcd.measure("tab", *_VIDEO) or 0
            quality.top_kbps = max(quality.top_kbps, quality.played_kbps, min(top, MOST_KBPS))

    def _buffer(self, cmcd: Cmcd, kind: str, at: float) -> None:
        found = {of or kind: ms for ms, of in cmcd.measures["bl"]}
        if "a" in found:
            self._audio_ms, self._audio_at = found["a"], at
        video = found.get("v", found.get("av", found.get("")))
        if video is None:
            video = None if kind in ("v", "av") or self._video_dry else found.get("a")
        if video is None:
            return
        is_known = at - self._audio_at <= _BUFFER_SECONDS
        self.quality.buffer_ms = min(video, self._audio_ms if is_known else video, LONGEST_START_MS)

    def _throughput(self, cmcd: Cmcd, kind: str) -> None:
        of = [one or kind for _, one in cmcd.measures["mtp"]]
        if of and all(one == "a" for one in of):
            if self._has_video_rate:
                return  # small objects come slower
        else:
            self._has_video_rate = True
        new = min(cmcd.measure("mtp", *_VIDEO) or 0, MOST_KBPS)
        if new:
            old = self.quality.throughput_kbps
            self.quality.throughput_kbps = round(old + _NEW * (new - old)) if old else new

    def _settle(self, at: float) -> None:
        quality, stalls = self.quality, self.stalls
        quality.stalls, quality.stall_ms = stalls.count, min(stalls.ms, 2**32 - 1)
        quality.asked_stalls, quality.told_stalls = stalls.asked, stalls.told
        quality.startup_ms = self._startup()
        quality.reports, quality.due = self._told.heard, self._told.due
        quality.lost = self._told.lost
        is_guess = not self._shown_exact and self._shown_ms is not None and not self._msd
        quality.is_estimate = stalls.is_estimate or is_guess
        quality.reported_at = max(quality.reported_at, at)

    def _on_our_clock(self, ts: int, at: float) -> float:
        """When it happened: the report that took the shortest way tells how far the clocks are apart."""
        offset = at * 1000 - ts
        if self._offset_ms is None or offset < self._offset_ms:
            self._offset_ms = offset
        return (ts + self._offset_ms) / 1000


def _is_first(cmcd: Cmcd) -> bool:
    """Whether nothing can have been played before this request."""
    is_early = cmcd.texts.get("ot") in ("m", "i") or cmcd.flags.get("su", False)
    return is_early and not cmcd.measure("bl")
