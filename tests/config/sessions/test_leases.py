from __future__ import annotations

import pytest
from redis.asyncio import Redis

from config.contracts.sessions import Counted, Quality, SessionStart
from config.runtime.sessions.errors import LimitReached
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import RENEWED_AT_ONCE, SessionStore
from tests.config.sessions.conftest import OpenStore
from tests.config.sessions.starts import record, start


async def renewed(store: SessionStore, *starts: SessionStart, silent_for: float = 0.0) -> object:
    items = [(one, record(one, silent_for=silent_for)) for one in starts]
    return (await store.renew(store.shard_of(starts[0].subject), items)).gone


async def test_a_renewed_session_has_its_whole_lease_and_its_figures(open_store: OpenStore) -> None:
    store = open_store()
    one = start(1)
    await store.admit(one, record(one, silent_for=80))
    now = record(one).seen_at

    figures = Record.of(
        one, Counted(bytes=2**40, active_ms=61_500), Quality(stalls=2, stall_ms=900), seen_at=now
    )
    await store.renew(store.shard_of(one.subject), [(one, figures)])

    (live,) = await store.playing("viewer-1")
    assert 85 < live.left.total_seconds() <= 90
    assert (live.record.given_bytes, live.record.active_seconds) == (2**40, 61)
    assert (live.record.stalls, live.record.stall_ms) == (2, 900)


async def test_a_session_that_redis_has_not_is_gone_and_is_not_made(open_store: OpenStore) -> None:
    store = open_store()
    await store.admit(start(1), record(start(1)))

    assert await renewed(store, start(1), start(2)) == ("session-00000002",)
    assert len(await store.playing("viewer-1")) == 1


async def test_a_lease_that_has_ended_is_not_renewed(open_store: OpenStore) -> None:
    store = open_store()
    await store.admit(start(1, limit=1), record(start(1), silent_for=91))
    await store.admit(start(2, limit=1), record(start(2)))

    assert await renewed(store, start(1), start(2)) == ("session-00000001",)


async def test_a_session_whose_place_was_taken_is_gone(open_store: OpenStore) -> None:
    first, second = open_store("edge-1", policy="evict-oldest"), open_store("edge-2")
    await first.admit(start(1, limit=1), record(start(1)))
    await first.admit(start(2, limit=1), record(start(2)))

    assert await renewed(first, start(1)) == ("session-00000001",)
    with pytest.raises(LimitReached):
        await second.admit(start(1, limit=1), record(start(1)))


async def test_what_an_edge_that_died_left_behind_is_swept_away_while_others_renew(
    open_store: OpenStore, redis: Redis
) -> None:
    died, alive = open_store("edge-1", expected=1), open_store("edge-2", expected=1)
    subject = {"subject": "viewer-1", "limit": None}
    await alive.admit(start(0, **subject), record(start(0)))
    for number in range(1, 20):
        await died.admit(start(number, **subject), record(start(number), silent_for=91))

    await renewed(alive, start(0, **subject))

    shard = alive.shard_of("viewer-1")
    assert await redis.hlen(f"kawa:{{s{shard}}}:0") == 1


async def test_a_bucket_that_nobody_writes_to_goes(open_store: OpenStore, redis: Redis) -> None:
    store = open_store(expected=1)
    await store.admit(start(1), record(start(1)))

    left = await redis.pttl(f"kawa:{{s{store.shard_of('viewer-1')}}}:0")

    assert 1_190_000 < left <= 1_200_000  # twice as long as a paused player keeps its place


async def test_sessions_of_several_shards_or_too_many_are_not_renewed_at_once(
    open_store: OpenStore,
) -> None:
    store = open_store()
    shard = store.shard_of("viewer-1")
    stranger = next(name for name in map(str, range(100)) if store.shard_of(name) != shard)

    with pytest.raises(ValueError, match="one shard"):
        await renewed(store, start(1), start(2, subject=stranger))
    with pytest.raises(ValueError, match="too many"):
        await renewed(store, *(start(number) for number in range(RENEWED_AT_ONCE + 1)))


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(16, id="of the catalog"),
        pytest.param(29, id="one title of its list"),
        pytest.param(35, id="of a foreign token"),
    ],
)
async def test_a_session_takes_at_most_a_hundred_bytes(
    open_store: OpenStore, redis: Redis, length: int
) -> None:
    count = 20_000
    store = open_store(expected=count, flush=60, switch_grace=120, idle=600)
    await redis.delete("kawa:{sessions}:epoch")  # just begun: whatever is renewed is put there
    await store.admit(start(0, subject="nobody", limit=None), record(start(0)))
    by_shard: dict[int, list[tuple[SessionStart, Record]]] = {}
    for number in range(count):
        one = start(number, id=f"{number:0{length}x}", subject=f"viewer-{number}")
        by_shard.setdefault(store.shard_of(one.subject), []).append((one, record(one)))
    before = (await redis.info("memory"))["used_memory"]

    for shard, items in by_shard.items():
        assert (await store.renew(shard, items)).gone == ()

    used = (await redis.info("memory"))["used_memory"] - before
    assert used / count <= 100
