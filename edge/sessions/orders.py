"""What other edges and the catalog say about sessions, and what this edge tells them: evict, kick, forget."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.runtime.logging import get_logger
from config.runtime.sessions.orders import ORDERS_COUNT, ORDERS_STREAM, Order, OrderKind
from config.settings.shared import RedisSettings
from edge import metrics
from edge.feed import BLOCK_MILLISECONDS, Feed, Sent, Topic

log = get_logger(__name__)

_WAITING = 10_000


class Publisher(Protocol):
    """Who writes orders."""

    async def order(self, kind: OrderKind, session: str, subject: str = "") -> None: ...


class Orders:
    """Reads them in order and writes ours; survives Redis being away."""

    def __init__(
        self,
        settings: RedisSettings,
        store: Publisher,
        *,
        obey: Callable[[Order], Awaitable[None]],
        block_milliseconds: int = BLOCK_MILLISECONDS,
    ) -> None:
        self._store = store
        self._obey = obey
        self._waiting: deque[tuple[OrderKind, str, str]] = deque()
        self._feed = Feed(
            settings,
            Topic(name="orders about sessions", stream=ORDERS_STREAM, count=ORDERS_COUNT),
            self,
            block_milliseconds=block_milliseconds,
        )
        self.run = self._feed.run

    @property
    def connected(self) -> bool:
        return self._feed.connected

    async def tell(self, kind: OrderKind, session: str, subject: str) -> Sent:
        """Tell all edges; while Redis is away it is kept, within bounds, and told later. Twice does no harm."""
        if self._feed.connected:
            try:
                await self._store.order(kind, session, subject)
                return "sent"
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("an order about a session could not be told yet", error=str(error))
        self.tell_soon(kind, session, subject)
        return "queued"

    def tell_soon(self, kind: OrderKind, session: str, subject: str) -> None:
        """Tell all edges within a second or so, or when Redis is back."""
        if len(self._waiting) >= _WAITING:
            self._waiting.popleft()
            metrics.SESSION_DROPPED.labels("order").inc()
        self._waiting.append((kind, session, subject))

    async def begin(self, client: Redis) -> None:
        """What was ordered before this edge began is not about its sessions."""

    async def mend(self, client: Redis) -> None:
        """Sessions that were evicted are missing in Redis, which renewals show; a kick also revokes tokens."""
        metrics.SESSION_ORDER_GAPS.inc()

    async def write(self, client: Redis) -> None:
        """Tell what waits."""
        while self._waiting:
            await self._store.order(*self._waiting[0])
            self._waiting.popleft()

    async def read(self, fields: dict[bytes, bytes]) -> None:
        """Do what was said."""
        order = Order.parse(fields)
        if order is None:
            log.warning("an order about a session is not understood")
            return
        await self._obey(order)

    def complete(self, at: float) -> None:
        """Nothing depends on it."""
