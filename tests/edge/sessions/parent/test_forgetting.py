from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.contracts.stream_events import EVENTS
from config.runtime.sessions.orders import Order
from edge.sessions.journal import Journal
from edge.sessions.naming import Facts
from edge.sessions.open import Together
from edge.sessions.worker import Sessions
from tests.edge.sessions.parent.harness import NOW, Catalog, Clock, Edges, start
from tests.edge.sessions.worker.conftest import held

SECRET = "user:Ørsted"


@asynccontextmanager
async def listening(*edges: Together) -> AsyncIterator[None]:
    """They obey one another, at most for ten seconds."""
    tasks = [asyncio.create_task(edge.orders.run()) for edge in edges]
    try:
        async with asyncio.timeout(10):
            while not all(edge.orders.connected for edge in edges):
                await asyncio.sleep(0.01)
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_subject_that_is_forgotten_is_neither_in_the_table_nor_on_the_disk_nor_told(
    edges: Edges, client: Redis, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    for id, subject in (("one", SECRET), ("two", SECRET), ("three", "another")):
        await edge.control.open(start(id, subject=subject), joins=False)
    await edge.control.stop("two")
    await edge.tick()
    (path,) = (edges.folder / "edge-a").iterdir()
    assert SECRET.encode() in path.read_bytes()

    done = await edge.control.forget(SECRET)
    await edge.tick()
    await edge.tell()

    assert done.here == 2
    assert [one.start.id for one in edge.control.listed()] == ["three"]
    (path,) = (edges.folder / "edge-a").iterdir()
    assert SECRET.encode() not in path.read_bytes()
    assert b"another" in path.read_bytes()
    assert SECRET.encode() not in repr(await client.xrange(EVENTS)).encode()
    await catalog.store()
    await edge.tell()
    assert list(catalog.rows) == ["three"]
    assert len(edge.outgoing) == 0


async def test_other_edges_forget_too(edges: Edges, clock: Clock) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    async with listening(one, two):
        await two.control.open(start("one", subject=SECRET), joins=False)
        await two.control.open(start("two", subject="another"), joins=False)

        done = await one.control.forget(SECRET)

        assert (done.here, done.told) == (0, True)
        while two.control.shown("one") is not None:
            await asyncio.sleep(0.01)
    assert two.control.shown("two") is not None


async def test_other_edges_forget_what_still_waits_for_the_catalog(
    edges: Edges, client: Redis, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add("edge-b")
    for id, subject in (("one", SECRET), ("two", "another")):
        await edge.control.open(start(id, subject=subject), joins=False)
        await edge.control.stop(id)
    await edge.tick()
    clock.wait(700)
    await edge.tick()
    assert edge.control.shown("one") is None  # what is left of it is on its way to the catalog
    (path,) = (edges.folder / "edge-b").iterdir()
    assert SECRET.encode() in path.read_bytes()

    assert edge.control.shared is not None
    mark = await edge.control.shared.mark(SECRET)
    await edge.control.obey(Order(kind="forget", session="", mark=mark))
    await edge.tick()
    await edge.tell()

    assert SECRET.encode() not in path.read_bytes()
    assert SECRET.encode() not in repr(await client.xrange(EVENTS)).encode()
    await catalog.store()
    assert list(catalog.rows) == ["two"]


async def test_an_order_to_forget_is_obeyed_though_redis_is_away_in_the_midst_of_it(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await edges.add("edge-a"), await edges.add("edge-b")
    shared = two.control.shared
    assert shared is not None
    mark, asked = shared.mark, 0

    async def away_at_first(subject: str) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RedisConnectionError
        return await mark(subject)

    monkeypatch.setattr(shared, "mark", away_at_first)
    async with listening(one, two):
        await two.control.open(start("one", subject=SECRET), joins=False)
        await two.control.open(start("two", subject="another"), joins=False)

        await one.control.forget(SECRET)
        await one.control.kick("two")
        while (behind := two.control.shown("two")) is None or behind.reason != "kicked":
            await asyncio.sleep(0.01)

    assert two.control.shown("one") is None
    assert asked > 1


async def test_a_subject_that_is_forgotten_while_the_journal_is_written_anew_is_not_on_the_disk(
    edges: Edges, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = await edges.add()
    assert edge.keeper is not None
    await edge.control.open(start("one", subject=SECRET), joins=False)
    await edge.control.stop("one")
    await edge.tick()
    began, go_on, write_anew = threading.Event(), threading.Event(), Journal.write_anew

    def held_back(journal: Journal, records: Iterable[bytes]) -> None:
        began.set()
        assert go_on.wait(10)
        write_anew(journal, records)

    monkeypatch.setattr(Journal, "write_anew", held_back)
    edge.keeper.anew()
    turn = asyncio.create_task(edge.keeper.turn())
    assert await asyncio.to_thread(began.wait, 10)
    await edge.control.forget(SECRET)
    go_on.set()
    assert await turn

    clock.wait(60)
    await edge.tick()

    (path,) = (edges.folder / "edge-a").iterdir()
    assert SECRET.encode() not in path.read_bytes()


async def test_what_a_worker_gave_before_a_subject_was_forgotten_does_not_come_back(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    settings = edges.settings.sessions
    worker = Sessions(edge.control, settings, worker="w0a", secret=b"secret", clock=clock)
    token = held(subject=SECRET)

    async def play(seconds: int) -> None:
        clock.wait(seconds)
        viewing = await worker.entered(token, "/vod/a/master.m3u8", Facts, is_manifest=True)
        viewing.asked(clock(), manifest=True)
        viewing.sent(1000)
        await worker.tell()

    for _ in range(10):
        await play(4)
    await edge.control.forget(SECRET)
    assert edge.control.listed() == []
    await play(1)  # which tells once more what it counted
    await play(1)

    (state,) = edge.control.listed()
    assert state.start.started_at == NOW + 42
    assert (state.counted.requests, state.counted.bytes) == (1, 1000)
    await worker.close()
