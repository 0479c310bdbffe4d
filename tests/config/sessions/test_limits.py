from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

from config.contracts.sessions import SessionStart
from config.runtime.redis import open_redis
from config.runtime.sessions.errors import LimitReached
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import DeviceLimits
from config.settings.shared import RedisSettings
from tests.config.sessions.conftest import OpenStore
from tests.config.sessions.starts import CONTENT, record, start


async def admitted(store: SessionStore, *starts: SessionStart, silent_for: float = 0.0) -> None:
    for one in starts:
        await store.admit(one, record(one, silent_for=silent_for))


async def ids_of(store: SessionStore, subject: str = "viewer-1") -> list[str]:
    return [one.session for one in await store.playing(subject)]


@pytest.mark.parametrize("policy", ["deny", "evict-oldest"])
async def test_of_twenty_starts_at_once_over_two_edges_exactly_three_play(
    open_store: OpenStore, redis_settings: RedisSettings, policy: str
) -> None:
    async with open_redis(redis_settings) as other:
        stores = open_store("edge-1", policy=policy), open_store("edge-2", other, policy=policy)

        async def attempt(number: int) -> str:
            one = start(number)
            try:
                await stores[number % 2].admit(one, record(one))
            except LimitReached as refusal:
                return f"refused, {len(refusal.playing)} play"
            return "admitted"

        outcomes = Counter(await asyncio.gather(*(attempt(number) for number in range(20))))

    assert outcomes == (
        {"admitted": 3, "refused, 3 play": 17} if policy == "deny" else {"admitted": 20}
    )
    assert len(await ids_of(stores[0])) == 3


async def test_a_refusal_lists_what_plays_from_the_oldest_on(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, start(2, device="tv"), start(1), start(3, content="/main/other/"))

    with pytest.raises(LimitReached) as refusal:
        await admitted(store, start(4))

    assert [(one.session, one.device, one.content) for one in refusal.value.playing] == [
        ("session-00000001", "other", CONTENT),
        ("session-00000002", "tv", CONTENT),
        ("session-00000003", "other", "/main/other/"),
    ]


async def test_a_session_that_asks_twice_has_one_place(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, start(1), start(2), start(3), start(3), start(1))

    assert len(await ids_of(store)) == 3


async def test_one_session_at_two_edges_has_one_place(open_store: OpenStore) -> None:
    first, second = open_store("edge-1"), open_store("edge-2")
    await admitted(first, start(1), start(2))
    await admitted(second, start(2), start(3))

    with pytest.raises(LimitReached) as refusal:
        await admitted(second, start(4))

    assert len(refusal.value.playing) == 3
    assert [one.edges for one in await first.playing("viewer-1")] == [
        ("edge-1",),
        ("edge-1", "edge-2"),
        ("edge-2",),
    ]


async def test_subjects_do_not_share_a_limit(open_store: OpenStore) -> None:
    store = open_store(expected=1)  # few buckets, so that subjects meet in one
    for number in range(300):
        await admitted(store, start(number, subject=f"viewer-{number}", limit=1))

    with pytest.raises(LimitReached):
        await admitted(store, start("again", subject="viewer-7", limit=1))


async def test_the_oldest_gives_way_if_that_is_the_policy(open_store: OpenStore) -> None:
    store = open_store(policy="evict-oldest")
    await admitted(store, start(2), start(1), start(3))

    outcome = await store.admit(start(4), record(start(4)))

    assert outcome.replaced == ("session-00000001",)
    assert outcome.quiet == ()
    assert await ids_of(store) == ["session-00000002", "session-00000003", "session-00000004"]


async def test_a_lowered_limit_ends_as_many_as_it_takes(open_store: OpenStore) -> None:
    store = open_store(policy="evict-oldest")
    await admitted(store, *(start(number, limit=5) for number in range(5)))

    outcome = await store.admit(start(9, limit=2), record(start(9)))

    assert len(outcome.replaced) == 4
    assert await ids_of(store) == ["session-00000004", "session-00000009"]


async def test_a_silent_session_gives_its_place_to_another_device(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, start(1), start(3))
    await admitted(store, start(2), silent_for=31)

    outcome = await store.admit(start(4), record(start(4)))

    assert outcome.quiet == ("session-00000002",)
    assert outcome.replaced == ()


async def test_a_session_that_is_silent_for_less_than_the_grace_keeps_its_place(
    open_store: OpenStore,
) -> None:
    store = open_store()
    await admitted(store, start(1), start(2), start(3), silent_for=25)

    with pytest.raises(LimitReached):
        await admitted(store, start(4))


async def test_a_paused_player_keeps_its_place_for_longer(open_store: OpenStore) -> None:
    store = open_store()
    for number in range(3):
        await store.admit(start(number), record(start(number), silent_for=300, paused=True))

    with pytest.raises(LimitReached):
        await admitted(store, start(4))


async def test_a_place_that_the_catalog_keeps_for_a_paused_player_stays_when_its_edge_lets_go(
    open_store: OpenStore,
) -> None:
    catalog, edge = open_store(None), open_store("edge-1")
    await admitted(catalog, start(1, limit=1))
    await admitted(edge, start(1, limit=1))
    await catalog.admit(start(1, limit=1), record(start(1), paused=True))

    await edge.end(start(1))  # silent

    with pytest.raises(LimitReached):
        await admitted(edge, start(2, limit=1))
    await catalog.end(start(1), everywhere=True)
    await admitted(edge, start(2, limit=1))


async def test_a_client_that_never_says_stop_loses_its_place_with_its_lease(
    open_store: OpenStore,
) -> None:
    store = open_store(switch_grace=89)
    await admitted(store, start(1), start(2))
    await admitted(store, start(3), silent_for=91)

    outcome = await store.admit(start(4), record(start(4)))

    assert (outcome.replaced, outcome.quiet) == ((), ())
    assert await ids_of(store) == ["session-00000001", "session-00000002", "session-00000004"]


async def test_a_class_of_devices_has_a_limit_of_its_own(open_store: OpenStore) -> None:
    store = open_store(device_limits=DeviceLimits(tv=1))
    await admitted(store, start(1, device="tv"), start(2, device="phone"))

    with pytest.raises(LimitReached):
        await admitted(store, start(3, device="tv"))
    await admitted(store, start(3, device="phone"))


async def test_only_what_helps_gives_way_to_a_limit_of_devices(open_store: OpenStore) -> None:
    store = open_store(device_limits=DeviceLimits(tv=1), policy="evict-oldest")
    await admitted(store, start(1, device="phone"), start(2, device="tv"))

    outcome = await store.admit(start(3, device="tv"), record(start(3, device="tv")))

    assert outcome.replaced == ("session-00000002",)


async def test_a_title_has_a_limit_of_its_own(open_store: OpenStore) -> None:
    store = open_store(title_limit=1)
    await admitted(store, start(1, limit=None))

    with pytest.raises(LimitReached):
        await admitted(store, start(2, limit=None))
    await admitted(store, start(2, limit=None, content="/main/other/"))


async def test_who_has_no_limit_plays_any_number(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, *(start(number, limit=None) for number in range(40)))

    assert len(await ids_of(store)) == 40


async def test_what_must_play_plays_beyond_the_limit(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, start(1), start(2), start(3))

    await store.admit(start(4), record(start(4)), force=True)

    assert len(await ids_of(store)) == 4


async def test_a_reservation_is_taken_up_by_the_edge_that_plays_it(open_store: OpenStore) -> None:
    catalog, edge = open_store(None), open_store("edge-1")
    await admitted(catalog, start(1), start(2), start(3))
    assert [one.edges for one in await edge.playing("viewer-1")] == [(), (), ()]

    await admitted(edge, start(1))
    await edge.end(start(1))

    assert await ids_of(edge) == ["session-00000002", "session-00000003"]


async def test_a_reservation_that_nobody_plays_gives_way_after_the_grace(
    open_store: OpenStore,
) -> None:
    catalog, edge = open_store(None), open_store("edge-1")
    await admitted(catalog, start(1, limit=1), silent_for=31)

    outcome = await edge.admit(start(2, limit=1), record(start(2)))

    assert outcome.quiet == ("session-00000001",)


async def test_an_ended_session_gives_its_place_back(open_store: OpenStore) -> None:
    store = open_store()
    await admitted(store, start(1), start(2), start(3))

    await store.end(start(2))
    await store.end(start(2))

    await admitted(store, start(4))


async def test_a_session_that_one_edge_no_longer_serves_goes_on_at_the_other(
    open_store: OpenStore,
) -> None:
    first, second = open_store("edge-1"), open_store("edge-2")
    await admitted(first, start(1))
    await admitted(second, start(1))

    await first.end(start(1))
    assert [one.edges for one in await first.playing("viewer-1")] == [("edge-2",)]

    await first.end(start(1), everywhere=True)
    assert await ids_of(first) == []


async def test_a_session_id_of_any_characters_stays_one_session(open_store: OpenStore) -> None:
    store = open_store()
    odd = [start(1, id="*"), start(2, id="s[a-z]?\\"), start(3, id="é" * 200)]
    await admitted(store, *odd, *odd)
    assert len(await ids_of(store)) == 3

    await store.end(odd[0], everywhere=True)

    assert len(await ids_of(store)) == 2


async def test_a_bucket_of_thousands_is_searched_in_whole(
    open_store: OpenStore, redis: Redis
) -> None:
    store = open_store(expected=1)
    await admitted(store, start(1), start(2), start(3))
    (bucket,) = [key async for key in redis.scan_iter("kawa:{s*}:0")]
    value = b"\xff" * 6 + record(start(1)).pack()
    await redis.hset(bucket, mapping={f"OTHERSUB{number:08}aa": value for number in range(3000)})

    with pytest.raises(LimitReached):
        await admitted(store, start(4))
