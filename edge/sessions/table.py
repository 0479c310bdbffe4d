"""All sessions that one edge knows: found by id and subject, ended when silent, forgotten later. Has no clock."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from config.contracts.sessions import SessionStart, StopReason
from edge.sessions.life import BARRED, Session, due_at, reason_at
from edge.sessions.registry import Report
from edge.sessions.tally import Tally

_LOOK_AGAIN_SECONDS = 30.0
_AHEAD_SECONDS = (
    60.0  # no sign of life can be this far in the future, unless the clock was set back
)


class Table:
    """Bounded: with ``most`` sessions, the one that ended first makes room; if none has ended there is no room."""

    def __init__(
        self,
        boot: str,
        *,
        idle_seconds: float,
        paused_seconds: float,
        kept_seconds: float,
        most: int,
    ) -> None:
        self.tally = Tally()
        self.dropped = 0  # entries that made room before all of them was told
        self.forgotten: list[Session] = []  # since somebody looked last
        self._boot = boot
        self._idle = idle_seconds
        self._paused = paused_seconds
        self._kept = kept_seconds  # after the end: late reports and viewers who come back find it
        self._most = most
        self._sessions: dict[str, Session] = {}
        self._ended: dict[str, None] = {}  # in the order of their ends
        self._of: dict[str, list[str]] = {}  # ids of open ones by subject
        self._due: list[tuple[float, str]] = []
        self._latest = 0.0  # that anybody said it was
        self._names = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def find(self, id: str) -> Session | None:
        return self._sessions.get(id)

    def playing(self, subject: str, *, but: str = "") -> list[Session]:
        """Open sessions of a subject."""
        return [self._sessions[id] for id in self._of.get(subject, ()) if id != but]

    def open(self, start: SessionStart, *, now: float, revision: int = 1) -> Session | None:
        """The session, open; None if there is no room."""
        session = self._sessions.get(start.id)
        if session is None:
            if not self._has_room():
                return None
            self._names += 1
            name = f"{self._boot}.{self._names}"
            session = Session(
                _sharing(start), index=self._names, name=name, now=now, revision=revision
            )
            self._sessions[start.id] = session
        elif session.is_open:
            session.renew(start)
            return session
        else:
            session.renew(start)
            session.reopen(now=now)
            del self._ended[start.id]
        self._of.setdefault(session.start.subject, []).append(start.id)
        self.tally.came(session)
        self._look_at(session, self._due_at(session))
        return session

    def heard(self, session: Session, *, now: float) -> None:
        """A sign of life."""
        self._heed_clock(session, now)
        session.heard(now, idle_seconds=self._idle)

    def take(self, session: Session, worker: str, report: Report, *, now: float) -> bool:
        """Know what a worker says; False if it is not news."""
        self._heed_clock(session, now)
        rendition, was_paused = session.rendition, session.paused_at is not None
        is_news = session.take(worker, report, now=now, idle_seconds=self._idle)
        if session.is_open:
            if session.rendition != rendition:
                self.tally.switched(session, rendition)
            self.tally.paused += (session.paused_at is not None) - was_paused
        return is_news

    def end(self, session: Session, reason: StopReason, *, now: float) -> None:
        """It is over; nothing happens if it was over before, unless it is to be barred now."""
        if not session.is_open:
            if reason in BARRED and session.reason not in BARRED:
                session.reason = reason
                session.touched += 1
            return
        self.tally.went(session)
        ids = self._of[session.start.subject]
        ids.remove(session.id)
        if not ids:
            del self._of[session.start.subject]
        session.end(reason, now=now)
        self._ended[session.id] = None
        self._look_at(session, self._forget_at(session))

    def end_due(self, *, now: float, most: int = 1000) -> list[Session]:
        """End those that were silent for too long or may play no longer, and forget what ended long ago."""
        ended: list[Session] = []
        if now < self._latest - _AHEAD_SECONDS:  # the clock was set back
            for one in self._sessions.values():
                self._heed_clock(one, now)
        self._latest = now
        while self._due and self._due[0][0] <= now and len(ended) < most:
            at, id = heapq.heappop(self._due)
            session = self._sessions.get(id)
            if session is None or session.due_at != at:
                continue  # looked at since, at another time
            session.due_at = 0.0
            if session.is_open:
                if (due := self._due_at(session)) <= now:
                    self.end(session, reason_at(session, now=now), now=now)
                    ended.append(session)
                else:
                    self._look_at(session, due)
            elif (due := self._forget_at(session)) > now:
                self._look_at(session, due)
            elif not session.is_told:
                self._look_at(session, now + _LOOK_AGAIN_SECONDS)
            else:
                self._forget(session)
        return ended

    def forget(self, session: Session) -> None:
        """Know nothing of it any more."""
        if session.is_open:
            self.end(session, "stop", now=session.seen_at)
        self._forget(session)

    def _has_room(self) -> bool:
        if len(self._sessions) < self._most:
            return True
        for id in islice(self._ended, 1):
            session = self._sessions[id]
            if not session.is_told:
                self.dropped += 1
            self._forget(session)
            return True
        return False

    def _forget(self, session: Session) -> None:
        del self._sessions[session.id]
        del self._ended[session.id]
        self.forgotten.append(session)

    def _heed_clock(self, session: Session, now: float) -> None:
        if session.seen_at > now + _AHEAD_SECONDS:
            session.seen_at = now
            if session.paused_at is not None:
                session.paused_at = min(session.paused_at, now)
            if session.is_open:
                self._look_at(session, self._due_at(session))

    def _due_at(self, session: Session) -> float:
        return due_at(session, idle=self._idle, paused=self._paused)

    def _forget_at(self, session: Session) -> float:
        at = max(session.seen_at, session.ended_at) + self._kept
        return max(at, session.start.ends_at) if session.reason in BARRED else at

    def _look_at(self, session: Session, at: float) -> None:
        """Look at it at ``at``, unless that is done before."""
        if not session.due_at or at < session.due_at:
            session.due_at = at
            heapq.heappush(self._due, (at, session.id))


def _sharing(start: SessionStart) -> SessionStart:
    """The same with texts in common with other sessions."""
    return replace(
        start,
        content=sys.intern(start.content),
        agent=sys.intern(start.agent),
        country=sys.intern(start.country),
    )
