from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from config.runtime.sessions.keys import EDGES, tags_for
from config.runtime.sessions.orders import ORDERS_COUNT, ORDERS_STREAM, Order
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import SessionSettings
from tests.config.sessions.conftest import OpenStore
from tests.config.sessions.starts import CONTENT, record, start

DAY = 86_400


async def test_every_session_is_listed_once(open_store: OpenStore) -> None:
    stores = open_store("edge-1", expected=50_000), open_store("edge-2", expected=50_000)
    for number in range(60):
        one = start(number, subject=f"viewer-{number % 40}", limit=None)
        for store in stores[: 1 + number % 2]:
            await store.admit(one, record(one))

    listed = [one async for one in stores[0].listed()]

    assert sorted(one.session for one in listed) == [start(number).id for number in range(60)]
    assert {one.edges for one in listed} == {("edge-1",), ("edge-1", "edge-2")}
    assert {one.content for one in listed} == {CONTENT}


async def test_no_more_are_listed_than_asked_for(open_store: OpenStore) -> None:
    store = open_store()
    for number in range(30):
        one = start(number, subject=f"viewer-{number}")
        await store.admit(one, record(one))

    assert len([one async for one in store.listed(limit=7)]) == 7


async def test_pages_follow_one_another(open_store: OpenStore) -> None:
    store = open_store()
    for number in range(30):
        one = start(number, subject=f"viewer-{number}")
        await store.admit(one, record(one))

    seen: list[str] = []
    page = await store.page(limit=5)
    while True:
        seen += [one.session for one in page.sessions]
        if page.next is None:
            break
        page = await store.page(page.next, limit=5)

    assert sorted(seen) == [start(number).id for number in range(30)]


async def test_sessions_of_two_subjects_with_the_same_id_are_two(open_store: OpenStore) -> None:
    store = open_store(expected=1)
    first = next(
        (a, b)
        for a in map(str, range(1000))
        for b in map(str, range(1000, 2000))
        if store.shard_of(a) == store.shard_of(b)
    )
    for subject in first:
        await store.admit(start(1, subject=subject), record(start(1)))

    assert len([one async for one in store.listed()]) == 2


async def test_a_session_whose_lease_has_ended_is_not_listed(open_store: OpenStore) -> None:
    store = open_store()
    await store.admit(start(1), record(start(1), silent_for=91))

    assert [one async for one in store.listed()] == []
    assert await store.playing("viewer-1") == []


async def test_what_is_no_record_is_not_listed(open_store: OpenStore, redis: Redis) -> None:
    store = open_store(expected=1)
    await store.admit(start(1), record(start(1)))
    bucket = f"kawa:{{s{store.shard_of('viewer-1')}}}:0"
    await redis.hset(bucket, "ODDSUBJEsessionaa", b"\xff" * 20)

    assert [one.session async for one in store.listed()] == [start(1).id]


async def test_a_refusal_does_not_tell_more_than_a_list_may(open_store: OpenStore) -> None:
    store = open_store()
    await store.admit(start(1), record(start(1)))

    (one,) = await store.playing("viewer-1")

    assert one.playing().to_json() == {
        "session": start(1).id,
        "content": CONTENT,
        "device": "other",
        "started_at": start(1).started_at,
    }


async def test_what_is_forgotten_is_nowhere_in_redis(open_store: OpenStore, redis: Redis) -> None:
    store = open_store()
    await store.admit(start(1, subject="viewer-of-old"), record(start(1)))
    await store.admit(start(2, subject="viewer-of-old"), record(start(2)))
    await store.saw(CONTENT, ["viewer-of-old"])

    assert await store.forget("viewer-of-old") == 2
    await store.order("forget", "", "viewer-of-old")

    assert await store.playing("viewer-of-old") == []
    for key in [key async for key in redis.scan_iter()]:
        value = await redis.dump(key)
        assert b"viewer-of-old" not in key + (value or b"")


async def test_orders_are_numbered_and_read_as_they_were_given(
    open_store: OpenStore, redis: Redis
) -> None:
    store = open_store()
    await store.order("evict", "session-1", "viewer-1")
    await store.order("kick", "session-2")
    await store.order("forget", "", "viewer-1")

    found: Any = await redis.xrange(ORDERS_STREAM)
    entries = [fields for _, fields in found]

    mark = await store.mark("viewer-1")
    assert [Order.parse(fields) for fields in entries] == [
        Order(kind="evict", session="session-1", mark=mark),
        Order(kind="kick", session="session-2", mark=""),
        Order(kind="forget", session="", mark=mark),
    ]
    assert [fields[b"number"] for fields in entries] == [b"1", b"2", b"3"]
    assert await redis.get(ORDERS_COUNT) == b"3"


@given(st.dictionaries(st.binary(), st.binary()))
def test_an_entry_that_is_no_order_is_none(fields: dict[bytes, bytes]) -> None:
    assert Order.parse(fields) is None
    Order.parse(fields | {b"kind": b"kick"})


async def test_a_viewer_counts_once_a_title_however_often_they_watch(redis: Redis) -> None:
    now = [1_795_000_000.0]
    store = SessionStore(redis, SessionSettings(), edge="edge-1", clock=lambda: now[0])
    await store.saw(CONTENT, [f"viewer-{number}" for number in range(1200)])
    await store.saw(CONTENT, ["viewer-1", "viewer-2"])
    await store.saw("/main/other/", ["viewer-1"])
    now[0] += DAY
    await store.saw(CONTENT, ["viewer-1", "viewer-of-today"])

    assert await store.viewers(CONTENT) == 2
    assert abs(await store.viewers(CONTENT, 2) - 1201) < 30
    assert await store.viewers("/main/other/", 8) == 1
    with pytest.raises(ValueError, match="8 days"):
        await store.viewers(CONTENT, 9)


async def test_viewers_are_kept_for_as_long_as_they_can_be_asked_for(redis: Redis) -> None:
    store = SessionStore(redis, SessionSettings(), edge="edge-1")
    await store.saw(CONTENT, ["viewer-1"])

    (key,) = [key async for key in redis.scan_iter("kawa:{u*")]

    assert timedelta(days=7) < timedelta(seconds=await redis.ttl(key)) <= timedelta(days=8)


async def test_the_name_of_a_title_is_told_again_each_day(redis: Redis) -> None:
    now = [1_795_000_000.0]
    store = SessionStore(redis, SessionSettings(), edge="edge-1", clock=lambda: now[0])
    await store.admit(start(1), record(start(1)))
    (key,) = [key async for key in redis.scan_iter("kawa:{t*")]
    await redis.delete(key)
    shard = store.shard_of("viewer-1")

    await store.renew(shard, [(start(1), record(start(1)))])
    assert await redis.exists(key) == 0

    now[0] += DAY
    await store.renew(shard, [(start(1), record(start(1)))])
    assert await redis.get(key) == CONTENT.encode()


async def test_a_list_without_the_name_of_a_title_has_none(
    open_store: OpenStore, redis: Redis
) -> None:
    await open_store("edge-1").admit(start(1), record(start(1)))
    for key in [key async for key in redis.scan_iter("kawa:{t*")]:
        await redis.delete(key)

    (live,) = await open_store("edge-2").playing("viewer-1")

    assert live.content == ""


async def test_edges_that_would_like_the_same_tag_have_two(
    open_store: OpenStore, redis: Redis
) -> None:
    first, second = list(tags_for("edge-1"))[:2]
    await redis.hset(EDGES, first, "9999999999999 another edge")

    await open_store("edge-1").admit(start(1), record(start(1)))

    assert str(await redis.hget(EDGES, second)).endswith(" edge-1'")


async def test_an_edge_that_comes_back_has_its_tag_again(
    open_store: OpenStore, redis: Redis
) -> None:
    for _ in range(2):
        await open_store("edge-1").admit(start(1), record(start(1)))

    assert await redis.hlen(EDGES) == 1


async def test_an_edge_keeps_its_tag_when_the_one_that_it_would_like_more_is_free(
    open_store: OpenStore, redis: Redis
) -> None:
    first, second = list(tags_for("edge-1"))[:2]
    await redis.hset(EDGES, first, "9999999999999 another edge")
    await open_store("edge-1").mark("viewer-1")
    await redis.hdel(EDGES, first)

    await open_store("edge-1").mark("viewer-1")

    assert await redis.hkeys(EDGES) == [second.encode()]


async def test_the_tag_of_an_edge_that_is_no_more_is_given_away(
    open_store: OpenStore, redis: Redis
) -> None:
    first = next(tags_for("edge-1"))
    await redis.hset(EDGES, first, "1000 an edge of old")

    await open_store("edge-1").admit(start(1), record(start(1)))

    assert str(await redis.hget(EDGES, first)).endswith(" edge-1'")
