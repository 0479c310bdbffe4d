"""All sessions of one edge, in its parent process: what workers tell it, and what operators want of it."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from config.contracts.advice import Advised, Sample, advise, cap_of, ladder_up_to
from config.contracts.sessions import (
    Counted,
    Playing,
    Quality,
    SessionStart,
    StopReason,
    short_id,
)
from config.runtime.logging import get_logger
from config.runtime.sessions.calls import FAILURES
from config.runtime.sessions.errors import SessionStoreError
from config.runtime.sessions.orders import Order, OrderKind
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import Admitted
from config.settings.sessions import SessionSettings
from edge import metrics
from edge.cache.bounded import Bounded
from edge.errors import EdgeError, NoSessions, StreamEnded, TooManyStreams
from edge.feed import Sent
from edge.sessions.admission import Admission, Admissions
from edge.sessions.flusher import Flusher, record_of
from edge.sessions.ledger import Ledger
from edge.sessions.life import BARRED, Session, SessionState
from edge.sessions.limits import is_limited
from edge.sessions.registry import Answer, Report
from edge.sessions.table import Table
from edge.sessions.tally import LiveCounts

log = get_logger(__name__)

_NAMES_MOST = 100_000
_ENDS_MOST = 100_000  # that a worker was not told yet
_SILENT_SECONDS = 600.0  # after which nothing is kept to be told to a worker
_AT_ONCE = 1000
_SECRET_SECONDS = 1.0

# Ends that are the same at every edge.
_EVERYWHERE: tuple[StopReason, ...] = ("stop", "expired", "kicked", "evicted")


class Audience(Protocol):
    """The other edges."""

    async def tell(self, kind: OrderKind, session: str, subject: str) -> Sent: ...

    def tell_soon(self, kind: OrderKind, session: str, subject: str) -> None: ...


class Shared(Protocol):
    """What all edges know together of subjects and titles."""

    async def mark(self, subject: str) -> str: ...

    async def secret(self) -> bytes: ...

    async def viewers(self, content: str, days: int = 1) -> int: ...

    async def forget(self, subject: str) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of an operator's wish."""

    here: int  # sessions of this edge
    told: bool  # other edges know it, or there are none


@dataclass(slots=True)
class _Worker:
    told_at: float
    ends: dict[str, StopReason] = field(default_factory=dict)
    caps: dict[str, int | None] = field(default_factory=dict)
    forgotten: Bounded[str, int] = field(default_factory=lambda: Bounded(_ENDS_MOST))

    def forgotten_up_to(self, session: str) -> int:
        """The latest of its lives there of which nothing is to be known any more."""
        life = self.forgotten.get(session)
        return -1 if life is None else life


class SessionControl:
    """Implements ``Registry``. Without Redis it has no flusher, orders and shared knowledge, and decides alone."""

    def __init__(
        self,
        table: Table,
        ledger: Ledger,
        admissions: Admissions,
        settings: SessionSettings,
        *,
        clock: Callable[[], float],
        revoke: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.flusher: Flusher | None = None
        self.orders: Audience | None = None
        self.shared: Shared | None = None
        self._table = table
        self._ledger = ledger
        self._admissions = admissions
        self._settings = settings
        self._clock = clock
        self._revoke = revoke
        self._secret = secrets.token_bytes(32)
        self._workers: dict[str, _Worker] = {}
        self._retired: Bounded[str, None] = Bounded(_NAMES_MOST)
        self._barred: Bounded[str, StopReason] = Bounded(_NAMES_MOST)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()
        self._is_full = False

    async def open(self, start: SessionStart, *, joins: bool) -> None:
        """Admit a session, or raise a ``StreamRefused``; see ``Registry``."""
        session = self._table.find(start.id)
        if session is not None and session.is_open and (joins or session.is_admitted):
            session.renew(start)
            self._table.heard(session, now=self._clock())
            return
        # A worker that waits no longer must not cancel what Redis is doing.
        await asyncio.shield(self._own(self._open(start, joins=joins)))

    async def tell(self, worker: str, reports: Sequence[Report]) -> Answer:
        """Take in what has changed at ``worker``."""
        if worker in self._retired:
            log.warning("a worker that had ended tells of sessions", worker=worker)
            return Answer()
        now = self._clock()
        known = self._workers.setdefault(worker, _Worker(now))
        known.told_at = now
        unknown: list[str] = []
        forgotten: list[str] = []
        ended: dict[str, StopReason] = {}
        for report in reports:
            if report.life <= known.forgotten_up_to(report.id):
                forgotten.append(report.id)  # it counts what is to be forgotten, too
                continue
            session = self._table.find(report.id)
            if session is None:
                barred = self._barred.get(report.id)
                if barred is None:
                    unknown.append(report.id)
                else:
                    ended[report.id] = barred
                continue
            if self._table.take(session, worker, report, now=now):
                self._ledger.changed(session)
            if session.reason is not None:
                ended[report.id] = session.reason
            elif self._settings.cap_manifests and report.quality.reported_at:
                self._advise(session, now)
        ended |= {id: reason for id, reason in known.ends.items() if self._is_over(id)}
        caps, known.ends, known.caps = known.caps, {}, {}
        return Answer(unknown=tuple(unknown), forgotten=tuple(forgotten), ended=ended, caps=caps)

    async def stop(self, session: str) -> None:
        """The player says that it has ended."""
        found = self._table.find(session)
        if found is not None and found.is_open:
            self._end(found, "stop")

    def retire(self, worker: str) -> None:
        """That process has ended: what it gave is kept, and it is not heard any more."""
        self._workers.pop(worker, None)
        for session in self._table:
            session.retire(worker)
        self._retired.put(worker, None)

    def listed(
        self,
        *,
        subject: str | None = None,
        content: str | None = None,
        after: str = "",
        most: int = 100,
    ) -> list[SessionState]:
        """Those that play at this edge, by id."""
        among = self._table if subject is None else self._table.playing(subject)
        found = (
            one
            for one in among
            if one.is_open and one.id > after and content in (None, one.start.content)
        )
        return [one.state() for one in heapq.nsmallest(most, found, key=lambda one: one.id)]

    def shown(self, id: str) -> SessionState | None:
        """One that plays here, or ended lately."""
        session = self._table.find(id)
        return None if session is None else session.state()

    def counts(self) -> LiveCounts:
        """How many play at this edge, by few names."""
        return self._table.tally.counts(titles=self._settings.titles_shown)

    async def viewers(self, content: str, days: int = 1) -> int | None:
        """How many subjects, about, began to watch it at any edge; None: nobody can say now."""
        if self.shared is None:
            return None
        try:
            return await self.shared.viewers(content, days)
        except FAILURES:
            return None

    async def secret(self) -> bytes:
        """What subjects and addresses are hashed with; this process's own if Redis cannot be asked now."""
        if self.shared is not None:
            try:
                async with asyncio.timeout(_SECRET_SECONDS):
                    return await self.shared.secret()
            except (*FAILURES, SessionStoreError) as error:
                log.error("this edge hashes addresses unlike the others", error=str(error))
        own = self._settings.key
        return self._secret if own is None else own.get_secret_value().encode()

    async def kick(self, id: str, *, reason: str = "") -> Done:
        """End it wherever it plays, its tokens too; nothing of it is answered from now on."""
        session = self._table.find(id)
        is_here = session is not None and session.is_open
        log.info("session kicked", session=id, here=is_here, reason=reason)
        self._bar(id, "kicked")
        subject = "" if session is None else session.start.subject
        told = self.orders is None or await self.orders.tell("kick", id, subject) == "sent"
        if session is not None:
            await self._revoke_tokens(session)
        return Done(here=int(is_here), told=told)

    async def forget(self, subject: str) -> Done:
        """Know nothing of a subject any more, here and at other edges; what it plays on is a new session."""
        here = await self._forget(lambda session: _is_equal(session, subject))
        self._ledger.forget(subject)
        told = True
        if self.shared is not None and self.orders is not None:
            try:
                await self.shared.forget(subject)
            except (*FAILURES, SessionStoreError) as error:
                log.error("a subject is not forgotten in Redis", error=str(error))
                told = False
            told = await self.orders.tell("forget", "", subject) == "sent" and told
        return Done(here=here, told=told)

    async def obey(self, order: Order) -> None:
        """Do what another edge or the catalog says."""
        if order.kind == "forget":
            shared = self.shared
            if shared is not None and order.mark:

                async def is_meant(session: Session) -> bool:
                    return await shared.mark(session.start.subject) == order.mark

                await self._forget(is_meant)
                for subject in self._ledger.subjects():  # whose sessions the table knows no longer
                    if await shared.mark(subject) == order.mark:
                        self._ledger.forget(subject)
            return
        session = self._table.find(order.session)
        self._bar(order.session, "kicked" if order.kind == "kick" else "evicted")
        if order.kind == "kick" and session is not None:
            try:
                await self._revoke_tokens(session)
            except EdgeError as error:
                log.error("tokens of a kicked session hold on", error=str(error))

    def tick(self) -> None:
        """What time brings: sessions that have been silent end, and are forgotten later."""
        now = self._clock()
        for session in self._table.end_due(now=now):
            self._ended(session)
        heard = now - _SILENT_SECONDS
        self._workers = {name: one for name, one in self._workers.items() if one.told_at > heard}
        for session in self._take_forgotten():
            self._ledger.forgotten(session)
        if self._table.dropped:
            metrics.SESSION_DROPPED.labels("figures").inc(self._table.dropped)
            self._table.dropped = 0
        metrics.SESSIONS_ACTIVE.set(self._table.tally.sessions)
        if self.flusher is not None:
            metrics.SESSION_FLUSH_LAG.set(self.flusher.lag_seconds)

    def adopt(
        self, start: SessionStart, *, seen_at: float, revision: int, reason: StopReason | None
    ) -> None:
        """A session that the process before this one knew: if it played it goes on, or ends by being silent."""
        session = self._table.find(start.id)
        if session is not None:
            session.revision = max(session.revision, revision + (reason is not None))
        elif reason in BARRED:
            self._barred.put(start.id, reason)
        elif reason is None:
            session = self._table.open(start, now=seen_at, revision=revision)
            if session is not None:
                session.is_admitted = True
                session.place = "held"  # as far as we know; a renewal shows
                self._came(session)
                self._ledger.changed(session)

    def admitted(self, session: Session, admitted: Admitted) -> None:
        """Redis admitted what was opened without asking it."""
        session.place = "held"
        session.is_admitted = True
        session.is_provisional = False
        for id in admitted.quiet:
            self._end_quiet(id)
        for id in admitted.replaced:
            self._bar(id, "evicted")
            if self.orders is not None:
                self.orders.tell_soon("evict", id, session.start.subject)

    def no_room(self, session: Session, playing: tuple[Playing, ...]) -> None:
        """Redis says that too many play: what counted ends, what only came along is asked at its next manifest."""
        session.place = "over"
        if session.is_admitted:
            self._end(session, "limit")

    async def close(self) -> None:
        """Let what is under way end."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _open(self, start: SessionStart, *, joins: bool) -> None:
        lock = self._turns.get(start.id) or asyncio.Lock()
        self._turns[start.id] = lock
        async with lock:
            session = self._table.find(start.id)
            self._refuse_barred(start.id)
            if session is not None and session.is_open and (joins or session.is_admitted):
                return
            if not joins:
                await self._admit(start, session)
            elif session is None or session.reason != "limit":  # or its next manifest is refused
                self._begin(start, Admission(), is_admitted=not is_limited(start, self._settings))

    async def _admit(self, start: SessionStart, session: Session | None) -> None:
        now = self._clock()
        record = Record.of(start, Counted(), Quality(), seen_at=now)
        if session is not None:
            record = replace(record_of(session), seen_at=now, paused=False)
        try:
            admission = await self._admissions.admit(start, record)
        except TooManyStreams as refused:
            metrics.SESSION_STARTS.labels("rejected").inc()
            self._ledger.rejected(start, len(refused.playing))
            raise
        except NoSessions:
            metrics.SESSION_STARTS.labels("undecided").inc()
            raise
        if admission.epoch is not None and self.flusher is not None:
            self.flusher.know_epoch(start.subject, admission.epoch)
        try:
            self._refuse_barred(start.id)  # meanwhile
            self._begin(start, admission, is_admitted=True)
        except (StreamEnded, NoSessions):
            if admission.is_counted and self.flusher is not None:
                self.flusher.give_back(start)
            raise
        for id in admission.quiet:
            self._end_quiet(id)
        for id in admission.ended:
            self._bar(id, "evicted")
            if self.orders is not None and admission.is_counted:
                await self.orders.tell("evict", id, start.subject)

    def _begin(self, start: SessionStart, admission: Admission, *, is_admitted: bool) -> None:
        now = self._clock()
        before = self._table.find(start.id)
        was_open = before is not None and before.is_open
        session = self._table.open(start, now=now)
        if session is None:
            metrics.SESSION_STARTS.labels("full").inc()
            if not self._is_full:
                log.error("this edge follows as many sessions as it can")
            self._is_full = True
            raise NoSessions
        self._is_full = False
        session.is_admitted = is_admitted
        session.is_provisional = admission.is_provisional
        session.place = "held" if admission.is_counted else "none"
        session.flushed_at = now
        self._came(session)
        metrics.SESSION_STARTS.labels(_result(session, admission)).inc()
        if not was_open:
            self._ledger.started(session)

    def _came(self, session: Session) -> None:
        if self.flusher is not None:
            self.flusher.came(session)

    def _end(self, session: Session, reason: StopReason) -> None:
        """It is over, or is to be barred now though it was over before."""
        was_open = session.is_open
        self._table.end(session, reason, now=self._clock())
        if was_open:
            self._ended(session)
        else:
            self._ledger.ended(session)
            self._have_workers_know(session)

    def _ended(self, session: Session) -> None:
        reason = session.reason
        if reason is None:
            return
        metrics.SESSION_ENDS.labels(reason).inc()
        self._ledger.ended(session)
        self._have_workers_know(session)
        if self.flusher is not None:
            is_there, session.place = session.place == "held", "none"
            self.flusher.went(session, is_there=is_there, everywhere=reason in _EVERYWHERE)

    def _have_workers_know(self, session: Session) -> None:
        for name in session.parts:
            worker = self._workers.get(name)
            if worker is not None and session.reason is not None and len(worker.ends) < _ENDS_MOST:
                worker.ends[session.id] = session.reason

    def _have_workers_forget(self, session: Session) -> None:
        for name, part in session.parts.items():
            if (worker := self._workers.get(name)) is not None:
                worker.forgotten.put(session.id, part.life)

    def _end_quiet(self, id: str) -> None:
        """Its viewer may come back, if there is room then."""
        session = self._table.find(id)
        if session is not None and session.is_open:
            self._end(session, "timeout")

    def _bar(self, id: str, reason: StopReason) -> None:
        """End it for good."""
        if self._barred.get(id) != "kicked":
            self._barred.put(id, reason)
        session = self._table.find(id)
        if session is not None and session.reason not in BARRED:
            self._end(session, reason)

    def _refuse_barred(self, id: str) -> None:
        session = self._table.find(id)
        if id in self._barred or (session is not None and session.reason in BARRED):
            metrics.SESSION_STARTS.labels("barred").inc()
            raise StreamEnded

    def _is_over(self, id: str) -> bool:
        session = self._table.find(id)
        return session is None or not session.is_open

    def _advise(self, session: Session, now: float) -> None:
        quality = session.quality()
        ladder = ladder_up_to(quality.top_kbps)
        session.advised, _ = advise(
            session.advised or Advised(), Sample.of(quality), ladder, now=now
        )
        cap = cap_of(session.advised, ladder)
        if cap != session.cap:
            session.cap = cap
            for name in session.parts:
                if name in self._workers:
                    self._workers[name].caps[session.id] = cap

    async def _revoke_tokens(self, session: Session) -> None:
        """Those of a grant for this alone: one for a list of titles lets the others play on."""
        start = session.start
        if self._revoke is not None and start.id == short_id(start.grant):
            await self._revoke(start.grant)

    async def _forget(self, is_meant: Callable[[Session], Awaitable[bool]]) -> int:
        count = 0
        subjects: set[str] = set()
        for number, session in enumerate(list(self._table), start=1):
            if await is_meant(session) and self._table.find(session.id) is session:
                count += 1
                subjects.add(session.start.subject)
                if session.is_open and self.flusher is not None:
                    self.flusher.went(session, is_there=False, everywhere=False)
                self._have_workers_forget(session)
                self._table.forget(session)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        for session in self._take_forgotten():
            self._ledger.forgotten(session)
        for subject in subjects:
            self._ledger.forget(subject)
        return count

    def _take_forgotten(self) -> list[Session]:
        forgotten, self._table.forgotten = self._table.forgotten, []
        return forgotten

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, even if the caller has left


async def _is_equal(session: Session, subject: str) -> bool:
    return session.start.subject == subject


def _result(session: Session, admission: Admission) -> str:
    if admission.is_provisional:
        return "provisional"
    if session.revision > 1:
        return "back"
    return "admitted" if session.is_admitted else "joined"
