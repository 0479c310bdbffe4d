"""The life of one session at one edge: what its workers gave, when it was heard of, why it ended. Has no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from config.contracts.advice import Advised
from config.contracts.sessions import Counted, Playing, Quality, SessionStart, StopReason
from edge.sessions.registry import Report

# What Redis knows of it: nothing yet, that it plays, or that there was no room (it came from elsewhere, unasked).
Place = Literal["none", "held", "over"]

# Ends after which no request of the session is answered.
BARRED: tuple[StopReason, ...] = ("evicted", "kicked")

_NOTHING = Quality()


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker told last of one of its lives of the session."""

    life: int
    counted: Counted
    quality: Quality | None  # None: nothing was heard


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session as operators see it."""

    start: SessionStart
    counted: Counted
    quality: Quality
    state: Literal["open", "paused", "ended"]
    seen_at: float  # seconds since the epoch
    revision: int
    reason: StopReason | None = None

    def to_json(self) -> dict[str, Any]:
        """Nothing in it opens or locates anything."""
        start = self.start
        return {
            "session": start.id,
            "subject": start.subject,
            "content": start.content,
            "state": self.state,
            "reason": self.reason,
            "revision": self.revision,
            "started_at": start.started_at,
            "ends_at": start.ends_at,
            "seen_at": round(self.seen_at, 3),
            "device": start.device,
            "agent": start.agent,
            "country": start.country,
            "network": start.network,
            "limit": start.limit,
            "counted": self.counted.to_json(),
            "quality": self.quality.to_json(),
        }


class Session:
    """One entry of the registry."""

    __slots__ = (
        "active_ms",
        "advised",
        "base",
        "base_quality",
        "cap",
        "due_at",
        "ended_at",
        "flushed_at",
        "index",
        "is_admitted",
        "is_kept",
        "is_provisional",
        "name",
        "number",
        "parts",
        "paused_at",
        "place",
        "reason",
        "rendition",
        "revision",
        "seen_at",
        "start",
        "told",
        "touched",
    )

    def __init__(
        self, start: SessionStart, *, index: int, name: str, now: float, revision: int = 1
    ) -> None:
        self.start = start
        self.index = index  # no other session of this boot has it
        self.name = name  # of its figures: a session that is forgotten and comes back has others
        self.revision = revision
        self.seen_at = now  # seconds since the epoch
        self.active_ms = 0  # of all workers together
        self.paused_at: float | None = None
        self.reason: StopReason | None = None  # None: it goes on
        self.ended_at = 0.0
        self.parts: dict[str, Part] = {}  # by worker
        self.base: Counted | None = None  # what workers gave that tell no more
        self.base_quality: Quality | None = None
        self.rendition = ""  # of its last segment
        self.is_admitted = False  # counted against its limit
        self.is_provisional = False  # begun while Redis was away
        self.place: Place = "none"
        self.flushed_at = 0.0
        self.cap: int | None = None
        self.advised: Advised | None = None
        self.due_at = 0.0  # when the registry looks at it next
        self.touched = 0  # grows with each change
        self.told = -1  # ``touched`` when its figures were made an event last
        self.number = 0  # of that event
        self.is_kept = False  # the journal knows who it is

    @property
    def id(self) -> str:
        return self.start.id

    @property
    def is_open(self) -> bool:
        return self.reason is None

    @property
    def is_told(self) -> bool:
        """Whether an event says everything that is known."""
        return self.told == self.touched

    @property
    def at(self) -> float:
        """The moment that its figures are of: for one that timed out its last sign of life."""
        if self.reason is None or self.reason == "timeout":
            return self.seen_at
        return self.ended_at

    def counted(self) -> Counted:
        """Everything given, by all workers."""
        total = Counted(active_ms=self.active_ms)
        if self.base is not None:
            total.add(self.base)
        for part in self.parts.values():
            total.add(part.counted)
        return total

    def quality(self) -> Quality:
        """Everything heard, by all workers."""
        total = Quality()
        if self.base_quality is not None:
            total.add(self.base_quality)
        for part in self.parts.values():
            if part.quality is not None:
                total.add(part.quality)
        return total

    def state(self) -> SessionState:
        """A copy for operators."""
        shown: Literal["open", "paused", "ended"] = "open"
        if self.reason is not None:
            shown = "ended"
        elif self.paused_at is not None:
            shown = "paused"
        return SessionState(
            start=self.start,
            counted=self.counted(),
            quality=self.quality(),
            state=shown,
            seen_at=self.seen_at,
            revision=self.revision,
            reason=self.reason,
        )

    def playing(self) -> Playing:
        """As a refusal lists it."""
        start = self.start
        return Playing(
            session=start.id,
            content=start.content,
            device=start.device,
            started_at=start.started_at,
        )

    def heard(self, at: float, *, idle_seconds: float) -> None:
        """A sign of life at ``at``; the time since the last one counts, unless the viewer was away in between."""
        gap = at - self.seen_at
        if gap <= 0:
            return
        if gap < idle_seconds:
            self.active_ms += round(gap * 1000)
        self.seen_at = at
        self.touched += 1

    def take(self, worker: str, report: Report, *, now: float, idle_seconds: float) -> bool:
        """Know what ``worker`` says; False if it is not news."""
        before = self.touched
        known = self.parts.get(worker)
        if known is None or _is_newer(report, known):
            if known is not None and report.life > known.life:
                self._fold(known)
            quality = None if report.quality == _NOTHING else replace(report.quality)
            self._notice_rendition(known, report)
            self.parts[worker] = Part(report.life, report.counted, quality)
            self.touched += 1
        self.heard(min(report.seen_at, now), idle_seconds=idle_seconds)
        if report.seen_at >= self.seen_at or self.touched != before:
            self._pause(report)
        return self.touched != before

    def retire(self, worker: str) -> None:
        """Keep what a worker gave that tells no more."""
        part = self.parts.pop(worker, None)
        if part is not None:
            self._fold(part)

    def renew(self, start: SessionStart) -> None:
        """Its tokens hold longer than was known."""
        if start.ends_at > self.start.ends_at:
            self.start = replace(self.start, ends_at=start.ends_at)

    def end(self, reason: StopReason, *, now: float) -> None:
        """It is over, until its viewer comes back."""
        self.reason = reason
        self.ended_at = max(now, self.seen_at)
        self.paused_at = None
        self.is_admitted = self.is_provisional = False
        self.touched += 1

    def reopen(self, *, now: float) -> None:
        """Its viewer came back."""
        self.reason = None
        self.revision += 1
        self.seen_at = max(now, self.seen_at)
        self.touched += 1

    def _pause(self, report: Report) -> None:
        if not report.paused or not self.is_open:
            self.paused_at = None
        elif self.paused_at is None:
            self.paused_at = self.seen_at

    def _notice_rendition(self, known: Part | None, report: Report) -> None:
        told = report.counted.renditions
        before = known.counted.renditions if known is not None and known.life == report.life else {}
        if told != before:
            for name, number in told.items():
                if number > before.get(name, 0):
                    self.rendition = name

    def _fold(self, part: Part) -> None:
        if self.base is None:
            self.base = Counted()
        self.base.add(part.counted)
        if part.quality is not None:
            if self.base_quality is None:
                self.base_quality = Quality()
            self.base_quality.add(part.quality)


def due_at(session: Session, *, idle: float, paused: float) -> float:
    """When an open session ends if nothing more is heard of it."""
    silent_at = session.seen_at + idle
    if session.paused_at is not None:
        silent_at = session.paused_at + max(idle, paused)
    return min(silent_at, session.start.ends_at)


def reason_at(session: Session, *, now: float) -> StopReason:
    """Why a session that is due ends."""
    return "expired" if session.start.ends_at <= now else "timeout"


def _is_newer(report: Report, known: Part) -> bool:
    if report.life != known.life:
        return report.life > known.life
    told, before = report.counted, known.counted
    if told.requests < before.requests or told.bytes < before.bytes:
        return False
    return told != before or (report.quality != (known.quality or _NOTHING))
