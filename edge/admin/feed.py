"""Purges of all edges, in order, in one Redis stream: what one edge is told, every edge does within a second."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.runtime.logging import get_logger
from config.runtime.redis import open_redis
from config.settings.shared import RedisSettings
from edge import metrics
from edge.cache.tiers.purge import Purge
from edge.errors import BadPurge

log = get_logger(__name__)

STREAM = "kawa:{purge}:stream"
COUNT = "kawa:{purge}:count"

KEPT = 10_000
_WAITING = 1000
_AT_ONCE = 500
_BLOCK_MILLISECONDS = 1000
_COMMAND_SECONDS = 3.0
_LONGEST_PAUSE_SECONDS = 5.0

# The number lets a reader see that something is missing: the stream's own ids leave gaps.
_PUBLISH = """
local number = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'number', number, 'edge', ARGV[2], 'purge', ARGV[3])
return number
"""
_NEWEST = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return {last[1] and last[1][1] or '0-0', tonumber(redis.call('GET', KEYS[2]) or '0')}
"""

Sent = Literal["off", "sent", "queued"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far this edge has read."""

    id: str
    number: int


class PurgeFeed:
    """Tells this edge's purges to the others, and theirs to ``apply``; survives Redis being away."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        apply: Callable[[Purge], Awaitable[None]],
        on_gap: Callable[[], Awaitable[None]],
        state: Path,
        block_milliseconds: int = _BLOCK_MILLISECONDS,
    ) -> None:
        # Two waits of their own: a blocking read is slow on purpose, and nobody waits for this.
        self._settings = settings.model_copy(
            update={
                "pool_size": 2,
                "command_timeout": timedelta(seconds=_COMMAND_SECONDS),
                "acquire_timeout": timedelta(seconds=_COMMAND_SECONDS),
            }
        )
        self._apply = apply
        self._on_gap = on_gap
        self._state = state
        self._block = block_milliseconds
        self._edge = secrets.token_hex(8)
        self._place = _read_place(state)
        self._waiting: deque[Purge] = deque(maxlen=_WAITING)
        self._client: Redis | None = None
        self.connected = False
        self.complete_at = 0.0  # epoch seconds

    async def tell(self, purge: Purge) -> Sent:
        """Tell the other edges; while Redis is away it is kept, within bounds, and told later."""
        if self._client is not None and self.connected and not self._waiting:
            try:
                await self._publish(self._client, purge)
                return "sent"
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("purge could not be told to other edges yet", error=str(error))
        if len(self._waiting) == _WAITING:
            metrics.PURGES_LOST.inc()
            log.error("purge will not reach other edges: too many wait")
        self._waiting.append(purge)
        return "queued"

    async def run(self) -> None:
        """Read until cancelled."""
        pause = 0.1
        while True:
            _heed_cancellation()
            try:
                async with open_redis(self._settings) as client:
                    await self._start(client)
                    pause = 0.1
                    await self._follow(client)
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    log.warning("no purges from other edges: Redis is away", error=str(error))
                self.connected = False
                self._client = None
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _start(self, client: Redis) -> None:
        newest, count = await _newest(client)
        if self._place is None:  # nothing is kept here from before
            await self._keep_place(Place(id=newest, number=count))
        elif count < self._place.number or _order(newest) < _order(self._place.id):
            await self._missed("Redis lost its purges", Place(id=newest, number=count))
        self.connected = True
        self._client = client
        log.info("following the purges of other edges", number=count)

    async def _follow(self, client: Redis) -> None:
        while True:
            _heed_cancellation()
            while self._waiting:
                await self._publish(client, self._waiting[0])
                self._waiting.popleft()
            place = self._place
            assert place is not None  # noqa: S101 - set by _start
            entries = await _after(client, place.id, block_milliseconds=self._block)
            for entry_id, fields in entries:
                await self._read(entry_id.decode(), fields)
            if entries and self._place is not None:
                await self._keep_place(self._place)
            elif not entries:
                await self._check_nothing_lost(client)
            if len(entries) < _AT_ONCE:
                self.complete_at = time.time()
                metrics.PURGE_FEED_TIMESTAMP.set(self.complete_at)

    async def _read(self, entry_id: str, fields: dict[bytes, bytes]) -> None:
        number = _number(fields.get(b"number"))
        place = self._place
        if number is None or place is None:
            log.warning("an entry in the stream of purges is not one")
            return
        if number != place.number + 1:
            await self._missed("purges were trimmed before they were read", place)
        self._place = Place(id=entry_id, number=number)
        if fields.get(b"edge") == self._edge.encode():
            return  # done already, when it was told
        try:
            purge = Purge.parse(fields.get(b"purge", b""))
        except BadPurge as error:
            log.warning("a purge of another edge is not understood", error=str(error))
            return
        metrics.PURGES.labels("edge").inc()
        await self._apply(purge)

    async def _check_nothing_lost(self, client: Redis) -> None:
        """A Redis that came back empty answers like one in which nothing happened."""
        newest, count = await _newest(client)
        place = self._place
        if place is not None and (count < place.number or _order(newest) < _order(place.id)):
            await self._missed("Redis lost its purges", Place(id=newest, number=count))

    async def _missed(self, why: str, place: Place) -> None:
        metrics.PURGE_GAPS.inc()
        log.error("purges of other edges were missed", why=why)
        await self._on_gap()
        await self._keep_place(place)

    async def _publish(self, client: Redis, purge: Purge) -> None:
        data: Any = purge.to_json()
        await client.eval(_PUBLISH, 2, STREAM, COUNT, KEPT, self._edge, data)

    async def _keep_place(self, place: Place) -> None:
        self._place = place
        await asyncio.to_thread(_write_place, self._state, place)


def _heed_cancellation() -> None:
    """End this task if it was told to: redis-py sends by ``wait_for``, which in Python 3.11 can swallow that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _after(
    client: Redis, entry_id: str, *, block_milliseconds: int
) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries behind an id, waiting for the first."""
    found: Any = await client.xread({STREAM: entry_id}, count=_AT_ONCE, block=block_milliseconds)
    if not found:
        return []
    # A dictionary of lists of batches in RESP3, a list of pairs in RESP2.
    if isinstance(found, dict):
        (batches,) = found.values()
        return [entry for batch in batches for entry in batch]
    return list(found[0][1])


async def _newest(client: Redis) -> tuple[str, int]:
    last: Any = await client.eval(_NEWEST, 2, STREAM, COUNT)
    return last[0].decode(), int(last[1])


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def _number(field: bytes | None) -> int | None:
    return int(field) if field is not None and field.isdigit() and len(field) < 20 else None


def _read_place(path: Path) -> Place | None:
    """Where this edge was when it ended; None if that is not known, as at its first start."""
    try:
        found = json.loads(path.read_text())
        place = Place(id=str(found["id"]), number=int(found["number"]))
        _order(place.id)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place


def _write_place(path: Path, place: Place) -> None:
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(json.dumps(asdict(place)))
        temporary.replace(path)
    except OSError as error:  # a full disk: after a restart some purges are done twice
        log.warning("the place in the stream of purges is not kept", error=str(error))
