"""The registry of one edge, with everything that it needs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from redis.asyncio import Redis

from config.runtime.logging import get_logger
from config.runtime.redis import open_redis
from config.runtime.sessions.calls import FAILURES
from config.runtime.sessions.errors import SessionStoreError
from config.runtime.sessions.store import SessionStore
from config.runtime.tasks import BackgroundTasks, heed_cancellation
from config.settings.load import Settings
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings
from edge import metrics
from edge.sessions.admission import Admissions
from edge.sessions.control import SessionControl
from edge.sessions.flusher import Flusher
from edge.sessions.journal import SUFFIX, Journal
from edge.sessions.keeping import Keeper
from edge.sessions.ledger import EventLedger, NoLedger
from edge.sessions.orders import Orders
from edge.sessions.outgoing import Outgoing, Teller
from edge.sessions.recovery import recover
from edge.sessions.table import Table

log = get_logger(__name__)

_TICK_SECONDS = 1.0
_KEPT_SECONDS = 600.0
_PATIENT_SECONDS = 3.0
_PATIENT_POOL = 4
_LAST_WORDS_SECONDS = 3.0
_READY_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 5.0


@asynccontextmanager
async def open_registry(
    settings: Settings,
    *,
    folder: Path | None,
    node: str,
    revoke: Callable[[str], Awaitable[None]] | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[SessionControl]:
    """All sessions of this edge, with other edges if there is Redis.

    ``folder`` keeps what the catalog has not stored yet, if there is one; ``node`` names this edge in events;
    ``revoke`` ends the tokens of a grant's session, for those that are kicked.
    """
    if settings.redis.url is None:
        control = alone(settings.sessions, revoke=revoke, clock=clock)
        async with BackgroundTasks() as tasks:
            tasks.start("sessions", lambda: _tick(control))
            yield control
            await control.close()
        return
    async with (
        open_redis(settings.redis) as quick,  # for those who wait
        open_redis(patiently(settings.redis)) as client,
    ):
        shared = Together(
            settings, quick, client, folder=folder, node=node, revoke=revoke, clock=clock
        )
        try:
            async with BackgroundTasks() as tasks:
                await shared.get_ready()
                tasks.start("sessions", shared.tick_on)
                tasks.start("leases of sessions", shared.flusher.run)
                tasks.start("events of sessions", shared.tell_on)
                tasks.start("orders about sessions", shared.orders.run)
                yield shared.control
                await shared.control.close()
            await shared.say_last_words()
        finally:
            shared.close()


def alone(
    settings: SessionSettings,
    *,
    revoke: Callable[[str], Awaitable[None]] | None = None,
    clock: Callable[[], float] = time.time,
) -> SessionControl:
    """The registry of an edge that knows no other and tells nobody."""
    table = _new_table(settings, secrets.token_hex(8))
    admissions = Admissions(table, settings, store=None, clock=clock)
    return SessionControl(table, NoLedger(), admissions, settings, clock=clock, revoke=revoke)


class Together:
    """The registry of an edge that shares a Redis with others, and what keeps it going."""

    def __init__(
        self,
        settings: Settings,
        quick: Redis,
        client: Redis,
        *,
        folder: Path | None,
        node: str,
        revoke: Callable[[str], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        sessions = settings.sessions
        self.boot = secrets.token_hex(8)
        self.table = _new_table(sessions, self.boot)
        self.outgoing = Outgoing(self.boot, most_bytes=sessions.journal_bytes // 2)
        self.keeper: Keeper | None = None
        if folder is not None:
            self.keeper = Keeper(
                Journal(folder / f"{self.boot}{SUFFIX}"),
                self.table,
                self.outgoing,
                most_bytes=sessions.journal_bytes,
                clock=clock,
            )
        self.ledger = EventLedger(
            self.outgoing,
            self.keeper,
            node=node,
            report_seconds=sessions.report.total_seconds(),
            clock=clock,
        )
        store = SessionStore(client, sessions, edge=node, clock=clock)
        quick_store = SessionStore(quick, sessions, edge=node, clock=clock)
        admissions = Admissions(self.table, sessions, store=quick_store, clock=clock)
        self.control = SessionControl(
            self.table, self.ledger, admissions, sessions, clock=clock, revoke=revoke
        )
        self.flusher = Flusher(
            store,
            self.control,
            flush_seconds=sessions.flush.total_seconds(),
            most=sessions.most,
            clock=clock,
        )
        self.orders = Orders(settings.redis, store, obey=self.control.obey)
        self.teller = Teller(self.outgoing, most=sessions.events, clock=clock)
        self.control.flusher, self.control.orders = self.flusher, self.orders
        self.control.shared = store
        admissions.on_loss = self.flusher.look_for_loss
        self._stores = store, quick_store
        self._client = client
        self._folder = folder
        self._node = node

    async def get_ready(self) -> None:
        """Agree with the other edges, if Redis is there, so that nobody waits for it; take over what was left to us."""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for store in self._stores:
                    await store.renew(0, [])
        except (*FAILURES, SessionStoreError) as error:
            log.error("sessions begin without Redis", error=str(error))
        await self._recover()

    async def _recover(self) -> None:
        if self._folder is None or self.keeper is None:
            return
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            await recover(
                self._folder,
                self.control,
                self.outgoing,
                self.keeper,
                boot=self.boot,
                node=self._node,
            )
        except OSError as error:
            log.error("what was not stored before is not told now", error=str(error))

    async def tick(self) -> None:
        """What is due by the clock."""
        self.control.tick()
        self.ledger.turn()
        if self.keeper is not None:
            await self.keeper.turn()

    async def tell(self) -> None:
        """Pass events on to the catalog. Redis errors as they are."""
        is_news = await self.teller.turn(self._client)
        if is_news and self.keeper is not None:
            self.keeper.stored(self.outgoing.stored)

    async def tick_on(self) -> None:
        """Look at the clock until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(_TICK_SECONDS)

    async def tell_on(self) -> None:
        """Tell until cancelled; survives Redis being away."""
        pause = _TICK_SECONDS
        while True:
            heed_cancellation()
            try:
                await self.tell()
                pause = _TICK_SECONDS
            except FAILURES as error:
                if pause == _TICK_SECONDS:
                    waiting = len(self.outgoing)
                    log.warning("events for the catalog wait", error=str(error), waiting=waiting)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            metrics.SESSION_EVENTS_WAITING.set(len(self.outgoing))
            await asyncio.sleep(pause)

    async def say_last_words(self) -> None:
        """The catalog hears of everything that was given, if it can; the journal keeps it in any case."""
        self.control.tick()
        self.ledger.turn(everything=True)
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self.tell()
        if self.keeper is not None:
            await self.keeper.turn(sync=True)

    def close(self) -> None:
        """Let go of the journal."""
        if self.keeper is not None:
            self.keeper.close()


def patiently(settings: RedisSettings) -> RedisSettings:
    """For work that nobody waits for."""
    seconds = timedelta(seconds=_PATIENT_SECONDS)
    return settings.model_copy(
        update={
            "pool_size": _PATIENT_POOL,
            "command_timeout": max(seconds, settings.command_timeout),
            "acquire_timeout": max(seconds, settings.acquire_timeout),
            "connect_timeout": max(seconds, settings.connect_timeout),
        }
    )


def _new_table(settings: SessionSettings, boot: str) -> Table:
    idle = settings.idle.total_seconds()
    return Table(
        boot,
        idle_seconds=idle,
        paused_seconds=settings.paused.total_seconds(),
        kept_seconds=max(_KEPT_SECONDS, 2 * idle),
        most=settings.most,
    )


async def _tick(control: SessionControl) -> None:
    while True:
        control.tick()
        await asyncio.sleep(_TICK_SECONDS)
