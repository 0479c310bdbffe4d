"""What is known of groups of renditions, shared by all workers and edges: one Redis hash for each group."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge import metrics
from edge.cache.bounded import Bounded

# What says which group a rendition is of outlives the group's record.
NOTE_SECONDS = 3 * 24 * 3600
_LEFT_ALONE_SECONDS = 0.5
_MOST_IN_MEMORY = 16384

# The record that was read is replaced, or the one that stands in its place is told. Where there is none, whoever comes
# first writes what is known: Redis may have lost it. Without a record only the version is compared, and of what was
# lost it is told. What is used stays.
_SWAP = """
local held = redis.call('HMGET', KEYS[1], 'version', 'record')
if held[1] and held[1] ~= ARGV[1] then return held end
local lost = not held[1] and ARGV[1] ~= ''
if lost and (ARGV[3] == '' or ARGV[5] == 'only') then return {'', ''} end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3]) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {}
"""


class StoreAway(Exception):
    """Nobody can say now what is stored."""


class Stored(NamedTuple):
    """A record as it is stored; ``version`` stands for its bytes, so that no two different ones have the same."""

    version: str
    record: bytes

    @classmethod
    def of(cls, record: bytes) -> Stored:
        """A record that is to be stored."""
        return cls(hashlib.blake2b(record, digest_size=12).hexdigest(), record)


NOTHING = Stored("", b"")


class Store(Protocol):
    """Compare-and-set of small records; each call is bounded in time and raises ``StoreAway`` when it fails."""

    async def load(self, key: str) -> Stored:
        """What is stored, or ``NOTHING``."""

    async def swap(
        self, key: str, *, expected: str, record: bytes, seconds: int, only: bool = False
    ) -> Stored | None:
        """Write a record over version ``expected``, or where there is none; ``None`` when done, else the one in place.

        Without a record nothing is written: ``None`` says that the expected version is the one in place. ``only``: of
        an expected version that was lost ``NOTHING`` is told. What is in place then stays for so many ``seconds``.
        """

    async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Keep each text under its key unless there is one already; those that are kept."""

    async def noted(self, key: str) -> str | None:
        """The text that is kept under a key."""


class RedisStore:
    """In Redis; left alone for a moment after it failed."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._away_until = 0.0  # monotonic seconds

    async def load(self, key: str) -> Stored:
        self._look()
        try:
            version, record = await self._client.hmget(key, ["version", "record"])
        except (RedisError, OSError, TimeoutError) as error:
            raise self._away() from error
        return _stored(version, record)

    async def swap(
        self, key: str, *, expected: str, record: bytes, seconds: int, only: bool = False
    ) -> Stored | None:
        self._look()
        version, how = Stored.of(record).version, "only" if only else ""
        try:
            held: Any = await self._client.eval(
                _SWAP, 1, key, expected, version, record, seconds, how
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise self._away() from error
        return _stored(held[0], held[1]) if held else None

    async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        self._look()
        try:
            # Keys of many slots: no transaction, and one way there and back.
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, text in texts.items():
                    pipeline.set(key, text, nx=True, ex=NOTE_SECONDS)
                    pipeline.getex(key, ex=NOTE_SECONDS)
                answers = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise self._away() from error
        return {
            key: _text(kept)
            for key, kept in zip(texts, answers[1::2], strict=True)
            if kept is not None
        }

    async def noted(self, key: str) -> str | None:
        self._look()
        try:
            kept = await self._client.getex(key, ex=NOTE_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            raise self._away() from error
        return None if kept is None else _text(kept)

    def _look(self) -> None:
        if time.monotonic() < self._away_until:
            raise StoreAway

    def _away(self) -> StoreAway:
        self._away_until = time.monotonic() + _LEFT_ALONE_SECONDS
        metrics.ADS_STATE.labels("redis-failed").inc()
        return StoreAway()


class MemoryStore:
    """In this process: for an edge of one worker that has no Redis; what was not used for longest makes room."""

    def __init__(self) -> None:
        self._records: Bounded[str, Stored] = Bounded(_MOST_IN_MEMORY)
        self._notes: Bounded[str, str] = Bounded(_MOST_IN_MEMORY)

    async def load(self, key: str) -> Stored:
        return self._records.get(key) or NOTHING

    async def swap(
        self, key: str, *, expected: str, record: bytes, seconds: int, only: bool = False
    ) -> Stored | None:
        held = self._records.get(key) or NOTHING
        if held.version not in ("", expected) or (only and held.version != expected):
            return held
        if record:
            self._records.put(key, Stored.of(record))
        elif held.version != expected:
            return held
        return None

    async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        for key, text in texts.items():
            self._notes.put(key, self._notes.get(key) or text)
        return {key: self._notes.get(key) or text for key, text in texts.items()}

    async def noted(self, key: str) -> str | None:
        return self._notes.get(key)


class NoStore:
    """Nothing is shared by the worker processes of this edge, so that no number may be given."""

    async def load(self, key: str) -> Stored:
        raise StoreAway

    async def swap(
        self, key: str, *, expected: str, record: bytes, seconds: int, only: bool = False
    ) -> Stored | None:
        raise StoreAway

    async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        raise StoreAway

    async def noted(self, key: str) -> str | None:
        raise StoreAway


def _stored(version: bytes | str | None, record: bytes | str | None) -> Stored:
    if not version or record is None:
        return NOTHING
    return Stored(_text(version), record if isinstance(record, bytes) else record.encode())


def _text(kept: bytes | str) -> str:
    return kept.decode("utf-8", "replace") if isinstance(kept, bytes) else kept
