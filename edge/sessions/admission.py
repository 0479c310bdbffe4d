"""Whether one more session may play: Redis decides for all edges; while it cannot, this edge by what it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from config.contracts.sessions import Playing, SessionStart
from config.runtime.logging import get_logger
from config.runtime.sessions.calls import FAILURES
from config.runtime.sessions.errors import LimitReached, SettingsDiffer, StoreWarming
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import Admitted
from config.settings.sessions import SessionSettings
from edge.errors import NoSessions, TooManyStreams
from edge.sessions.life import Session
from edge.sessions.limits import decide, is_limited
from edge.sessions.table import Table

log = get_logger(__name__)

_AT_ONCE = 8
_TURN_SECONDS = 0.5  # for a turn to ask Redis
_WARM_SECONDS = 0.7  # for other edges to tell Redis what plays


class Asked(Protocol):
    """Who decides for all edges."""

    async def admit(
        self, start: SessionStart, record: Record, *, force: bool = False
    ) -> Admitted: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A session may play."""

    ended: tuple[str, ...] = ()  # ids that were active and gave place
    quiet: tuple[str, ...] = ()  # ids that were silent and gave place
    epoch: int | None = None  # since when Redis, which counts it, knows what plays
    is_provisional: bool = False  # Redis was away: to be asked later

    @property
    def is_counted(self) -> bool:
        """Redis knows."""
        return self.epoch is not None


class Admissions:
    """Asks Redis for those that have a limit; the others need not wait for it."""

    def __init__(
        self,
        table: Table,
        settings: SessionSettings,
        *,
        store: Asked | None,
        clock: Callable[[], float],
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_loss = on_loss  # Redis came back empty
        self._table = table
        self._settings = settings
        self._store = store
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._is_away = False

    async def admit(self, start: SessionStart, record: Record) -> Admission:
        """What it takes, or a ``StreamRefused``; bounded to about a second."""
        if not is_limited(start, self._settings):
            return Admission()
        if self._store is None:
            return self._decided_here(start, is_provisional=False)
        try:
            admitted = await self._asked(self._store, start, record)
        except LimitReached as refused:
            self._is_away = False
            raise TooManyStreams(refused.playing) from refused
        except (*FAILURES, StoreWarming, SettingsDiffer) as error:
            if not self._is_away:
                log.error("nobody can say how many streams play", error=repr(error))
            self._is_away = True
            if self._settings.without_redis == "deny":
                raise NoSessions from error
            return self._decided_here(start, is_provisional=True)
        self._is_away = False
        return Admission(ended=admitted.replaced, quiet=admitted.quiet, epoch=admitted.epoch)

    async def _asked(self, store: Asked, start: SessionStart, record: Record) -> Admitted:
        async with asyncio.timeout(_TURN_SECONDS):
            await self._turns.acquire()
        try:
            return await store.admit(start, record)
        except StoreWarming as warming:
            self.on_loss()
            if warming.seconds > _WARM_SECONDS:
                raise
            await asyncio.sleep(warming.seconds)
            return await store.admit(start, record)
        finally:
            self._turns.release()

    def _decided_here(self, start: SessionStart, *, is_provisional: bool) -> Admission:
        now = self._clock()
        running = self._table.playing(start.subject, but=start.id)
        decision = decide(start, running, self._settings, now=now)
        if decision.is_full:
            raise TooManyStreams(playing(running))
        grace = self._settings.switch_grace.total_seconds()
        quiet = tuple(one.id for one in decision.replaced if now - one.seen_at >= grace)
        ended = tuple(one.id for one in decision.replaced if now - one.seen_at < grace)
        return Admission(ended=ended, quiet=quiet, is_provisional=is_provisional)


def playing(sessions: list[Session]) -> tuple[Playing, ...]:
    """As a refusal lists them."""
    return tuple(one.playing() for one in sorted(sessions, key=lambda one: one.start.started_at))
