"""Which one-time tokens were used on any machine: one Redis command, sent once, its answer believed only in time."""

from __future__ import annotations

import asyncio
import time
from enum import Enum

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from config.settings.shared import RedisSettings

PREFIX = "kawa:{used}:"

_LEFT_ALONE_SECONDS = 0.5


class Verdict(Enum):
    """What Redis says to a name."""

    FIRST = "first"
    USED = "used"
    LATE = "late"  # it was asked and nobody knows what it did
    AWAY = "away"  # it was not asked, or refused: the name is as it was
    BUSY = "busy"  # it was not asked: too many wait


class SharedNames:
    """Asks Redis; a question is bounded in time and never repeated."""

    def __init__(self, client: Redis, settings: RedisSettings) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(settings.pool_size)
        self._turn_seconds = settings.acquire_timeout.total_seconds()
        self._away_until = 0.0  # monotonic seconds

    async def take(self, name: str, *, milliseconds: int) -> Verdict:
        """Whether nobody had the name; it is kept for so long."""
        if time.monotonic() < self._away_until:
            return Verdict.AWAY
        try:
            async with asyncio.timeout(self._turn_seconds):
                await self._turns.acquire()
        except TimeoutError:
            return Verdict.BUSY
        try:
            return await self._ask(name, milliseconds)
        finally:
            self._turns.release()

    async def _ask(self, name: str, milliseconds: int) -> Verdict:
        pool = self._client.connection_pool
        try:
            # Apart from the command: what fails here was never sent.
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError):
            self._away_until = time.monotonic() + _LEFT_ALONE_SECONDS
            return Verdict.AWAY
        try:
            await connection.send_command(
                "SET", PREFIX + name, "1", "NX", "PX", milliseconds, check_health=False
            )
            answer = await connection.read_response()
        except ResponseError:  # loading, read-only, out of memory
            return Verdict.AWAY
        except (RedisError, OSError, TimeoutError):
            await connection.disconnect()
            return Verdict.LATE
        except BaseException:
            await connection.disconnect(nowait=True)  # nobody else shall read our answer
            raise
        finally:
            await pool.release(connection)
        return Verdict.FIRST if answer is not None else Verdict.USED
