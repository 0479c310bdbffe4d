from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from catalog import keys
from catalog.app import sweep
from catalog.database import open_engine
from catalog.migrate import migrate
from catalog.streams.consumer import store_waiting
from catalog.streams.events import Units, store_events
from catalog.streams.told import Batch, Told
from catalog.unit_of_work import SqlUnitOfWork
from config.contracts.stream_events import (
    EVENTS,
    STORED,
    Entry,
    StreamEvent,
    StreamPart,
    StreamRejected,
    StreamStarted,
)
from config.launch.embedded.postgres import embedded_postgres
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.keys import make_key_file
from config.settings.load import Settings
from config.settings.shared import PostgresSettings, RedisSettings
from tests.catalog.edges import (
    MEDIA,
    STARTED_AT,
    SimulatedEdge,
    entries,
    part,
    start_of,
    stop,
)
from tests.catalog.harness import Api, Start, until

NOW = datetime.now(UTC)

EVERYTHING = """
    select s.session_id, s.subject, s.media_id, s.device, s.agent, s.country, s.network, s.edge, s.started_at,
        s.ends_at, s.last_at, s.stopped_at, s.reason, s.revision, p.*
    from stream_sessions s left join stream_parts p using (session_id) order by s.session_id, p.part
"""
SUMS = """
    select session_id, sum(requests)::bigint as requests, sum(bytes)::bigint as bytes,
        sum(active_ms)::bigint as active_ms, sum(segments)::bigint as segments
    from stream_parts group by session_id
"""


@pytest.fixture
async def units(database: PostgresSettings) -> AsyncIterator[Units]:
    async with open_engine(database) as engine:
        yield lambda: SqlUnitOfWork(engine)


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    assert redis_settings.url is not None
    client = Redis.from_url(redis_settings.url.get_secret_value())
    yield client
    await client.aclose()


Rows: TypeAlias = "asyncpg.Connection[Any]"


async def everything(rows: Rows) -> list[dict[str, Any]]:
    return [dict(row) for row in await rows.fetch(EVERYTHING)]


async def test_what_was_told_of_a_session_is_stored(units: Units, rows: Rows) -> None:
    start = start_of("abc")
    last = part(start, 12)

    stored = await store_events(
        entries("boot", StreamStarted(start=start, edge="edge-1"), part(start, 5), stop(last)),
        units=units,
        now=NOW,
    )

    assert stored == {"boot": 3}
    (row,) = await everything(rows)
    assert (row["subject"], row["media_id"], row["device"]) == ("someone", MEDIA, "tv")
    assert (row["reason"], row["revision"]) == ("timeout", 1)
    assert row["stopped_at"] == row["last_at"] == row["started_at"] + timedelta(seconds=12)
    assert (row["requests"], row["bytes"], row["segments"]) == (12, 12_000, 6)
    assert json.loads(row["renditions"]) == {"v480": 12}
    assert (row["stalls"], row["stall_ms"], row["startup_ms"]) == (4, 1200, 400)
    assert (row["buffer_ms"], row["throughput_kbps"]) == (84, 600)


async def test_what_is_told_again_changes_nothing(units: Units, rows: Rows) -> None:
    told = entries("boot", part(start_of("abc"), 5), part(start_of("abc"), 9))
    await store_events(told, units=units, now=NOW)
    before = await everything(rows)
    written = await rows.fetchval("select xmin from stream_parts")

    again = await store_events(told, units=units, now=NOW)

    assert again == {"boot": 2}
    assert await everything(rows) == before
    assert await rows.fetchval("select xmin from stream_parts") == written


async def test_in_whatever_order_and_pieces_events_come_the_rows_are_the_same(
    units: Units, rows: Rows
) -> None:
    start = start_of("abc")
    first = part(start, 5)
    again = replace(part(start, 9, at=STARTED_AT + 60), edge="edge-2")
    events = [
        *entries("one", StreamStarted(start=start, edge="edge-1"), first, stop(first)),
        *entries("two", again, stop(replace(again, at=STARTED_AT + 90), revision=2)),
    ]
    outcomes = set()

    for order in itertools.islice(itertools.permutations(events), 0, None, 7):
        cut = random.Random(str(order)).randrange(1, len(order))
        for piece in (order[:cut], order[cut:], order):
            await store_events(piece, units=units, now=NOW)
        outcomes.add(str(await everything(rows)))
        await rows.execute("delete from stream_sessions; delete from stream_boots")

    assert len(outcomes) == 1
    assert "'reason': 'timeout', 'revision': 2" in outcomes.pop()


async def test_a_viewer_who_comes_back_goes_on_with_the_same_session(
    units: Units, rows: Rows
) -> None:
    start = start_of("abc")
    ended = stop(part(start, 5))
    running = "select stopped_at is null or stopped_at < last_at from stream_sessions"
    await store_events(entries("boot", ended), units=units, now=NOW)
    assert not await rows.fetchval(running)

    back = part(start, 6, at=STARTED_AT + 3000)
    await store_events(entries("boot", back, first=2), units=units, now=NOW)
    assert await rows.fetchval(running)

    await store_events(entries("boot", stop(back, revision=2), first=3), units=units, now=NOW)
    assert not await rows.fetchval(running)
    assert len(await everything(rows)) == 1


async def test_what_is_missing_is_waited_for_until_its_edge_has_lost_it(
    units: Units, rows: Rows
) -> None:
    start = start_of("abc")
    one, two, three, four = entries("boot", *(part(start, units) for units in (1, 2, 3, 4)))
    assert await store_events([one, three], units=units, now=NOW) == {"boot": 1}
    assert await rows.fetchval("select bytes from stream_parts") == 3000

    assert await store_events([two, three], units=units, now=NOW) == {"boot": 3}
    lost = replace(four, number=9, oldest=9)
    assert await store_events([lost], units=units, now=NOW) == {"boot": 9}
    assert await rows.fetchval("select bytes from stream_parts") == 4000


async def test_what_another_process_tells_in_place_of_one_that_died_counts_once(
    units: Units, rows: Rows
) -> None:
    start = start_of("abc")
    died = [replace(part(start, units), part="first.1") for units in (4, 5)]
    await store_events(entries("first", died[0]), units=units, now=NOW)

    heir: list[StreamEvent] = [
        stop(died[1]),
        replace(part(start, 7, at=STARTED_AT + 60), part="second.1"),
    ]
    await store_events(entries("second", *heir), units=units, now=NOW)
    await store_events(entries("first", *died), units=units, now=NOW)

    found = await rows.fetch("select part, requests, stalls from stream_parts order by part")
    assert [tuple(row) for row in found] == [("first.1", 5, 1), ("second.1", 7, 2)]


@pytest.mark.parametrize("is_later_first", [False, True])
async def test_figures_go_on_though_the_clock_of_their_edge_was_set_back(
    units: Units, rows: Rows, is_later_first: bool
) -> None:
    start = start_of("abc")
    told = [part(start, 5, at=STARTED_AT + 5000), part(start, 50, at=STARTED_AT + 1400)]

    for number, one in enumerate(reversed(told) if is_later_first else told, start=1):
        await store_events(entries("boot", one, first=number), units=units, now=NOW)

    (row,) = await everything(rows)
    assert (row["requests"], row["stalls"], row["buffer_ms"]) == (50, 16, 350)
    assert json.loads(row["renditions"]) == {"v480": 50}


async def test_a_refused_stream_is_counted_once(units: Units, rows: Rows) -> None:
    start = start_of("abc", subject="user:1")
    refused = StreamRejected(start=start, edge="edge-1", playing=2)

    for _ in range(2):
        await store_events(entries("boot", refused), units=units, now=NOW)

    found = await rows.fetch("select subject, playing from stream_rejections")
    assert [tuple(row) for row in found] == [("user:1", 2)]
    assert await everything(rows) == []


def broken_entries() -> list[Entry]:
    good = entries("boot", part(start_of("abc"), 5))[0]
    too_many = StreamRejected(start=start_of("abc"), edge="edge-1", playing=2**31)

    def changed(path: str, value: Any) -> Entry:
        event: Any = json.loads(json.dumps(good.event))
        *above, name = path.split(".")
        place = event
        for step in above:
            place = place[step]
        place[name] = value
        return replace(good, event=event)

    return [
        replace(good, kind="Unknown"),
        replace(good, event={}),
        changed("start", None),
        changed("start.id", ""),
        changed("start.id", "x" * 129),
        changed("start.subject", "a\x00b"),
        changed("start.subject", "\ud800"),
        changed("start.content", "x" * 3000),
        changed("start.device", "toaster"),
        changed("start.started_at", 2**40),
        changed("at", "NaN"),
        changed("at", -1),
        changed("part", "x" * 129),
        changed("counted.bytes", 2**53),
        changed("counted.bytes", -1),
        changed("counted.renditions", {"v480": "many"}),
        changed("counted.renditions", {"v\x00": 1}),
        changed("quality.reported_at", float("inf")),
        changed("quality.stalls", None),
        *entries("boot", too_many),
    ]


async def test_an_event_that_cannot_be_read_holds_up_nobody(units: Units, rows: Rows) -> None:
    broken = broken_entries()
    told = [replace(entry, number=number) for number, entry in enumerate(broken, 1)]
    good = entries("boot", part(start_of("good"), 5), first=len(told) + 1)

    assert await store_events([*told, *good], units=units, now=NOW) == {"boot": len(told) + 1}

    assert [row["session_id"] for row in await everything(rows)] == ["good"]


async def test_an_event_that_the_database_refuses_takes_no_other_with_it(
    units: Units, rows: Rows
) -> None:
    await rows.execute("alter table stream_parts add check (bytes <> 3000)")
    told = entries("boot", *(part(start_of(f"s{number}"), number) for number in range(1, 9)))

    assert await store_events(told, units=units, now=NOW) == {"boot": 8}

    found = [row["session_id"] for row in await everything(rows)]
    assert found == ["s1", "s2", "s4", "s5", "s6", "s7", "s8"]


async def test_more_renditions_than_anybody_has_are_cut_down(units: Units, rows: Rows) -> None:
    one = part(start_of("abc"), 5)
    names = {f"v{number}": number for number in range(500)}
    many = replace(one, counted=replace(one.counted, renditions=names))

    await store_events(entries("boot", many), units=units, now=NOW)

    kept = json.loads(await rows.fetchval("select renditions from stream_parts"))
    assert (len(kept), kept["v499"]) == (64, 499)


async def test_stored_events_leave_redis_and_their_edge_is_told(
    units: Units, rows: Rows, redis: Redis
) -> None:
    told = entries("boot", part(start_of("abc"), 5), part(start_of("abc"), 6))
    for entry in told:
        fields: dict[Any, Any] = dict(entry.to_fields())
        await redis.xadd(EVENTS, fields)
    await redis.xadd(EVENTS, {"b": "not", "n": "an event"})

    assert await store_waiting(redis, units, now=NOW) == 3

    assert await redis.xlen(EVENTS) == 0
    assert await redis.hgetall(STORED) == {b"boot": b"2"}
    assert await store_waiting(redis, units, now=NOW) == 0


async def test_a_subject_that_is_forgotten_stays_so_whatever_edges_still_tell(
    units: Units, rows: Rows
) -> None:
    old = start_of("old", subject="user:7")
    other = start_of("other", subject="user:8")
    refused = StreamRejected(start=old, edge="edge-1", playing=0)
    told = entries("boot", part(old, 5), part(other, 5), refused)
    await store_events(told, units=units, now=NOW)

    async with units() as uow:
        assert await uow.streams.forget("user:7", now=NOW) == 1
        await uow.commit()
    later = replace(start_of("new", subject="user:7"), started_at=int(NOW.timestamp()) + 1)
    await store_events(
        entries("boot", part(old, 6), refused, part(later, 1), first=4), units=units, now=NOW
    )

    assert [row["session_id"] for row in await everything(rows)] == ["new", "other"]
    assert await rows.fetchval("select count(*) from stream_rejections") == 0
    dump = await rows.fetchval("select string_agg(f::text, ' ') from stream_forgotten f")
    assert "user:7" not in dump


async def test_forgetting_waits_for_what_is_being_stored(units: Units, rows: Rows) -> None:
    start = start_of("abc", subject="user:7")
    async with units() as storing:
        await storing.streams.lock_boots(["boot"], now=NOW)

        async def forget() -> int:
            async with units() as uow:
                found = await uow.streams.forget("user:7", now=NOW)
                await uow.commit()
                return found

        forgetting = asyncio.create_task(forget())

        async def is_waiting() -> bool:
            found = await rows.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database()"
            )
            return bool(found == 1)

        await until(is_waiting)
        batch = Batch()
        batch.add(Told(boot="boot", number=1, event=part(start, 5)))
        await storing.streams.store(batch)
        await storing.commit()

    assert await forgetting == 1
    assert await everything(rows) == []


async def test_what_is_old_is_removed_and_what_is_silent_for_good_has_stopped(
    admin: Api, rows: Rows
) -> None:
    now, units = admin.app[keys.CLOCK](), admin.app[keys.UNITS]

    def ago(name: str, **span: float) -> StreamPart:
        at = int((now - timedelta(**span)).timestamp())
        return part(start_of(name, started_at=at), 1)

    old_refusal = StreamRejected(start=ago("x", days=91).start, edge="edge-1", playing=0)
    told = entries(
        "boot", ago("old", days=91), ago("silent", days=1), ago("fresh", hours=1), old_refusal
    )
    await store_events(told, units=units, now=now)
    await rows.execute("insert into stream_boots values ('gone', 1, now() - interval '31 days')")

    await sweep(admin.app)

    found = {row["session_id"]: row for row in await everything(rows)}
    assert found.keys() == {"silent", "fresh"}
    assert found["silent"]["stopped_at"] == found["silent"]["last_at"]
    assert found["silent"]["reason"] == "timeout"
    assert found["fresh"]["stopped_at"] is None
    assert await rows.fetchval("select count(*) from stream_rejections") == 0
    assert [row["boot"] for row in await rows.fetch("select boot from stream_boots")] == ["boot"]


def truth_of(edges: list[SimulatedEdge]) -> dict[str, tuple[int, int, int, int]]:
    found: dict[str, tuple[int, int, int, int]] = {}
    for edge in edges:
        for session, given in edge.given.items():
            mine = given.counted
            values = (mine.requests, mine.bytes, mine.active_ms, mine.segments)
            known = found.get(session, (0, 0, 0, 0))
            found[session] = (
                known[0] + values[0],
                known[1] + values[1],
                known[2] + values[2],
                known[3] + values[3],
            )
    return found


async def sums(rows: Rows) -> dict[str, tuple[int, int, int, int]]:
    return {row["session_id"]: tuple(row)[1:] for row in await rows.fetch(SUMS)}


def edges_of(count: int) -> list[SimulatedEdge]:
    return [
        SimulatedEdge(boot=f"boot-{number}", chance=random.Random(number))
        for number in range(count)
    ]


async def test_two_catalogs_that_store_the_same_events_store_them_once(
    start: Start, redis: Redis, rows: Rows
) -> None:
    await start()
    await start()
    edges = edges_of(3)
    for number in range(300):
        edges[number % 3].play(f"s{number % 7}")

    async with asyncio.timeout(20):
        await asyncio.gather(*(edge.until_stored(redis) for edge in edges))

    async def nothing_waits() -> bool:
        return bool(await redis.xlen(EVENTS) == 0)

    await until(nothing_waits)  # what was told twice, too
    assert await sums(rows) == truth_of(edges)


async def test_when_the_catalog_that_stores_ends_another_goes_on(
    start: Start, redis: Redis, rows: Rows
) -> None:
    first = await start()
    (edge,) = edges_of(1)
    edge.play("before")
    await edge.until_stored(redis)
    await start()

    await first.client.close()
    edge.play("after")
    async with asyncio.timeout(20):
        await edge.until_stored(redis)

    assert await sums(rows) == truth_of([edge])


async def test_without_redis_the_catalog_serves_all_else(start: Start, settings: Settings) -> None:
    away = RedisSettings(url=SecretStr("redis://127.0.0.1:1"))
    for changed in (RedisSettings(), away):
        api = await start(settings.model_copy(update={"redis": changed}))

        assert (await api("GET", "/health/ready")).status == 200
        assert (await api("GET", "/api/v1/anime/releases/latest")).status == 200


@asynccontextmanager
async def catalog_program(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "catalog"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            if json.loads(line)["event"] == "storing the events of edges":
                break
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_sums_are_right_whatever_is_killed_meanwhile(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(150):
        dsn = await stack.enter_async_context(
            embedded_postgres(tmp_path / "postgres", durable=False)
        )
        url = await stack.enter_async_context(embedded_valkey(tmp_path / "valkey"))
        await asyncio.to_thread(migrate, PostgresSettings(dsn=SecretStr(dsn)))
        make_key_file(tmp_path / "secrets" / "keys.json")
        environment = {
            **os.environ,
            "KAWA_VAR_DIR": str(tmp_path),
            "KAWA_POSTGRES__DSN": dsn,
            "KAWA_REDIS__URL": url,
            "KAWA_CATALOG__LISTEN__PORT": "0",
            "KAWA_CATALOG__ADMIN__PORT": "0",
        }
        client = Redis.from_url(url)
        stack.push_async_callback(client.aclose)
        edges = edges_of(3)

        async def watch(edge: SimulatedEdge, playing: asyncio.Event) -> None:
            while not playing.is_set():
                if len(edge.kept) < 200:
                    for number in range(5):
                        edge.play(f"s{number}")
                with suppress(RedisError, OSError):
                    await edge.send(client)
                await asyncio.sleep(0.05)
            await edge.until_stored(client)

        async def progress() -> None:
            """Until more is stored than now."""
            before: dict[str, int] = {}
            while True:
                with suppress(RedisError, OSError):
                    found: Any = await client.hmget(STORED, [edge.boot for edge in edges])
                    stored = {edge.boot: int(n or 0) for edge, n in zip(edges, found, strict=True)}
                    if any(number > before.get(boot, number) for boot, number in stored.items()):
                        return
                    before = before or stored
                await asyncio.sleep(0.05)

        done = asyncio.Event()
        viewers = [asyncio.create_task(watch(edge, done)) for edge in edges]
        async with catalog_program(environment) as first:
            await progress()
            first.kill()  # in the middle of whatever it does
        async with catalog_program(environment) as second:
            await progress()
            info: Any = await client.info("server")
            os.kill(info["process_id"], signal.SIGKILL)  # comes back empty
            await progress()
            pid = int((tmp_path / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGINT)  # a restart
            await progress()
            await client.flushall()
            second.kill()
        async with catalog_program(environment):
            done.set()
            await asyncio.gather(*viewers)
        connection = await asyncpg.connect(dsn)
        assert await sums(connection) == truth_of(edges)
        boots = await connection.fetch("select boot, number from stream_boots order by boot")
        assert {row["boot"]: row["number"] for row in boots} == {
            edge.boot: edge.number for edge in edges
        }
        await connection.close()
