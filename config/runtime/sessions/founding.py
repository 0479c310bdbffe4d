"""What edges and catalog must agree about before the first record: secret, tags of edges, and since when Redis knows.

A Redis that came back empty would let everybody in. So each shard carries an epoch, made once for all shards when a
Redis is seen for the first time; an edge that finds none knows that something was lost, and for a while nobody takes
what is written there for all that plays.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.runtime.breaker import Breaker
from config.runtime.sessions.calls import FAILURES, Scripts
from config.runtime.sessions.keys import EDGES, EPOCH, SECRET, SHARDS, epoch_key, tags_for
from config.runtime.sessions.scripts import FOUND, KNOWN_SINCE, TAKE_TAG

_LONG_AGO = timedelta(days=1)
_AT_ONCE = 64
_TAG_HELD = timedelta(days=1)


async def settle(client: Redis) -> None:
    """Take a new Redis for one that nobody has anything to tell, as is known of one that begins with Kawa itself."""
    await Scripts(client, Breaker()).run(KNOWN_SINCE, [EPOCH], _milliseconds(_LONG_AGO))


async def found(scripts: Scripts, shard: int, *, shape: str) -> None:
    """Give ``shard`` an epoch, and all others if this Redis is new."""
    since, are_founded = await scripts.run(KNOWN_SINCE, [EPOCH], 0)
    if are_founded:  # what this shard had was lost
        await scripts.run(FOUND, [epoch_key(shard)], shape, "")
        return
    with scripts.breaker.guard(*FAILURES):
        for first in range(0, SHARDS, _AT_ONCE):
            async with scripts.client.pipeline(transaction=False) as pipeline:
                for one in range(first, first + _AT_ONCE):
                    pipeline.eval(FOUND.text, 1, epoch_key(one), shape, since)
                await pipeline.execute()
        await scripts.client.hset(EPOCH, "founded", 1)


async def kept_secret(scripts: Scripts, ours: bytes | None = None) -> bytes:
    """The secret that this Redis keeps for all; who asks first puts it there, ``ours`` or a new one."""
    with scripts.breaker.guard(*FAILURES):
        await scripts.client.set(SECRET, ours or secrets.token_hex(), nx=True)
        held: Any = await scripts.client.get(SECRET)
    if not held:
        raise RedisConnectionError("Redis lost its keys while it was asked")
    return bytes(held)


async def take_tag(scripts: Scripts, node: str) -> str:
    """Two characters that stand for ``node`` for at least a day from now."""
    tag = await scripts.run(TAKE_TAG, [EDGES], node, _milliseconds(_TAG_HELD), *tags_for(node))
    return bytes(tag).decode()


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
