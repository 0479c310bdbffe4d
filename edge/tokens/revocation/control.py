"""Revocation in the parent process: orders in, every worker and every edge told, a copy kept."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.contracts.revocations import Key, Kind, NotARevocation, Revocation
from config.contracts.tokens import MAX_LIFETIME_SECONDS
from config.runtime.logging import get_logger
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings
from edge import metrics
from edge.admin.workers import Workers
from edge.errors import TooManyRevocations
from edge.feed import Sent
from edge.processes.worker import Worker
from edge.tokens.revocation.copy import Copy
from edge.tokens.revocation.fanout import Fanout
from edge.tokens.revocation.feed import RevocationFeed
from edge.tokens.revocation.orders import Lift, Revoke
from edge.tokens.revocation.register import Register, counts

log = get_logger(__name__)

_TICK_SECONDS = 1.0
_TELL_SECONDS = 2.0
_FIRST_KNOWLEDGE_SECONDS = 2.0
_TOUCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an order."""

    revocation: Revocation
    workers: int  # that know it
    missed: tuple[str, ...]  # workers that do not know it yet
    others: Sent
    kept: bool  # whether the copy on the disk has it

    @property
    def everywhere(self) -> bool:
        return not self.missed and self.others != "queued" and self.kept


class RevocationControl:
    """Everything that the parent does about revocations."""

    def __init__(
        self, register: Register, fanout: Fanout, copy: Copy, *, clock: Callable[[], float]
    ) -> None:
        self.feed: RevocationFeed | None = None
        self._register = register
        self._fanout = fanout
        self._copy = copy
        self._clock = clock
        self._unwritten: dict[Key, None] = {}  # bounded by the register
        self._writing = asyncio.Lock()
        self._touched_at = 0.0
        self._complete = asyncio.Event()
        self._has_unwritten = asyncio.Event()

    def load(self) -> None:
        """Know what the copy says, and write it anew without what has ended."""
        now = self._clock()
        for revocation in self._copy.read():
            self._take(revocation, now)
        self._fanout.certain_at = self._copy.certain_at
        try:
            self._copy.write_anew(self._register)
        except OSError as error:
            self._not_written(error)

    async def bring_up(self, worker: Worker) -> None:
        """Have a new worker know everything before it serves; at the edge's start also what other edges know."""
        if self.feed is not None:
            try:
                async with asyncio.timeout(_FIRST_KNOWLEDGE_SECONDS):
                    await self._complete.wait()
            except TimeoutError:
                log.warning("a worker begins without word from Redis", worker=worker.name)
        await self._fanout.bring_up(worker)

    async def revoke(self, order: Revoke) -> Outcome:
        """Have it in force everywhere; returns when it is, or when it is clear who is late."""
        return await self._spread(self._register.revoke(order, now=self._clock()))

    async def lift(self, order: Lift) -> Outcome:
        """Have it in force no longer."""
        return await self._spread(self._register.lift(order, now=self._clock()))

    def page(self, kind: Kind, *, after: str, size: int) -> list[Revocation]:
        """Those of a kind that are in force, by value."""
        return self._register.page(kind, after=after, size=size)

    def counts(self) -> dict[Kind, int]:
        """How many are in force."""
        return counts(self._register)

    def health(self) -> dict[str, Any]:
        """How many are in force, and how old the certain knowledge of other edges' is."""
        answer: dict[str, Any] = {"in_force": self.counts(), "feed": "off"}
        if self.feed is not None:
            until = self._fanout.told_until
            answer["feed"] = "connected" if self.feed.connected else "away"
            answer["behind_seconds"] = round(self._clock() - until, 1) if until else None
        return answer

    def learned(self, revocation: Revocation) -> None:
        """Another edge said something new, and the register has it."""
        self._unwritten[revocation.key] = None
        self._has_unwritten.set()
        self._fanout.spread()

    def complete(self, at: float) -> None:
        """Everything said before ``at`` is in the register."""
        self._fanout.certain_at = at
        self._fanout.spread()
        self._complete.set()

    async def run(self) -> None:
        """Tell, keep, forget and measure until cancelled."""
        while True:
            self._register.expire(now=self._clock())
            self._measure()
            self._fanout.spread()
            await self._keep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._has_unwritten.wait()
            self._has_unwritten.clear()

    async def _spread(self, revocation: Revocation) -> Outcome:
        number = self._register.number
        self._unwritten[revocation.key] = None
        self._fanout.spread()
        (workers, missed), others, kept = await asyncio.gather(
            self._fanout.until_told(number, seconds=_TELL_SECONDS),
            self._tell(revocation),
            self._keep(),
        )
        return Outcome(
            revocation=revocation, workers=workers, missed=missed, others=others, kept=kept
        )

    async def _tell(self, revocation: Revocation) -> Sent:
        return "off" if self.feed is None else await self.feed.tell(revocation)

    def _take(self, revocation: Revocation, now: float) -> None:
        try:
            self._register.merge(revocation, now=now)
        except (NotARevocation, TooManyRevocations) as error:
            log.error("a revocation in the copy is not in force", error=str(error))

    async def _keep(self) -> bool:
        """Write what is not in the copy yet; whether it has everything now."""
        async with self._writing:
            keys, self._unwritten = self._unwritten, {}
            found = [held for key in keys if (held := self._register.get(key)) is not None]
            certain_at = 0.0 if self.feed is None else self._fanout.certain_at
            touch = certain_at - self._touched_at > _TOUCH_SECONDS
            anew = self._copy.needs_writing_anew(len(self._register))
            if not (found or touch or anew):
                return True
            everything = list(self._register) if anew else []
            try:
                await asyncio.to_thread(self._write, found, everything, certain_at, anew=anew)
            except OSError as error:
                self._unwritten = keys | self._unwritten
                self._not_written(error)
                return False
            self._touched_at = certain_at
            return True

    def _write(
        self,
        found: list[Revocation],
        everything: Iterable[Revocation],
        certain_at: float,
        *,
        anew: bool,
    ) -> None:
        if anew:
            self._copy.write_anew(everything)
        elif found:
            self._copy.append(found)
        self._copy.touch(certain_at)

    def _not_written(self, error: OSError) -> None:
        metrics.REVOCATION_COPY_FAILURES.inc()
        log.error("revocations are not kept on the disk", error=str(error))

    def _measure(self) -> None:
        for kind, count in self.counts().items():
            metrics.REVOCATIONS.labels(kind).set(count)
        if self.feed is not None:
            until = self._fanout.told_until
            age = max(0.0, self._clock() - until) if until else math.inf
            metrics.REVOCATION_STALENESS.set(age)


@asynccontextmanager
async def revoking(
    settings: Settings,
    workers: Workers,
    *,
    copy: Path,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RevocationControl]:
    """What the parent needs, begun before its workers: with what the copy says, and other edges if there is Redis."""
    register = Register(
        most=settings.tokens.revocation.most, longest_seconds=longest_seconds(settings)
    )
    async with BackgroundTasks() as tasks:
        fanout = Fanout(register, workers, tasks)
        control = RevocationControl(register, fanout, Copy(copy), clock=clock)
        await asyncio.to_thread(control.load)
        if settings.redis.url is not None:
            control.feed = RevocationFeed(
                settings.redis,
                register,
                clock=clock,
                on_new=control.learned,
                on_complete=control.complete,
            )
            tasks.start("revocations of other edges", control.feed.run)
        tasks.start("revocations", control.run)
        yield control


def longest_seconds(settings: Settings) -> int:
    """How long from now a token that somebody has may matter: until its end, and while it may be exchanged late."""
    tokens = settings.tokens
    lifetimes = [signer.max_lifetime.total_seconds() for signer in tokens.signers.values()]
    longest = max([MAX_LIFETIME_SECONDS, *lifetimes])
    return int(2 * longest + tokens.leeway.total_seconds()) + 60
