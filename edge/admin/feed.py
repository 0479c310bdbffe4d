"""Purges of all edges: what one edge is told, every edge does within a second."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.runtime.logging import get_logger
from config.settings.shared import RedisSettings
from edge import metrics
from edge.cache.tiers.purge import Purge
from edge.errors import BadPurge
from edge.feed import BLOCK_MILLISECONDS, KEPT, Feed, Sent, Topic

log = get_logger(__name__)

STREAM = "kawa:{purge}:stream"
COUNT = "kawa:{purge}:count"

_WAITING = 1000

_PUBLISH = """
local number = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'number', number, 'edge', ARGV[2], 'purge', ARGV[3])
return number
"""


class PurgeFeed:
    """Tells this edge's purges to the others, and theirs to ``apply``; survives Redis being away."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        apply: Callable[[Purge], Awaitable[None]],
        on_gap: Callable[[], Awaitable[None]],
        state: Path,
        block_milliseconds: int = BLOCK_MILLISECONDS,
    ) -> None:
        self._apply = apply
        self._on_gap = on_gap
        self._edge = secrets.token_hex(8)
        self._waiting: deque[Purge] = deque(maxlen=_WAITING)
        self._feed = Feed(
            settings,
            Topic(name="purges", stream=STREAM, count=COUNT),
            self,
            state=state,
            block_milliseconds=block_milliseconds,
        )
        self.run = self._feed.run

    @property
    def connected(self) -> bool:
        return self._feed.connected

    @property
    def complete_at(self) -> float:
        return self._feed.complete_at

    async def tell(self, purge: Purge) -> Sent:
        """Tell the other edges; while Redis is away it is kept, within bounds, and told later."""
        client = self._feed.client
        if client is not None and not self._waiting:
            try:
                await self._publish(client, purge)
                return "sent"
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("purge could not be told to other edges yet", error=str(error))
        if len(self._waiting) == _WAITING:
            metrics.PURGES_LOST.inc()
            log.error("purge will not reach other edges: too many wait")
        self._waiting.append(purge)
        return "queued"

    async def begin(self, client: Redis) -> None:
        """Nothing is kept here from before, so nothing need be forgotten."""

    async def mend(self, client: Redis) -> None:
        """Nobody knows what should have been purged."""
        metrics.PURGE_GAPS.inc()
        await self._on_gap()

    async def write(self, client: Redis) -> None:
        """Write what waits."""
        while self._waiting:
            await self._publish(client, self._waiting[0])
            self._waiting.popleft()

    async def read(self, fields: dict[bytes, bytes]) -> None:
        """Do what another edge was told."""
        if fields.get(b"edge") == self._edge.encode():
            return  # done already, when it was told
        try:
            purge = Purge.parse(fields.get(b"purge", b""))
        except BadPurge as error:
            log.warning("a purge of another edge is not understood", error=str(error))
            return
        metrics.PURGES.labels("edge").inc()
        await self._apply(purge)

    def complete(self, at: float) -> None:
        """Say until when all purges are known."""
        metrics.PURGE_FEED_TIMESTAMP.set(at)

    async def _publish(self, client: Redis, purge: Purge) -> None:
        data: Any = purge.to_json()
        await client.eval(_PUBLISH, 2, STREAM, COUNT, KEPT, self._edge, data)
