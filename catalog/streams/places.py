"""Places of running streams: kept in Redis, where every edge and every catalog sees the same ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from catalog import metrics
from catalog.errors import StreamsUnavailable, TooManyStreams
from config.contracts.revocations import LONGEST_SECONDS, Revocation
from config.contracts.sessions import Counted, Playing, Quality, SessionStart
from config.runtime.logging import get_logger
from config.runtime.revocations import publish
from config.runtime.sessions.errors import LimitReached, SessionStoreError
from config.runtime.sessions.orders import OrderKind
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import SessionSettings

log = get_logger(__name__)

_FAILURES = (RedisError, OSError)  # TimeoutError is one


class NoPlaces:
    """Without Redis each edge counts for itself."""

    async def take(self, start: SessionStart) -> None:
        """There is one."""

    async def keep(self, start: SessionStart, *, paused: bool) -> None:
        """It is kept."""

    async def give_back(self, start: SessionStart) -> None:
        """Nothing was taken."""

    async def end(self, start: SessionStart, *, revoke: bool) -> None:
        """Nobody can be told."""

    async def playing(self, subject: str) -> Sequence[Playing] | None:
        return None

    async def forget(self, subject: str) -> None:
        """Nothing is known."""


class RedisPlaces:
    """Takes and gives back places by the store that edges use."""

    def __init__(
        self, client: Redis, settings: SessionSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._store = SessionStore(client, settings, edge=None, clock=clock)

    async def take(self, start: SessionStart) -> None:
        """Take a place; ``TooManyStreams`` or ``StreamsUnavailable``."""
        await self._admit(start, paused=False)

    async def keep(self, start: SessionStart, *, paused: bool) -> None:
        """Keep its place, or take one anew; as ``take``."""
        if self._settings.policy == "evict-oldest":
            live = await self.playing(start.subject)
            if live is None or all(one.session != start.id for one in live):
                return  # one that had to give way must not drive another out by a heartbeat
        await self._admit(start, paused=paused)

    async def _admit(self, start: SessionStart, *, paused: bool) -> None:
        now = self._clock()
        record = Record.of(start, Counted(), Quality(), seen_at=now, paused=paused)
        try:
            admitted = await self._store.admit(start, record)
        except LimitReached as error:
            metrics.STREAM_STARTS.labels("refused").inc()
            raise TooManyStreams(error.playing) from error
        except (SessionStoreError, *_FAILURES) as error:
            metrics.STREAM_STARTS.labels("uncounted").inc()
            log.warning("a stream is not counted", error=str(error) or type(error).__name__)
            if start.limit is not None and self._settings.without_redis == "deny":
                raise StreamsUnavailable from error
            return
        for session in admitted.replaced:
            await self._try_to_order("evict", session, start.subject)

    async def give_back(self, start: SessionStart) -> None:
        """It will not be played; if this cannot be told the place lapses by itself."""
        try:
            await self._store.end(start)
        except (SessionStoreError, *_FAILURES) as error:
            log.warning("a place is not given back", error=str(error) or type(error).__name__)

    async def end(self, start: SessionStart, *, revoke: bool) -> None:
        """Have every edge end it, or raise ``StreamsUnavailable``; ``revoke``: its tokens open nothing more."""
        now = self._clock()
        until = min(start.ends_at, int(now) + LONGEST_SECONDS)
        revocation = Revocation(
            kind="session", value=start.grant, at=int(now * 1000), until=until, reason="stopped"
        )
        try:
            if revoke:
                await publish(self._client, [revocation])
            await self._store.order("kick", start.id, start.subject)
            await self._store.end(start, everywhere=True)
        except (SessionStoreError, *_FAILURES) as error:
            raise StreamsUnavailable from error

    async def playing(self, subject: str) -> Sequence[Playing] | None:
        """What plays, ``None`` if that cannot be said now."""
        try:
            return [live.playing() for live in await self._store.playing(subject)]
        except (SessionStoreError, *_FAILURES) as error:
            log.warning("running streams not known", error=str(error) or type(error).__name__)
            return None

    async def forget(self, subject: str) -> None:
        """Have every edge drop what names the subject, as far as they can be told."""
        try:
            await self._store.forget(subject)
        except (SessionStoreError, *_FAILURES) as error:
            log.warning("a subject is not forgotten", error=str(error) or type(error).__name__)
        await self._try_to_order("forget", "", subject)

    async def _try_to_order(self, kind: OrderKind, session: str, subject: str) -> None:
        try:
            await self._store.order(kind, session, subject)
        except (SessionStoreError, *_FAILURES) as error:
            log.warning("edges are not told", order=kind, error=str(error) or type(error).__name__)
