"""Runs scripts in Redis, behind a breaker and without ever repeating one that may have run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from config.runtime.breaker import Breaker
from config.runtime.sessions.scripts import Script

# A Redis that refuses (it has no memory left, may not be written to, still loads) is as good as one that is away.
FAILURES = (RedisError, OSError, TimeoutError)


class Scripts:
    """A client that runs scripts by their names."""

    def __init__(self, client: Redis, breaker: Breaker) -> None:
        self.client = client
        self.breaker = breaker

    async def run(self, script: Script, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """Its answer; the text goes along only if Redis does not know it yet."""
        count = len(keys)
        with self.breaker.guard(*FAILURES):
            try:
                return await self.client.evalsha(script.sha, count, *keys, *arguments)
            except NoScriptError:
                return await self.client.eval(script.text, count, *keys, *arguments)
