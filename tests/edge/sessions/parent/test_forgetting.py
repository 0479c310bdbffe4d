from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from config.contracts.stream_events import EVENTS
from tests.edge.sessions.parent.harness import Catalog, Clock, Edges, start

SECRET = "user:Ørsted"


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
    tasks = [asyncio.create_task(edge.orders.run()) for edge in (one, two)]
    async with asyncio.timeout(10):
        while not (one.orders.connected and two.orders.connected):
            await asyncio.sleep(0.01)
        await two.control.open(start("one", subject=SECRET), joins=False)
        await two.control.open(start("two", subject="another"), joins=False)

        done = await one.control.forget(SECRET)

        assert (done.here, done.told) == (0, True)
        while two.control.shown("one") is not None:
            await asyncio.sleep(0.01)
    assert two.control.shown("two") is not None
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
