"""The workers of one edge: each slot has a socket that outlives its processes, which follow one another on it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from config.runtime.logging import get_logger
from config.runtime.processes import ProgramFailed
from config.settings.load import Settings
from edge import metrics
from edge.counting import forget_live
from edge.processes.handover import Followed, Handover
from edge.processes.link import Table
from edge.processes.pauses import Pauses
from edge.processes.worker import CannotWork, Worker, WorkerFailed

log = get_logger(__name__)

_BEAT_SECONDS = 1.0

# How long a client with an open connection has to send a request and be told to close it.
_LINGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Settings that were read whole and found good."""

    settings: Settings
    keys_file: Path | None


def follows_sessions(checked: Checked) -> bool:
    """Whether there can be sessions: they are wanted, and some token is good, unlike at a plain proxy."""
    settings, tokens = checked.settings, checked.settings.tokens
    has_keys = checked.keys_file is not None or tokens.jwks_url is not None or bool(tokens.signers)
    return settings.sessions.enabled and has_keys


@dataclass(slots=True, kw_only=True, eq=False)
class _Order:
    """A slot shall go over to other settings."""

    checked: Checked
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def fail(self, reason: str) -> None:
        """The slot stays with what it has."""
        if not self.done.done():
            self.done.set_exception(WorkerFailed(reason))


class Fleet:
    """Keeps one worker per socket running for the length of an ``async with`` block."""

    def __init__(
        self,
        checked: Checked,
        sockets: list[socket.socket],
        *,
        folder: Path,
        on_prepared: Callable[[Worker], Awaitable[None]],
    ) -> None:
        self.checked = checked
        self.folder = folder
        self.on_prepared = on_prepared  # before the new worker serves anybody
        self.followed: Followed | None = None  # for workers that are started from then on
        self.on_ended: Callable[[Worker], None] = lambda worker: None
        self.numbers = itertools.count()
        self.carry_secret = secrets.token_urlsafe()
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.slots = [_Slot(self, index, sock) for index, sock in enumerate(sockets)]
        self._keepers: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()

    @property
    def workers(self) -> list[Worker]:
        """Every process that takes orders, also those that are about to serve or to leave."""
        return [worker for slot in self.slots for worker in slot.workers]

    @property
    def all_ready(self) -> bool:
        """Whether each slot has somebody who serves."""
        return all(slot.address is not None for slot in self.slots)

    async def serves(self) -> bool:
        """``all_ready`` as a check of readiness."""
        return self.all_ready

    async def until_failed(self) -> None:
        """Wait until the edge cannot work at all, then raise ``ProgramFailed``."""
        raise ProgramFailed(await asyncio.shield(self.failed))

    async def until_up(self) -> None:
        """Wait until every slot has served once."""
        await self._up.wait()

    async def roll(self, checked: Checked, *, reason: str) -> None:
        """Replace every worker, one after another; ``WorkerFailed`` leaves the present ones in place.

        The first worker tries the settings for all.
        """
        for slot in self.slots:
            await slot.go_over(checked)
            metrics.WORKER_RESTARTS.labels(reason).inc()
            self.checked = checked

    def publish(self) -> None:
        """Tell everybody where everybody is."""
        if self.all_ready:
            self._up.set()
        for worker in self.workers:
            worker.tell_table(self._table_for(worker))

    def tell_closing(self) -> None:
        """The edge is about to leave: clients shall find another one."""
        for worker in self.workers:
            worker.tell_closing()

    def _table_for(self, worker: Worker) -> Table:
        """Where its siblings are; one with other settings, in mid-reload, might not know an origin."""
        settings = worker.handover.settings
        return tuple(slot.address_for(settings) for slot in self.slots)

    async def __aenter__(self) -> Self:
        self._keepers = [
            asyncio.create_task(slot.keep(), name=f"slot {slot.index}") for slot in self.slots
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        # All at once: each may take its whole drain time.
        await asyncio.gather(*(slot.close() for slot in self.slots))


class _Slot:
    """One listening socket and the processes on it: one that serves, and perhaps one that leaves."""

    def __init__(self, fleet: Fleet, index: int, sock: socket.socket) -> None:
        self.index = index
        self._fleet = fleet
        self._sock = sock
        self._current: Worker | None = None
        self._coming: Worker | None = None
        self._leaving: dict[Worker, asyncio.Task[None]] = {}
        self._orders: asyncio.Queue[_Order] = asyncio.Queue(maxsize=1)
        self._open_orders: set[_Order] = set()
        self._has_served = False

    @property
    def workers(self) -> list[Worker]:
        found = list(self._leaving)
        if self._current is not None and self._current.running:
            found.append(self._current)
        if self._coming is not None and self._coming.prepared:
            found.append(self._coming)
        return found

    @property
    def address(self) -> Path | None:
        return None if self._current is None else self._current.address

    def address_for(self, settings: Settings) -> Path | None:
        current = self._current
        same = current is not None and current.handover.settings is settings
        return self.address if same else None

    async def go_over(self, checked: Checked) -> None:
        """Replace the present worker; ``WorkerFailed`` if its successor does not come up."""
        order = _Order(checked=checked)
        self._open_orders.add(order)
        try:
            await self._orders.put(order)
            await order.done
        finally:
            self._open_orders.discard(order)

    async def keep(self) -> None:
        """Have a worker at all times, whatever happens to it."""
        pauses = Pauses()
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self._revive()
        while True:
            current = self._current
            if current is not None:
                order = await self._order_or_end(current)
                if order is None:
                    await self._bury(current)
                    pauses.ended(loop.time() - started)
            else:
                order = await self._order_within(pauses.next() * random.uniform(0.5, 1.0))
                if order is None:
                    started = loop.time()
                    await self._revive()
            if order is not None:
                started = loop.time()
                await self._replace(order)

    async def close(self) -> None:
        """Let every process finish, or end those that never served."""
        for order in self._open_orders:
            order.fail("the edge is about to end")
        if self._coming is not None:
            self._coming.kill()
            await self._coming.close()
        if self._current is not None:
            await self._leave(self._current, linger_seconds=0)
        await asyncio.gather(*self._leaving.values())

    async def _order_or_end(self, current: Worker) -> _Order | None:
        order = asyncio.ensure_future(self._orders.get())
        try:
            await asyncio.wait({order, current.ended}, return_when=asyncio.FIRST_COMPLETED)
            return order.result() if order.done() else None
        finally:
            order.cancel()

    async def _order_within(self, seconds: float) -> _Order | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._orders.get()
        return None

    async def _revive(self) -> None:
        try:
            self._current = await self._launch(self._fleet.checked)
        except (WorkerFailed, OSError) as error:  # no memory, no descriptors: it may pass
            log.error("worker cannot be started", slot=self.index, error=str(error))
            metrics.WORKER_RESTARTS.labels("not_ready").inc()
            hopeless = isinstance(error, CannotWork) and not self._has_served
            if hopeless and not self._fleet.failed.done():
                self._fleet.failed.set_result(str(error))
            return
        if self._has_served:
            log.info("worker replaced", slot=self.index, pid=self._current.pid)
        self._has_served = True
        self._fleet.publish()

    async def _replace(self, order: _Order) -> None:
        if self._leaving:  # both names are taken: the one of two generations ago must have ended
            await asyncio.wait(self._leaving.values())
        try:
            successor = await self._launch(order.checked)
        except (WorkerFailed, OSError) as error:
            order.fail(str(error))
            return
        old, self._current = self._current, successor
        self._fleet.publish()
        if old is not None:
            leaving = asyncio.create_task(self._leave(old, linger_seconds=_LINGER_SECONDS))
            self._leaving[old] = leaving
            leaving.add_done_callback(lambda _: self._leaving.pop(old))
            await old.until_closed()
        if not order.done.done():
            order.done.set_result(None)

    async def _launch(self, checked: Checked) -> Worker:
        """A new worker that serves and knows everything that the others know."""
        taken = {worker.name for worker in self.workers}
        name = next(name for name in (f"w{self.index}a", f"w{self.index}b") if name not in taken)
        beat = min(_BEAT_SECONDS, checked.settings.edge.watchdog_timeout.total_seconds() / 5)
        handover = Handover(
            name=name,
            slot=self.index,
            count=len(self._fleet.slots),
            peer_socket=self._fleet.folder / f"w{self.index}-{next(self._fleet.numbers)}.sock",
            beat_seconds=beat,
            keys_file=checked.keys_file,
            carry_secret=self._fleet.carry_secret,
            settings=checked.settings,
            followed=self._fleet.followed if follows_sessions(checked) else None,
        )
        worker = await Worker.start(handover, self._sock, on_silence=self._fleet.publish)
        self._coming = worker
        try:
            await worker.until_prepared()
            await self._fleet.on_prepared(worker)
            await worker.until_ready()
        except WorkerFailed:
            worker.kill()
            await worker.close()
            forget_live(name)
            self._coming = None
            raise
        self._coming = None
        return worker

    async def _bury(self, worker: Worker) -> None:
        reason = "watchdog" if worker.watchdog else "ended"
        log.error("worker ended", worker=worker.name, status=worker.ended.result(), reason=reason)
        metrics.WORKER_RESTARTS.labels(reason).inc()
        self._current = None
        self._fleet.publish()
        await worker.close()
        forget_live(worker.name)
        self._fleet.on_ended(worker)

    async def _leave(self, worker: Worker, *, linger_seconds: float) -> None:
        await worker.leave(linger_seconds=linger_seconds)
        forget_live(worker.name)
        self._fleet.on_ended(worker)
