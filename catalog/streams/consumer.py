"""Takes the events of edges out of Redis and stores them: one catalog at a time, each event once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from catalog import metrics
from catalog.database import PROGRAM
from catalog.errors import DatabaseUnavailable
from catalog.streams.events import Units, store_events, stored_boots
from config.contracts.stream_events import EVENTS, STORED, Entry, NotAnEvent
from config.runtime.logging import get_logger
from config.runtime.postgres import connect_arguments, dsn_of
from config.runtime.redis import open_redis
from config.runtime.tasks import heed_cancellation
from config.settings.load import Settings
from config.settings.shared import RedisSettings

log = get_logger(__name__)

# Any constant of our own: whoever holds this lock is the one that stores.
_LOCK = 0x6B617765
_AT_ONCE = 500
_POLL_SECONDS = 1.0
_COMMAND_SECONDS = 3.0
_LONGEST_PAUSE_SECONDS = 5.0

_AWAY = (
    RedisError,
    DatabaseUnavailable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,  # TimeoutError is one
)


async def consume(settings: Settings, units: Units, clock: Callable[[], datetime]) -> None:
    """Store events until cancelled; while Redis or PostgreSQL is away they wait with the edges."""
    pause = 0.1
    while True:
        heed_cancellation()
        try:
            async with open_redis(_patient(settings.redis)) as client, _alone(settings) as alone:
                log.info("storing the events of edges")
                await _tell_all_stored(client, await stored_boots(uow=units(), now=clock()))
                pause = 0.1
                await _store_for_ever(client, alone, units, clock)
        except _AWAY as error:
            metrics.STREAM_STORE_FAILURES.inc()
            log.warning("events of edges are not stored", error=str(error) or type(error).__name__)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _store_for_ever(
    client: Redis,
    alone: asyncpg.Connection[asyncpg.Record],
    units: Units,
    clock: Callable[[], datetime],
) -> None:
    while True:
        heed_cancellation()
        if alone.is_closed():
            raise ConnectionError("the connection that keeps other catalogs from storing was lost")
        if await store_waiting(client, units, now=clock()) < _AT_ONCE:
            await asyncio.sleep(_POLL_SECONDS)


async def store_waiting(client: Redis, units: Units, *, now: datetime) -> int:
    """Store the oldest events that wait in Redis and take them out; how many there were.

    They are taken out after the commit, and edges forget them after being told that they are stored: wherever this
    ends, they come again, and what is stored is known by its number.
    """
    found: Any = await client.xrange(EVENTS, min="-", max="+", count=_AT_ONCE)
    if not found:
        return 0
    entries = []
    for _, fields in found:
        try:
            entries.append(Entry.from_fields(fields))
        except NotAnEvent:
            metrics.STREAM_EVENTS.labels("unknown", "unreadable").inc()
    metrics.STREAM_EVENT_LAG_SECONDS.observe(max(0.0, time.time() - _written_at(found[0][0])))
    stored = await store_events(entries, units=units, now=now)
    try:
        await _tell_stored(client, stored)
    finally:  # a full Redis takes nothing in, but lets things go
        await client.xtrim(EVENTS, minid=_after(found[-1][0]), approximate=False)
    return len(found)


async def _tell_all_stored(client: Redis, stored: dict[str, int]) -> None:
    """Have Redis say what the database says, and no more."""
    await _tell_stored(client, stored)
    told: Any = await client.hkeys(STORED)
    if gone := [boot for boot in told if boot.decode(errors="replace") not in stored]:
        await client.hdel(STORED, *gone)


async def _tell_stored(client: Redis, stored: dict[str, int]) -> None:
    if stored:
        told: dict[Any, Any] = dict(stored)
        await client.hset(STORED, mapping=told)


@contextlib.asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Wait until no other catalog stores; not needed for being right, only so that two do not do the same work."""
    connection = await asyncpg.connect(
        dsn_of(settings.postgres),
        **connect_arguments(settings.postgres, program=f"{PROGRAM}-streams"),
    )
    try:
        # Not the statement that waits: it would hold a snapshot, and end at the limit of all statements.
        while True:
            if await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
                break
            await asyncio.sleep(_POLL_SECONDS)
        yield connection
    finally:
        # The server may be gone: closing must not wait for its goodbye. It gives the lock back by itself.
        connection.terminate()


def _patient(settings: RedisSettings) -> RedisSettings:
    """Nobody waits for this: better late than again."""
    seconds = timedelta(seconds=_COMMAND_SECONDS)
    return settings.model_copy(
        update={
            "pool_size": 1,
            "command_timeout": seconds,
            "acquire_timeout": seconds,
            "connect_timeout": seconds,
        }
    )


def _written_at(entry_id: bytes) -> float:
    return int(entry_id.partition(b"-")[0]) / 1000


def _after(entry_id: bytes) -> str:
    milliseconds, _, sequence = entry_id.decode().partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
