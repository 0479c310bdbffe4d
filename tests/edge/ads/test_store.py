from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from config.runtime.redis import open_redis
from config.settings.shared import RedisSettings
from edge.cache.ads.groups import Groups, key_of
from edge.cache.ads.store import (
    NOTHING,
    MemoryStore,
    NoStore,
    RedisStore,
    Store,
    StoreAway,
    Stored,
)
from edge.cache.ads.treated import Rendition

KEY = key_of("group", "cdn", "live/master.m3u8", "rules")


@pytest.fixture(params=["redis", "memory"])
async def store(
    request: pytest.FixtureRequest, redis_settings: RedisSettings
) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with open_redis(redis_settings) as client:
        yield RedisStore(client)


async def test_a_record_is_written_once_over_each_version(store: Store) -> None:
    assert await store.load(KEY) == NOTHING
    assert await store.swap(KEY, expected="", record=b"one") is None
    held = await store.load(KEY)
    assert held == Stored.of(b"one")
    assert await store.swap(KEY, expected="", record=b"other") == held
    assert await store.swap(KEY, expected=held.version, record=b"two") is None
    assert await store.swap(KEY, expected=held.version, record=b"late") == Stored.of(b"two")
    assert (await store.load(KEY)).record == b"two"


async def test_a_version_can_be_compared_without_writing(store: Store) -> None:
    await store.swap(KEY, expected="", record=b"one")
    assert await store.swap(KEY, expected=Stored.of(b"one").version, record=b"") is None
    assert await store.swap(KEY, expected="other", record=b"") == Stored.of(b"one")


async def test_what_was_lost_is_told_and_can_be_written_again(store: Store) -> None:
    lost = Stored.of(b"before")
    assert await store.swap(KEY, expected=lost.version, record=b"") == NOTHING
    assert await store.swap(KEY, expected=lost.version, record=b"after") is None
    assert (await store.load(KEY)).record == b"after"


async def test_over_what_was_lost_nothing_is_written_if_only_that_may_be_replaced(
    store: Store,
) -> None:
    lost = Stored.of(b"before")
    assert await store.swap(KEY, expected=lost.version, record=b"after", only=True) == NOTHING
    assert await store.load(KEY) == NOTHING
    assert await store.swap(KEY, expected="", record=b"after", only=True) is None
    assert await store.swap(KEY, expected=lost.version, record=b"x", only=True) == Stored.of(
        b"after"
    )


async def test_the_first_note_stays(store: Store) -> None:
    assert await store.noted("kawa:{ads:1}") is None
    assert await store.note({"kawa:{ads:1}": "a", "kawa:{ads:2}": "b"}) == {
        "kawa:{ads:1}": "a",
        "kawa:{ads:2}": "b",
    }
    assert await store.note({"kawa:{ads:1}": "c"}) == {"kawa:{ads:1}": "a"}
    assert await store.noted("kawa:{ads:1}") == "a"


async def test_what_is_kept_in_redis_ends_by_itself(redis_settings: RedisSettings) -> None:
    async with open_redis(redis_settings) as client:
        store = RedisStore(client)
        await store.swap(KEY, expected="", record=b"one")
        await store.note({"kawa:{ads:1}": "a"})
        assert 0 < await client.ttl(KEY) <= 24 * 3600
        assert 0 < await client.ttl("kawa:{ads:1}") <= 72 * 3600


async def test_redis_that_is_away_is_left_alone_for_a_moment(tmp_path: object) -> None:
    nowhere = RedisSettings.model_validate({"url": f"unix://{tmp_path}/none.sock"})
    async with open_redis(nowhere) as client:
        store = RedisStore(client)
        for _ in range(3):
            with pytest.raises(StoreAway):
                await store.load(KEY)


# --- groups

LEADER, OTHER = Rendition("cdn", "live/v0.m3u8"), Rendition("cdn", "live/a0.m3u8")
MASTER = Rendition("cdn", "live/master.m3u8")


async def test_a_rendition_without_a_master_is_its_own_group(store: Store) -> None:
    membership = await Groups(store).of(OTHER)
    assert (membership.master, membership.leader) == ("", OTHER)


async def test_what_one_process_learns_all_know(store: Store) -> None:
    await Groups(store).adopt(MASTER, [LEADER, OTHER])
    membership = await Groups(store).of(OTHER)
    assert (membership.master, membership.leader) == ("live/master.m3u8", LEADER)


async def test_the_first_master_of_a_rendition_stays_its_master(store: Store) -> None:
    first, second = Groups(store), Groups(store)
    await first.adopt(MASTER, [LEADER, OTHER])
    await second.adopt(Rendition("cdn", "live/small.m3u8"), [OTHER])
    assert await second.of(OTHER) == await first.of(OTHER)


async def test_nobody_can_say_which_group_it_is_while_there_is_no_store() -> None:
    groups = Groups(NoStore())
    await groups.adopt(MASTER, [LEADER, OTHER])
    with pytest.raises(StoreAway):
        await groups.of(OTHER)


async def test_a_note_that_is_none_of_ours_counts_as_none(store: Store) -> None:
    for text in ("", "[]", "[1,2,3,4]", "{", '["a"]'):
        key = key_of("in", "cdn", text or "empty")
        await store.note({key: text})
        rendition = Rendition("cdn", text or "empty")
        assert (await Groups(store).of(rendition)).master == ""
