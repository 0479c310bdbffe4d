"""Purges in every worker of this edge, also in those that are just starting, and in every other edge."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from config.runtime.logging import get_logger
from edge import metrics
from edge.admin.feed import PurgeFeed
from edge.admin.workers import Workers
from edge.cache.tiers.purge import Purge
from edge.feed import Sent
from edge.peers.peers import PeerUnavailable
from edge.processes.worker import Worker

log = get_logger(__name__)

# A worker that comes up does again what was purged while it could not be told: its disk may hold old files.
_REMEMBERED_SECONDS = 60.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What became of a purge."""

    files: int
    missed: tuple[str, ...]  # workers that could not be told; each is told again when it comes back
    others: Sent

    @property
    def everywhere(self) -> bool:
        return not self.missed and self.others != "queued"


class Purges:
    """Carries purges out and remembers the last ones."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._recent: deque[tuple[float, bytes]] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self.feed: PurgeFeed | None = None

    async def do(self, purge: Purge) -> Purged:
        """Purge here and tell the other edges, at the same time."""
        metrics.PURGES.labels("operator").inc()
        (files, missed), others = await asyncio.gather(self._here(purge), self._tell(purge))
        return Purged(files=files, missed=missed, others=others)

    async def do_here(self, purge: Purge) -> None:
        """Purge here what another edge was told."""
        _, missed = await self._here(purge)
        if missed:
            log.warning("workers missed a purge", workers=missed)

    async def soften_all(self) -> None:
        """Ask again about everything: nobody knows what should have been purged."""
        await self.do_here(Purge("all", soft=True))

    async def catch_up(self, worker: Worker) -> None:
        """Have a new worker do what the others did lately, until it has missed nothing."""
        done = max(0, self._count - len(self._recent))
        oldest = time.monotonic() - _REMEMBERED_SECONDS
        try:
            while done < self._count:
                index = len(self._recent) - (self._count - done)
                at, data = self._recent[max(0, index)]
                done += 1
                if at >= oldest:
                    await self._workers.ask(worker, "POST", "/purge", data)
        except PeerUnavailable as error:
            log.warning("a new worker missed purges", worker=worker.name, error=str(error))

    async def _here(self, purge: Purge) -> tuple[int, tuple[str, ...]]:
        data = purge.to_json()
        self._recent.append((time.monotonic(), data))
        self._count += 1
        answers = await self._workers.ask_all("POST", "/purge", data)
        if len(answers) > 1:
            # Whoever heard of it first may have asked a sibling that had not, and kept its answer.
            again = await self._workers.ask_all("POST", "/purge", data)
            answers |= {worker: None for worker, found in again.items() if found is None}
        files = sum(int(found.get("purged", 0)) for found in answers.values() if found is not None)
        return files, tuple(worker.name for worker, found in answers.items() if found is None)

    async def _tell(self, purge: Purge) -> Sent:
        return "off" if self.feed is None else await self.feed.tell(purge)
