"""What the catalog is to store: makes events of what happens to sessions, and has the journal know of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from config.contracts.sessions import SessionStart
from config.contracts.stream_events import (
    StreamEvent,
    StreamPart,
    StreamRejected,
    StreamStarted,
    StreamStopped,
    part_or_end,
)
from edge import metrics
from edge.cache.bounded import Bounded
from edge.sessions.journal import Word
from edge.sessions.keeping import Keeper
from edge.sessions.life import Session
from edge.sessions.outgoing import Outgoing

_REJECTED_AGAIN_SECONDS = 60.0
_REJECTED_MOST = 10_000


class Ledger(Protocol):
    """Who is told what happens."""

    def started(self, session: Session) -> None: ...

    def changed(self, session: Session) -> None: ...

    def ended(self, session: Session) -> None: ...

    def rejected(self, start: SessionStart, playing: int) -> None: ...

    def forgotten(self, session: Session) -> None: ...

    def forget(self, subject: str) -> None: ...

    def subjects(self) -> set[str]: ...


class NoLedger:
    """Nobody stores anything."""

    def started(self, session: Session) -> None:
        self.changed(session)

    def changed(self, session: Session) -> None:
        session.told = session.touched

    def ended(self, session: Session) -> None:
        self.changed(session)

    def rejected(self, start: SessionStart, playing: int) -> None:
        """Counted by the caller."""

    def forgotten(self, session: Session) -> None:
        """There is nothing of it."""

    def forget(self, subject: str) -> None:
        """Nothing either."""

    def subjects(self) -> set[str]:
        return set()


class EventLedger:
    """Events are few: figures of a session that goes on are told now and then, and not while the last are unstored."""

    def __init__(
        self,
        outgoing: Outgoing,
        keeper: Keeper | None,
        *,
        node: str,
        report_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._outgoing = outgoing
        self._keeper = keeper
        self._node = node
        self._report = report_seconds
        self._clock = clock
        self._due: dict[str, tuple[float, Session]] = {}  # by age; bounded by the registry
        self._owed: dict[str, Session] = {}  # ends for which there was no room
        self._rejected: Bounded[str, float] = Bounded(_REJECTED_MOST)

    def started(self, session: Session) -> None:
        """It was opened, or goes on."""
        event = StreamStarted(start=session.start, edge=self._node, revision=session.revision)
        if self._add(event) is None:
            metrics.SESSION_DROPPED.labels("event").inc()  # the figures name it in whole, too
        self.changed(session)

    def changed(self, session: Session) -> None:
        """It was given more, or is known better."""
        if self._keeper is not None:
            self._keeper.changed(session)
        if session.is_open:
            self._due.setdefault(session.name, (self._clock() + self._report, session))
        else:
            self._owed[session.name] = session

    def ended(self, session: Session) -> None:
        """It is over."""
        self.changed(session)
        self._pay()

    def rejected(self, start: SessionStart, playing: int) -> None:
        """It was not opened; said once a minute of a player that asks again and again."""
        now = self._clock()
        if now < (self._rejected.get(start.id) or 0.0):
            return
        word = self._add(StreamRejected(start=start, edge=self._node, playing=playing))
        if word is None:
            metrics.SESSION_DROPPED.labels("event").inc()
            return
        self._rejected.put(start.id, now + _REJECTED_AGAIN_SECONDS)
        self._keep(word)

    def forgotten(self, session: Session) -> None:
        """The registry knows it no longer."""
        self._due.pop(session.name, None)
        self._owed.pop(session.name, None)
        if self._keeper is not None:
            self._keeper.forgotten(session)

    def forget(self, subject: str) -> None:
        """Neither the catalog nor the disk is to have anything of a subject from here."""
        self._outgoing.forget(subject)
        if self._keeper is not None:
            self._keeper.anew()

    def subjects(self) -> set[str]:
        """Of whom something waits to be told."""
        return self._outgoing.subjects()

    def turn(self, *, everything: bool = False) -> None:
        """Tell what is due; ``everything``: whatever is known and not told."""
        now = self._clock()
        self._pay()
        later: list[Session] = []
        while self._due:
            name, (due, session) = next(iter(self._due.items()))
            if now < due <= now + self._report and not everything:  # beyond: the clock was set back
                break
            del self._due[name]
            if not session.is_open or session.is_told:
                continue
            if session.number > self._outgoing.stored and not everything:
                later.append(session)  # what is unstored would only be longer
            elif not self._tell(session):
                later.append(session)
                break
        for session in later:
            self._due[session.name] = (now + self._report, session)

    def _pay(self) -> None:
        while self._owed:
            name, session = next(iter(self._owed.items()))
            if not session.is_open and not session.is_told and not self._tell(session):
                return
            del self._owed[name]

    def _tell(self, session: Session) -> bool:
        """Make its figures an event, unless there is no room."""
        word = self._add(event_of(session, self._node))
        if word is None:
            return False
        session.told, session.number = session.touched, word.number
        if not session.is_open:
            self._keep(word)
        return True

    def _add(self, event: StreamEvent) -> Word | None:
        word = self._outgoing.add(event)
        if word is not None:
            metrics.SESSION_EVENTS.labels(event.NAME).inc()
        return word

    def _keep(self, word: Word) -> None:
        if self._keeper is not None:
            self._keeper.said(word)


def event_of(session: Session, node: str) -> StreamPart | StreamStopped:
    """Everything that this boot gave to it, as the catalog stores it."""
    return part_or_end(
        start=session.start,
        edge=node,
        at=session.at,
        counted=session.counted(),
        quality=session.quality(),
        part=session.name,
        reason=session.reason,
        revision=session.revision,
    )
