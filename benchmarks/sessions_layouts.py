"""Ways to keep sessions in Redis, and what one session takes in each of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from benchmarks.table import Row
from config.contracts.sessions import Counted, Quality, SessionStart
from config.runtime.sessions.keys import PER_BUCKET
from config.runtime.sessions.records import LEASE_BYTES, Record

COUNT = 50_000
AT_ONCE = 500
LEASE_SECONDS = 90
SHARD_OF_LEASES = 64

_FIELDS = ("subject", "title", "edge", "started", "seen", "bytes", "stalls", "device")
_START = SessionStart(id="", grant="", subject="", content="/", started_at=1, ends_at=2)
_RECORD = bytes(LEASE_BYTES) + Record.of(_START, Counted(), Quality(), seen_at=0).pack()


async def layouts(open_valkey: Callable[[], AbstractAsyncContextManager[Redis]]) -> list[Row]:
    """The bytes of each, in a server of its own."""
    rows = []
    for name, put in _LAYOUTS.items():
        async with open_valkey() as client:
            before = await _memory(client)
            for first in range(0, COUNT, AT_ONCE):
                async with client.pipeline(transaction=False) as pipeline:
                    for number in range(first, first + AT_ONCE):
                        put(pipeline, number)
                    await pipeline.execute()
            each = (await _memory(client) - before) / COUNT
        rows.append(
            Row(
                work=f"layout: {name}",
                peer=f"{COUNT:,} of them",
                figure=f"{each:.1f} bytes",
                target="none",
                met=None,
            )
        )
    return rows


def _hash_each(pipeline: Pipeline, number: int) -> None:
    key = f"s:{number:016x}"
    pipeline.hset(key, mapping=dict.fromkeys(_FIELDS, f"{number:08d}"))
    pipeline.expire(key, LEASE_SECONDS)


def _string_each(pipeline: Pipeline, number: int) -> None:
    pipeline.set(f"s:{number:016x}", _RECORD, ex=LEASE_SECONDS)


def _set_of_subject(pipeline: Pipeline, number: int) -> None:
    key = f"l:{number:016x}"
    pipeline.zadd(key, {f"{number:016x}": 1.8e12})
    pipeline.expire(key, LEASE_SECONDS)


def _sharded_set(pipeline: Pipeline, number: int) -> None:
    pipeline.zadd(f"l:{number // SHARD_OF_LEASES}", {f"{number:016x}": 1.8e12})


def _bucket(pipeline: Pipeline, number: int) -> None:
    pipeline.hset(f"b:{number // PER_BUCKET}", _field(number), _RECORD)


def _long_values(pipeline: Pipeline, number: int) -> None:
    pipeline.hset(f"b:{number // PER_BUCKET}", _field(number), _RECORD + bytes(65 - len(_RECORD)))


def _field(number: int) -> str:
    return f"{secrets.token_urlsafe(6)}{number:016x}ab"


_LAYOUTS: dict[str, Callable[[Pipeline, int], None]] = {
    "a hash for each, 8 fields, expiring": _hash_each,
    "a string for each, packed, expiring": _string_each,
    "only leases: a sorted set for each subject, expiring": _set_of_subject,
    f"only leases: sorted sets of {SHARD_OF_LEASES}": _sharded_set,
    f"hashes of {PER_BUCKET}, lease and figures packed (ours)": _bucket,
    "the same with values of 65 bytes, which Redis does not pack": _long_values,
}


async def _memory(client: Redis) -> int:
    return int((await client.info("memory"))["used_memory"])
