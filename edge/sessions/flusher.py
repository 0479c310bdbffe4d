"""Tells Redis in turn what plays at this edge: 256 shards over the length of one flush, never all at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

from config.contracts.sessions import Playing, SessionStart
from config.runtime.logging import get_logger
from config.runtime.sessions.calls import FAILURES
from config.runtime.sessions.errors import LimitReached, SessionStoreError, StoreWarming
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import RENEWED_AT_ONCE, Admitted, Renewed
from config.runtime.tasks import heed_cancellation
from edge import metrics
from edge.sessions.life import Session

log = get_logger(__name__)

SHARDS = 256

_ADMITTED_AT_ONCE = 200
_ENDED_AT_ONCE = 200
_SEEN_AT_ONCE = 20  # titles
_SUBJECTS_AT_ONCE = 500


class Store(Protocol):
    """What all edges share."""

    async def admit(
        self, start: SessionStart, record: Record, *, force: bool = False
    ) -> Admitted: ...

    def shard_of(self, subject: str) -> int: ...

    async def renew(self, shard: int, items: Sequence[tuple[SessionStart, Record]]) -> Renewed: ...

    async def end(self, start: SessionStart, *, everywhere: bool = False) -> None: ...

    async def saw(self, content: str, subjects: Iterable[str]) -> None: ...


class Outcomes(Protocol):
    """Who acts on what Redis says."""

    def admitted(self, session: Session, admitted: Admitted) -> None:
        """It counts, and others gave place to it."""

    def no_room(self, session: Session, playing: tuple[Playing, ...]) -> None:
        """As many others play as may."""


def record_of(session: Session) -> Record:
    """What Redis is told of it."""
    return Record.of(
        session.start,
        session.counted(),
        session.quality(),
        seen_at=session.seen_at,
        paused=session.paused_at is not None,
    )


class Flusher:
    """Knows every open session by its shard, those that Redis does not know yet, and those that it is to forget."""

    def __init__(
        self,
        store: Store,
        outcomes: Outcomes,
        *,
        flush_seconds: float,
        most: int,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._outcomes = outcomes
        self._flush = flush_seconds
        self._most = most
        self._clock = clock
        self._shards: list[dict[str, Session]] = [{} for _ in range(SHARDS)]
        self._wanted: dict[str, Session] = {}  # to be admitted, bounded by the registry
        self._queue: deque[Session] = deque()  # of them, the oldest first
        self._gone: dict[str, tuple[SessionStart, bool]] = {}  # to be ended in Redis, bounded
        self._seen: dict[str, set[str]] = {}  # subjects by what they began to watch
        self._seen_count = 0  # bounded
        self._late: dict[int, None] = {}  # shards whose turn has come
        self._epochs: dict[int, int] = {}
        self._flushed_at = [clock()] * SHARDS
        self._next = 0  # shard
        self._turn_at = clock()
        self.is_away = False

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest shard that Redis was told of."""
        sizes = zip(self._flushed_at, self._shards, strict=True)
        return self._clock() - min(
            (at for at, sessions in sizes if sessions), default=self._clock()
        )

    def came(self, session: Session) -> None:
        """It plays: to be renewed, if it is admitted, else to be admitted."""
        shard = self._store.shard_of(session.start.subject)
        if not self._shards[shard]:
            self._flushed_at[shard] = self._clock()
        self._shards[shard][session.id] = session
        self._gone.pop(session.id, None)
        if session.place == "none":
            self._wanted[session.id] = session
        if self._seen_count < self._most:
            subjects = self._seen.setdefault(session.start.content, set())
            self._seen_count += session.start.subject not in subjects
            subjects.add(session.start.subject)

    def went(self, session: Session, *, is_there: bool, everywhere: bool) -> None:
        """It plays no more; ``is_there``: Redis may still hold its place, ``everywhere``: also of other edges."""
        self._shards[self._store.shard_of(session.start.subject)].pop(session.id, None)
        self._wanted.pop(session.id, None)
        if is_there or everywhere:
            self.give_back(session.start, everywhere=everywhere)

    def give_back(self, start: SessionStart, *, everywhere: bool = False) -> None:
        """Free a place in Redis."""
        if len(self._gone) < self._most:  # else its lease ends by itself
            self._gone[start.id] = (start, everywhere)

    def hurry(self) -> None:
        """Tell Redis everything now: it lost what it had."""
        self._late = dict.fromkeys(n for n in range(SHARDS) if self._shards[n])

    def know_epoch(self, subject: str, epoch: int) -> None:
        """Since when Redis has known the shard of a subject that was admitted."""
        self._compare(self._store.shard_of(subject), epoch)

    def look_for_loss(self) -> None:
        """Somebody saw a Redis that had lost what it had: see for ourselves, by the next shard that tells."""
        for shard in self._epochs:
            held = [one for one in self._shards[shard].values() if one.place == "held"]
            if held:
                held[0].flushed_at = 0.0
                self._late[shard] = None
                return

    async def turn(self) -> bool:
        """What is due by now; whether there is more to be done at once."""
        self._call_shards()
        before = len(self._wanted) + len(self._gone)
        try:
            await self._end_gone()
            while self._late:
                heed_cancellation()
                await self._renew_next()
            await self._admit_wanted()
            await self._tell_seen()
        except FAILURES as error:
            self._is_in_trouble("Redis is away: sessions are not renewed", error)
            return False
        except SessionStoreError as error:
            self._is_in_trouble("Redis does not take sessions", error)
            return False
        self.is_away = False
        after = len(self._wanted) + len(self._gone)
        return 0 < after < before

    def _is_in_trouble(self, event: str, error: Exception) -> None:
        if not self.is_away:
            log.error(event, error=str(error))
        self.is_away = True
        metrics.SESSION_FLUSHES.labels("failed").inc()

    def _call_shards(self) -> None:
        now = self._clock()
        step = self._flush / SHARDS
        due = min(int((now - self._turn_at) / step), SHARDS)
        if due < 0:  # the clock was set back
            due = SHARDS
        for _ in range(due):
            if self._shards[self._next]:
                self._late[self._next] = None
            self._next = (self._next + 1) % SHARDS
        self._turn_at = now if due >= SHARDS or due < 0 else self._turn_at + due * step

    async def _renew_next(self) -> None:
        shard = next(iter(self._late))
        del self._late[shard]  # a loss that shows now calls it again
        try:
            await self._renew(shard)
        except BaseException:
            self._late[shard] = None
            raise

    async def _renew(self, shard: int) -> None:
        """Those with a sign of life since the last time; the leases of the others run on to their ends."""
        began = time.perf_counter()
        now = self._clock()
        heard = [
            one
            for one in self._shards[shard].values()
            if one.place == "held"
            and (
                one.seen_at > one.flushed_at
                or one.paused_at is not None
                or one.flushed_at > now  # the clock was set back
            )
        ]
        for sessions in _slices(heard, RENEWED_AT_ONCE):
            seen = [one.seen_at for one in sessions]
            renewed = await self._store.renew(shard, [(o.start, record_of(o)) for o in sessions])
            for session, seen_at in zip(sessions, seen, strict=True):
                session.flushed_at = seen_at
            self._compare(shard, renewed.epoch)
            for id in renewed.gone:
                self._want_again(shard, id)
            metrics.SESSION_FLUSHES.labels("ok").inc()
            metrics.SESSION_FLUSH_SECONDS.observe(time.perf_counter() - began)
        self._flushed_at[shard] = now

    def _want_again(self, shard: int, id: str) -> None:
        session = self._shards[shard].get(id)
        if session is not None and session.is_open:
            session.place = "none"
            self._wanted[id] = session

    def _compare(self, shard: int, epoch: int) -> None:
        known = self._epochs.get(shard)
        self._epochs[shard] = epoch
        if known is not None and known != epoch:
            # Once for each loss, since from here on all shards are looked at anew.
            log.error("Redis lost the running sessions: it is told them again")
            self._epochs = {shard: epoch}
            for sessions in self._shards:
                for session in sessions.values():
                    session.flushed_at = 0.0
            self.hurry()

    async def _admit_wanted(self) -> None:
        """The oldest first, so that what began last finds no room."""
        if not self._queue:
            self._queue.extend(sorted(self._wanted.values(), key=_age))
        for _ in range(min(len(self._queue), _ADMITTED_AT_ONCE)):
            heed_cancellation()
            session = self._queue[0]
            if self._is_wanted(session) and session.is_open and session.place == "none":
                try:
                    admitted = await self._store.admit(session.start, record_of(session))
                except LimitReached as refused:
                    self._settled(session)
                    self._outcomes.no_room(session, refused.playing)
                    continue
                except StoreWarming:
                    return  # what plays is put back by renewals; this one waits
                self.know_epoch(session.start.subject, admitted.epoch)
                if self._is_wanted(session):
                    self._outcomes.admitted(session, admitted)
                else:  # it ended meanwhile
                    await self._store.end(session.start)
            self._settled(session)

    def _settled(self, session: Session) -> None:
        self._queue.popleft()
        if self._is_wanted(session):
            del self._wanted[session.id]

    def _is_wanted(self, session: Session) -> bool:
        """Itself, and not one that came under the same id when it was forgotten."""
        return self._wanted.get(session.id) is session

    async def _tell_seen(self) -> None:
        for content in list(islice(self._seen, _SEEN_AT_ONCE)):
            subjects = self._seen.pop(content)
            told = list(islice(subjects, _SUBJECTS_AT_ONCE))
            try:
                await self._store.saw(content, told)
                subjects.difference_update(told)
                self._seen_count -= len(told)
            finally:
                if subjects:
                    again = self._seen.setdefault(content, set())
                    self._seen_count -= len(again & subjects)  # counted when they came once more
                    again |= subjects

    async def _end_gone(self) -> None:
        for id, gone in list(islice(self._gone.items(), _ENDED_AT_ONCE)):
            start, everywhere = gone
            await self._store.end(start, everywhere=everywhere)
            if self._gone.get(id) is gone:  # else it came back meanwhile, and went again
                del self._gone[id]

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            heed_cancellation()
            has_more = await self.turn()
            await asyncio.sleep(0 if has_more else min(self._flush / SHARDS, 0.2))


def _age(session: Session) -> tuple[int, str]:
    return session.start.started_at, session.id


def _slices(sessions: list[Session], size: int) -> Iterable[list[Session]]:
    for first in range(0, len(sessions), size):
        yield sessions[first : first + size]
