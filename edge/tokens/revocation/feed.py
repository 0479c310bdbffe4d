"""Revocations of all edges in Redis: a stream of what is new, and the list of all for whoever missed some."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.contracts.revocations import Key, NotARevocation, Revocation
from config.runtime.logging import get_logger
from config.runtime.revocations import COUNT, KNOWN, STREAM, publish
from config.settings.shared import RedisSettings
from edge import metrics
from edge.errors import TooManyRevocations
from edge.feed import BLOCK_MILLISECONDS, Feed, Sent, Topic
from edge.tokens.revocation.register import Register

log = get_logger(__name__)

_AT_ONCE = 200
_SCANNED_AT_ONCE = 1000


class RevocationFeed:
    """Keeps the register of this edge and the list in Redis alike."""

    def __init__(
        self,
        settings: RedisSettings,
        register: Register,
        *,
        clock: Callable[[], float],
        on_new: Callable[[Revocation], None],
        on_complete: Callable[[float], None],
        block_milliseconds: int = BLOCK_MILLISECONDS,
    ) -> None:
        self._register = register
        self._clock = clock
        self._on_new = on_new
        self._on_complete = on_complete
        self._untold: dict[Key, None] = {}  # bounded by the register
        self._feed = Feed(
            settings,
            Topic(name="revocations", stream=STREAM, count=COUNT),
            self,
            block_milliseconds=block_milliseconds,
        )
        self.run = self._feed.run

    @property
    def connected(self) -> bool:
        return self._feed.connected

    async def tell(self, revocation: Revocation) -> Sent:
        """Tell the other edges; while Redis is away that is done later. Telling twice does no harm."""
        client = self._feed.client
        if client is not None:
            try:
                await publish(client, [revocation])
                return "sent"
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("revocation could not be told to other edges yet", error=str(error))
        self._untold[revocation.key] = None
        return "queued"

    async def begin(self, client: Redis) -> None:
        """Know what the others know, and the other way round: what is in our copy may have been told to nobody."""
        known_there: set[Key] = set()
        async for _, text in client.hscan_iter(KNOWN, count=_SCANNED_AT_ONCE):
            there = self._take(text)
            if there is not None and self._register.get(there.key) == there:
                known_there.add(there.key)
        for held in self._register:
            if held.key not in known_there:
                self._untold[held.key] = None
        await self.write(client)

    async def mend(self, client: Redis) -> None:
        """The list has what the stream has no longer; and what Redis lost it gets back from those who know it."""
        metrics.REVOCATION_GAPS.inc()
        await self.begin(client)

    async def write(self, client: Redis) -> None:
        """Tell what could not be told."""
        while self._untold:
            keys = dict.fromkeys(islice(self._untold, _AT_ONCE))
            for key in keys:
                del self._untold[key]
            held = [self._register.get(key) for key in keys]
            try:
                await publish(client, [found for found in held if found is not None])
            except BaseException:
                self._untold = keys | self._untold
                raise

    async def read(self, fields: dict[bytes, bytes]) -> None:
        """Know what an edge was told."""
        self._take(fields.get(b"revocation", b""))

    def complete(self, at: float) -> None:
        """Pass on until when everything is known."""
        self._on_complete(at)

    def _take(self, text: bytes) -> Revocation | None:
        try:
            revocation = Revocation.parse(text)
            if self._register.merge(revocation, now=self._clock()):
                self._on_new(revocation)
        except NotARevocation as error:
            metrics.REVOCATIONS_REFUSED.labels("malformed").inc()
            log.warning("a revocation of another edge is not understood", error=str(error))
            return None
        except TooManyRevocations as error:
            metrics.REVOCATIONS_REFUSED.labels("full").inc()
            log.error("a revocation of another edge is not in force here", error=str(error))
            return None
        return revocation
