"""What edges tell one another, in order, in a Redis stream: read once by each edge, nothing missed unnoticed."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.runtime.logging import get_logger
from config.runtime.redis import open_redis
from config.runtime.tasks import heed_cancellation
from config.settings.shared import RedisSettings

log = get_logger(__name__)

KEPT = 10_000
AT_ONCE = 500
BLOCK_MILLISECONDS = 1000
_COMMAND_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0

_NEWEST = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return {last[1] and last[1][1] or '0-0', tonumber(redis.call('GET', KEYS[2]) or '0')}
"""

# What became of something that was to be told: there is no Redis, it was told, it waits for Redis.
Sent = Literal["off", "sent", "queued"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far this edge has read."""

    id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A stream, and the number of the entry written last.

    The number lets a reader see that something is missing: the stream's own ids leave gaps. Whoever writes takes the
    next number and appends the entry, with that number as its field ``number``, in one script.
    """

    name: str  # as logs call its entries
    stream: str
    count: str


class Follower(Protocol):
    """What is done with what was read."""

    async def begin(self, client: Redis) -> None:
        """This edge knows of nothing from before, and reads on from now."""

    async def mend(self, client: Redis) -> None:
        """Something was missed; called again if it raises."""

    async def write(self, client: Redis) -> None:
        """Write what waits to be told; called before each look for entries."""

    async def read(self, fields: dict[bytes, bytes]) -> None:
        """The next entry."""

    def complete(self, at: float) -> None:
        """Everything told before ``at`` (seconds since the epoch) has been read."""


class Feed:
    """Reads one topic for a follower; survives Redis being away, and says so."""

    def __init__(
        self,
        settings: RedisSettings,
        topic: Topic,
        follower: Follower,
        *,
        state: Path | None = None,
        block_milliseconds: int = BLOCK_MILLISECONDS,
    ) -> None:
        # Two waits of their own: a blocking read is slow on purpose, and nobody waits for this.
        self._settings = settings.model_copy(
            update={
                "pool_size": 2,
                "command_timeout": timedelta(seconds=_COMMAND_SECONDS),
                "acquire_timeout": timedelta(seconds=_COMMAND_SECONDS),
                "connect_timeout": timedelta(seconds=_COMMAND_SECONDS),
            }
        )
        self._topic = topic
        self._follower = follower
        self._state = state  # where the place outlives this process
        self._block = block_milliseconds
        self._place = None if state is None else _read_place(state)
        self.client: Redis | None = None  # while connected
        self.connected = False
        self.complete_at = 0.0  # epoch seconds

    async def run(self) -> None:
        """Read until cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            heed_cancellation()
            complete_at = self.complete_at
            try:
                async with open_redis(self._settings) as client:
                    await self._start(client)
                    await self._follow(client)
            except (RedisError, OSError, TimeoutError) as error:
                if self.complete_at > complete_at:
                    pause = _FIRST_PAUSE_SECONDS
                if self.connected:
                    log.warning("Redis is away", feed=self._topic.name, error=str(error))
                self.connected = False
                self.client = None
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _start(self, client: Redis) -> None:
        newest = await self._newest(client)
        if self._place is None:
            await self._follower.begin(client)
            await self._keep_place(newest)
        elif _is_before(newest, self._place):
            await self._missed(client, "Redis lost them", newest)
        self.connected = True
        self.client = client
        log.info("following other edges", feed=self._topic.name, number=newest.number)

    async def _follow(self, client: Redis) -> None:
        while True:
            heed_cancellation()
            await self._follower.write(client)
            place = self._place
            assert place is not None  # noqa: S101 - set by _start
            entries = await self._after(client, place.id)
            for entry_id, fields in entries:
                await self._read(client, entry_id.decode(), fields)
            if entries and self._place is not None:
                await self._keep_place(self._place)
            elif not entries:
                await self._check_nothing_lost(client)
            if len(entries) < AT_ONCE:
                self.complete_at = time.time()
                self._follower.complete(self.complete_at)

    async def _read(self, client: Redis, entry_id: str, fields: dict[bytes, bytes]) -> None:
        number = _number(fields.get(b"number"))
        place = self._place
        assert place is not None  # noqa: S101 - set by _start
        if number is None:
            log.warning("an entry in the stream is not one", feed=self._topic.name)
            self._place = Place(id=entry_id, number=place.number)  # or it would be read for ever
            return
        if number != place.number + 1:
            await self._missed(client, "they were trimmed before they were read", place)
        await self._follower.read(fields)  # again, if Redis is away in the midst of it
        self._place = Place(id=entry_id, number=number)

    async def _check_nothing_lost(self, client: Redis) -> None:
        """A Redis that came back empty answers like one in which nothing happened."""
        newest = await self._newest(client)
        if self._place is not None and _is_before(newest, self._place):
            await self._missed(client, "Redis lost them", newest)

    async def _missed(self, client: Redis, why: str, place: Place) -> None:
        log.error("entries of other edges were missed", feed=self._topic.name, why=why)
        await self._follower.mend(client)
        await self._keep_place(place)

    async def _newest(self, client: Redis) -> Place:
        last: Any = await client.eval(_NEWEST, 2, self._topic.stream, self._topic.count)
        return Place(id=last[0].decode(), number=int(last[1]))

    async def _after(self, client: Redis, entry_id: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = await client.xread(
            {self._topic.stream: entry_id}, count=AT_ONCE, block=self._block
        )
        if not found:
            return []
        # A dictionary of lists of batches in RESP3, a list of pairs in RESP2.
        if isinstance(found, dict):
            (batches,) = found.values()
            return [entry for batch in batches for entry in batch]
        return list(found[0][1])

    async def _keep_place(self, place: Place) -> None:
        self._place = place
        if self._state is not None:
            await asyncio.to_thread(_write_place, self._state, place)


def _is_before(newest: Place, place: Place) -> bool:
    return newest.number < place.number or _order(newest.id) < _order(place.id)


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
    except OSError as error:  # a full disk: after a restart some entries are read twice
        log.warning("the place in a stream is not kept", file=path.name, error=str(error))
