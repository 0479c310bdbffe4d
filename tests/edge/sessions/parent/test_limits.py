from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from edge.errors import StreamEnded, TooManyStreams
from edge.sessions.control import SessionControl
from edge.sessions.open import alone
from tests.edge.sessions.parent.harness import (
    NOW,
    Catalog,
    Clock,
    Edges,
    pass_time,
    registry_settings,
    start,
)


async def begun(controls: list[SessionControl], ids: list[str], **changes: Any) -> list[str]:
    """Who may play, of those that want to at the same time."""

    async def attempt(number: int, id: str) -> str | None:
        try:
            await controls[number % len(controls)].open(start(id, **changes), joins=False)
        except TooManyStreams:
            return None
        return id

    found = await asyncio.gather(*(attempt(number, id) for number, id in enumerate(ids)))
    return [id for id in found if id is not None]


TWENTY = [f"s{number}" for number in range(20)]


async def test_of_twenty_at_once_at_two_edges_exactly_three_may(edges: Edges) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")

    playing = await begun([one.control, two.control], TWENTY, limit=3)

    assert len(playing) == 3
    assert one.control.counts().sessions + two.control.counts().sessions == 3


async def test_without_redis_of_twenty_at_once_exactly_three_may(clock: Clock) -> None:
    control = alone(registry_settings().sessions, clock=clock)

    assert len(await begun([control], TWENTY, limit=3)) == 3
    await control.close()


async def test_whoever_is_refused_hears_what_else_plays_and_the_catalog_hears_of_it_once_a_minute(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start("one", limit=1, device="tv"), joins=False)
    for _ in range(5):
        with pytest.raises(TooManyStreams) as refused:
            await edge.control.open(start("two", limit=1, content="/vod/b/"), joins=False)
        clock.wait(10)

    (playing,) = refused.value.playing
    assert (playing.session, playing.device, playing.content) == ("one", "tv", "/vod/title/")
    await edge.tell()
    await catalog.store()
    assert [event.start.id for event in catalog.rejected] == ["two"]


async def test_a_place_is_free_at_once_when_a_stream_stops(edges: Edges, clock: Clock) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    await one.control.open(start("one", limit=1), joins=False)
    await one.control.stop("one")
    await one.flusher.turn()

    await two.control.open(start("two", limit=1), joins=False)


async def test_a_place_is_free_when_a_stream_has_been_silent_for_the_idle_time(
    edges: Edges, clock: Clock
) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    await one.control.open(start("one", limit=1), joins=False)

    await pass_time([one], clock, 91)

    await two.control.open(start("two", limit=1), joins=False)


async def test_evicting_the_oldest_ends_it_at_the_edge_that_plays_it(
    edges: Edges, client: Redis, clock: Clock
) -> None:
    settings = registry_settings(edges.settings.redis, policy="evict-oldest")
    one = await edges.add("edge-a", settings=settings)
    two = await edges.add("edge-b", settings=settings)
    reading = asyncio.create_task(one.orders.run())
    writing = asyncio.create_task(two.orders.run())
    await until(lambda: one.orders.connected and two.orders.connected)
    await one.control.open(start("one", limit=1), joins=False)

    await two.control.open(start("two", limit=1, started_at=int(NOW) + 1), joins=False)

    await until(lambda: one.control.counts().sessions == 0)
    state = one.control.shown("one")
    assert state is not None
    assert state.reason == "evicted"
    for edge in (one, two):
        with pytest.raises(StreamEnded):
            await edge.control.open(start("one", limit=1), joins=True)
    reading.cancel()
    writing.cancel()
    await asyncio.gather(reading, writing, return_exceptions=True)


async def test_a_kick_at_one_edge_ends_the_stream_at_another(edges: Edges, clock: Clock) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    tasks = [asyncio.create_task(edge.orders.run()) for edge in (one, two)]
    await until(lambda: one.orders.connected and two.orders.connected)
    await one.control.open(start("one"), joins=False)

    done = await two.control.kick("one")

    assert (done.here, done.told) == (0, True)
    await until(lambda: one.control.counts().sessions == 0)
    assert edges.revoked == ["one"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_segment_of_a_stream_that_is_not_known_here_is_never_refused_for_number(
    edges: Edges, clock: Clock
) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    await one.control.open(start("one", limit=1), joins=False)

    await two.control.open(start("two", limit=1), joins=True)
    await two.flusher.turn()

    assert two.control.counts().sessions == 1
    with pytest.raises(TooManyStreams):
        await two.control.open(start("two", limit=1), joins=False)


async def test_a_stream_that_moves_to_another_edge_keeps_its_place(
    edges: Edges, clock: Clock
) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    await one.control.open(start("one", limit=1), joins=False)

    await two.control.open(start("one", limit=1), joins=True)
    await two.flusher.turn()
    await pass_time([one], clock, 91)
    await two.control.open(start("one", limit=1), joins=False)

    with pytest.raises(TooManyStreams):
        await two.control.open(start("two", limit=1), joins=False)


async def test_a_viewer_who_comes_back_is_refused_if_another_took_the_place(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start("one", limit=1), joins=False)
    await pass_time([edge], clock, 91)
    await edge.control.open(start("two", limit=1), joins=False)

    with pytest.raises(TooManyStreams):
        await edge.control.open(start("one", limit=1), joins=False)


ALONE_CASES = [
    pytest.param({"limit": 2}, {}, ["a", "b"], id="all streams of the subject"),
    pytest.param(
        {"device": "tv"}, {"device_limits": {"tv": 1}}, ["a"], id="of one class of device"
    ),
    pytest.param({}, {"title_limit": 1}, ["a"], id="of one title"),
    pytest.param({}, {"device_limits": {"tv": 1}}, ["a", "b", "c"], id="of another device"),
]


@pytest.mark.parametrize(("changes", "settings", "expected"), ALONE_CASES)
async def test_an_edge_without_redis_limits(
    changes: dict[str, Any], settings: dict[str, Any], expected: list[str], clock: Clock
) -> None:
    control = alone(registry_settings(**settings).sessions, clock=clock)

    assert await begun([control], ["a", "b", "c"], **changes) == expected


@pytest.mark.parametrize(("changes", "settings", "expected"), ALONE_CASES)
async def test_an_edge_with_redis_limits_alike(
    changes: dict[str, Any], settings: dict[str, Any], expected: list[str], edges: Edges
) -> None:
    redis = edges.settings.redis
    edge = await edges.add(settings=registry_settings(redis, **settings))

    found = []
    for id in ("a", "b", "c"):
        found += await begun([edge.control], [id], **changes)

    assert found == expected


async def test_without_redis_a_silent_stream_gives_its_place_and_may_come_back_later(
    clock: Clock,
) -> None:
    control = alone(registry_settings().sessions, clock=clock)
    await control.open(start("one", limit=1), joins=False)
    clock.wait(30)
    await control.open(start("two", limit=1), joins=False)

    with pytest.raises(TooManyStreams):
        await control.open(start("one", limit=1), joins=False)
    await control.stop("two")
    await control.open(start("one", limit=1), joins=False)


async def test_without_redis_the_oldest_is_evicted_if_the_settings_say_so(clock: Clock) -> None:
    control = alone(registry_settings(policy="evict-oldest").sessions, clock=clock)
    for number, id in enumerate(("one", "two", "three")):
        await control.open(start(id, limit=2, started_at=int(NOW) + number), joins=False)

    assert [one.start.id for one in control.listed()] == ["three", "two"]
    with pytest.raises(StreamEnded):
        await control.open(start("one", limit=2), joins=False)


async def test_one_stream_opened_by_several_workers_at_once_counts_once(edges: Edges) -> None:
    edge = await edges.add()

    await asyncio.gather(
        *(edge.control.open(start("one", limit=1), joins=bool(n % 2)) for n in range(10))
    )

    assert edge.control.counts().sessions == 1


async def until(is_so: Any) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)
