from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest

from config.runtime.redis import open_redis
from config.settings.shared import RedisSettings
from edge.cache.ads.agreement import Agreement
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
from edge.manifests.ads.hls.record import Group

SECONDS = 60
KEY = key_of("group", "cdn", "live/master.m3u8", "rules")


async def swapped(
    store: Store, *, expected: str, record: bytes, seconds: int = SECONDS, only: bool = False
) -> Stored | None:
    return await store.swap(KEY, expected=expected, record=record, seconds=seconds, only=only)


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
    assert await swapped(store, expected="", record=b"one") is None
    held = await store.load(KEY)
    assert held == Stored.of(b"one")
    assert await swapped(store, expected="", record=b"other") == held
    assert await swapped(store, expected=held.version, record=b"two") is None
    assert await swapped(store, expected=held.version, record=b"late") == Stored.of(b"two")
    assert (await store.load(KEY)).record == b"two"


async def test_a_version_can_be_compared_without_writing(store: Store) -> None:
    await swapped(store, expected="", record=b"one")
    assert await swapped(store, expected=Stored.of(b"one").version, record=b"") is None
    assert await swapped(store, expected="other", record=b"") == Stored.of(b"one")


async def test_what_was_lost_is_told_and_can_be_written_again(store: Store) -> None:
    lost = Stored.of(b"before")
    assert await swapped(store, expected=lost.version, record=b"") == NOTHING
    assert await swapped(store, expected=lost.version, record=b"after") is None
    assert (await store.load(KEY)).record == b"after"


async def test_over_what_was_lost_nothing_is_written_if_only_that_may_be_replaced(
    store: Store,
) -> None:
    lost = Stored.of(b"before")
    assert await swapped(store, expected=lost.version, record=b"after", only=True) == NOTHING
    assert await store.load(KEY) == NOTHING
    assert await swapped(store, expected="", record=b"after", only=True) is None
    assert await swapped(store, expected=lost.version, record=b"x", only=True) == Stored.of(
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
        await swapped(store, expected="", record=b"one")
        await store.note({"kawa:{ads:1}": "a"})
        assert 0 < await client.ttl(KEY) <= SECONDS
        assert 0 < await client.ttl("kawa:{ads:1}") <= 72 * 3600


async def test_a_record_that_is_only_compared_stays_as_long_as_one_that_is_written(
    redis_settings: RedisSettings,
) -> None:
    async with open_redis(redis_settings) as client:
        store = RedisStore(client)
        await swapped(store, expected="", record=b"one")
        one = Stored.of(b"one").version
        await swapped(store, expected=one, record=b"", seconds=10 * SECONDS)
        assert SECONDS < await client.ttl(KEY) <= 10 * SECONDS
        await swapped(store, expected="other", record=b"", seconds=100 * SECONDS)
        assert await client.ttl(KEY) <= 10 * SECONDS


async def test_a_record_is_kept_for_a_day_only_when_it_was_moved_on_for_long(
    redis_settings: RedisSettings,
) -> None:
    async with open_redis(redis_settings) as client:
        agreement = Agreement(RedisStore(client))

        def moved_on(group: Group | None) -> tuple[Group, None]:
            known = Group(epoch_ms=0, shift=0) if group is None else group
            return replace(known, serial=known.serial + 1), None

        lives = []
        for _ in range(1500):
            await agreement.reach(KEY, moved_on, alone=moved_on)
            lives.append(await client.ttl(KEY))
        assert lives[0] <= 6 * 60
        assert 30 * 60 < lives[60] <= 2 * 3600
        # Redis rounds what is left to seconds.
        assert all(later >= earlier - 1 for earlier, later in pairwise(lives))
        assert 23 * 3600 < lives[-1] <= 24 * 3600


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
