from __future__ import annotations

from collections import Counter
from random import Random

from redis.asyncio import Redis

from config.contracts.sessions import Quality
from config.contracts.stream_events import EVENTS
from edge.sessions.open import Together
from tests.edge.sessions.parent.harness import Catalog, Clock, Edges, pass_time, start


async def test_what_workers_gave_is_stored_to_the_byte(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    workers = [edges.worker(edge, name) for name in ("w0a", "w1a", "w2a")]

    for size, worker in enumerate(workers, start=1):
        worker.give("one", 1000 * size)
        await worker.tell()
    await edge.control.stop("one")
    await tell(edge, catalog)

    row = catalog.rows["one"]
    assert row.bytes == 6000
    assert row.requests == 3
    assert (row.is_stopped, row.reason, row.revision) == (True, "stop", 1)


async def test_sums_hold_through_workers_that_die_lost_answers_and_reports_told_twice_or_late(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    random = Random(7)
    given: Counter[str] = Counter()
    ids = [f"session-{number}" for number in range(40)]
    for id in ids:
        await edge.control.open(start(id, subject=id), joins=False)

    for generation in range(6):
        workers = [edges.worker(edge, f"w{slot}-{generation}") for slot in range(3)]
        for _ in range(4):
            for worker in workers:
                for id in random.sample(ids, 15):
                    size = random.randrange(1, 10**6)
                    worker.give(id, size)
                    given[id] += size
                old = worker.reports()
                await worker.tell()
                if random.random() < 0.5:
                    await edge.control.tell(worker.name, worker.reports() or old)
                if random.random() < 0.3:
                    await edge.control.tell(worker.name, old)  # a late one, from before
            await pass_time([edge], clock, 7)
            await tell(edge, catalog)
        for worker in workers[:2]:
            edge.control.retire(worker.name)

    for id in ids:
        await edge.control.stop(id)
    await tell(edge, catalog)
    assert {id: catalog.rows[id].bytes for id in ids} == dict(given)


async def test_a_report_from_before_takes_nothing_back(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 10)
    (early,) = worker.reports()
    worker.give("one", 10)
    await worker.tell()

    await edge.control.tell(worker.name, [early])

    assert bytes_of(edge, "one") == 20


async def test_a_session_that_its_worker_had_dropped_counts_on(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 100)
    (before,) = worker.reports()
    await worker.tell()

    worker.begin_anew("one")
    worker.give("one", 3)
    await worker.tell()
    await edge.control.tell(worker.name, [before])

    assert bytes_of(edge, "one") == 103


async def test_what_a_worker_gave_that_has_ended_stays_and_it_is_not_heard_any_more(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 100)
    await worker.tell()

    edge.control.retire(worker.name)
    worker.give("one", 1)
    await worker.tell()

    assert bytes_of(edge, "one") == 100


async def test_a_worker_that_was_silent_for_long_counts_on(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 100)
    await worker.tell()
    for _ in range(20):
        clock.wait(60)
        await edge.control.open(start(), joins=True)
        edge.control.tick()

    worker.give("one", 11)
    await worker.tell()

    assert bytes_of(edge, "one") == 111


async def test_what_is_given_after_the_end_is_counted_too(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 100)
    await worker.tell()
    await edge.control.stop("one")
    await tell(edge, catalog)

    worker.give("one", 11)
    answer = await worker.tell()
    await tell(edge, catalog)

    assert answer.ended == {"one": "stop"}
    assert catalog.rows["one"].bytes == 111
    assert catalog.rows["one"].is_stopped


async def test_hours_of_several_workers_count_once(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    one, two = edges.worker(edge, "w0a"), edges.worker(edge, "w1a")
    for number in range(60):
        clock.wait(5)
        worker = (one, two)[number % 2]
        worker.give("one", 1)
        await worker.tell()

    state = edge.control.shown("one")
    assert state is not None
    assert state.counted.active_ms == 300_000


async def test_what_players_say_to_several_workers_is_joined(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    one, two = edges.worker(edge, "w0a"), edges.worker(edge, "w1a")
    for worker, at in ((one, 1.0), (two, 2.0)):
        worker.give("one", 1)
        worker.hear(
            "one", Quality(stalls=1, stall_ms=500, buffer_ms=int(at) * 1000, reported_at=at)
        )
        await worker.tell()

    state = edge.control.shown("one")
    assert state is not None
    assert (state.quality.stalls, state.quality.stall_ms) == (2, 1000)
    assert state.quality.buffer_ms == 2000


async def test_figures_of_a_running_session_go_to_the_catalog_now_and_then(
    edges: Edges, catalog: Catalog, client: Redis, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    for _ in range(180):
        worker.give("one", 1)
        await worker.tell()
        await pass_time([edge], clock, 1)
        await tell(edge, catalog)

    assert await client.xlen(EVENTS) == 1 + 3
    assert catalog.rows["one"].bytes >= 120


async def test_while_the_catalog_is_away_events_do_not_grow_with_time(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    for _ in range(30):
        worker.give("one", 1)
        await worker.tell()
        await pass_time([edge], clock, 60)
        await edge.tell()

    assert len(edge.outgoing) == 2
    await tell(edge, catalog)
    await pass_time([edge], clock, 70)
    await tell(edge, catalog)
    assert catalog.rows["one"].bytes == 30


async def test_a_session_that_was_forgotten_and_comes_back_adds_to_what_was_stored(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    worker = edges.worker(edge)
    worker.give("one", 100)
    await worker.tell()
    clock.wait(91)
    edge.control.tick()
    clock.wait(700)
    edge.control.tick()
    assert edge.control.shown("one") is None

    worker.begin_anew("one")
    await edge.control.open(start(), joins=False)
    worker.give("one", 5)
    await worker.tell()
    await edge.control.stop("one")
    await tell(edge, catalog)

    assert catalog.rows["one"].bytes == 105
    assert len(catalog.rows["one"].parts) == 2


async def tell(edge: Together, catalog: Catalog) -> None:
    """Let the catalog know everything that was made an event, and the edge that it does."""
    await edge.tick()
    await edge.tell()
    await catalog.store()
    await edge.tell()


def bytes_of(edge: Together, id: str) -> int:
    state = edge.control.shown(id)
    assert state is not None
    return state.counted.bytes
