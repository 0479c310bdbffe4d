"""A million sessions in one Valkey, told to it by the code of the edges: rate, memory, loss, admission."""

from __future__ import annotations

import asyncio
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.options import Options
from benchmarks.sessions_layouts import layouts
from benchmarks.table import Row, keep_section, table
from config.contracts.sessions import Counted, Playing, Quality, SessionStart
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.redis import open_redis
from config.runtime.sessions.errors import LimitReached
from config.runtime.sessions.keys import EPOCH, SHARDS, epoch_key
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import Admitted, Renewed, SessionStore
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings
from edge.sessions.flusher import Flusher
from edge.sessions.life import Part, Session

COMMAND = "`.venv/bin/python -m benchmarks sessions_store`"
MOST_BYTES = 100
MOST_OF_A_CORE = 0.5
FLUSH_SECONDS = 15  # the default setting
ROUNDS = 3
OF_ONE_EDGE = 200_000  # sessions: the default setting
PER_TITLE = 100
PER_SUBJECT = (1, 1, 1, 2)  # sessions of one subject: five of four
ADMISSIONS = 5_000
REFUSED = 1_000
STARTED_AT = 1_795_000_000
SEGMENT_BYTES = 2_000_000


def main(options: Options) -> None:
    """Measure, print the table, and keep it in RESULTS.md."""
    rows = asyncio.run(_measured(options.sessions))
    printed = table(rows)
    print(printed)
    about = (
        f"{datetime.now(UTC).date().isoformat()}, {COMMAND} with {options.sessions:,} sessions;"
        f" {platform.python_implementation()} {platform.python_version()}."
    )
    keep_section("sessions-store", f"{about}\n\n{printed}")


class Edge(SessionStore):
    """The store as one edge has it, which counts what Redis had lost; and what becomes of the edge's sessions."""

    gone = 0

    async def renew(self, shard: int, items: Sequence[tuple[SessionStart, Record]]) -> Renewed:
        renewed = await super().renew(shard, items)
        self.gone += len(renewed.gone)
        return renewed

    def admitted(self, session: Session, admitted: Admitted) -> None:
        session.place = "held"

    def no_room(self, session: Session, playing: tuple[Playing, ...]) -> None:
        session.place = "over"


async def _measured(count: int) -> list[Row]:
    compared = await layouts(_valkey)
    async with _valkey() as client:
        await client.delete(EPOCH)
        # Whatever is told is put there for as long as the first round takes: Redis has come back empty.
        settings = SessionSettings(
            expected=count,
            flush=timedelta(minutes=5),
            switch_grace=timedelta(minutes=10),
            idle=timedelta(hours=1),
        )
        edges = [
            Edge(client, settings, edge=f"edge-{number}")
            for number in range(-(-count // OF_ONE_EDGE))
        ]
        return [*compared, *await Simulation(client, edges, count).run()]


@asynccontextmanager
async def _valkey() -> AsyncIterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="kawa-bench-") as folder:
        async with embedded_valkey(Path(folder)) as url:
            waits = {"command_timeout": "PT5S", "acquire_timeout": "PT5S"}
            address = RedisSettings.model_validate({"url": url, **waits})
            async with open_redis(address) as client:
                await client.config_set("maxmemory", "4gb")
                yield client


class Simulation:
    """Sessions of some edges, all in this process, and what was measured of them."""

    def __init__(self, client: Redis, edges: Sequence[Edge], count: int) -> None:
        self._client = client
        self._edges = edges
        self._count = count
        self._flushers = [
            Flusher(edge, edge, flush_seconds=FLUSH_SECONDS, most=count, clock=time.time)
            for edge in edges
        ]
        self._sessions: dict[str, Session] = {}
        for number, start in enumerate(_starts(count)):
            session = Session(start, index=number, name="", now=time.time())
            session.place = "held"
            session.parts["worker"] = Part(life=0, counted=Counted(), quality=_QUALITY)
            self._sessions[start.id] = session
            self._flushers[number // OF_ONE_EDGE].came(session)

    async def run(self) -> list[Row]:
        (nobody,) = _starts(1, first=self._count, limit=None)
        for edge in self._edges:
            await edge.admit(nobody, _record(nobody))
        await self._edges[0].end(nobody, everywhere=True)
        empty = await self._memory()
        rows = [await self._refill()]
        for shard in range(SHARDS):  # the warm-up is over: what is not there is gone from now on
            await self._client.hset(epoch_key(shard), "began", STARTED_AT)
        await self._flush()  # in which the edges notice that
        rows += await self._rounds()
        rows.append(await self._size(empty))
        rows += await self._losses()
        rows += await self._admissions()
        return rows

    async def _refill(self) -> Row:
        seconds = await self._flush()
        return Row(
            work="Redis came back empty: until it has all sessions again",
            peer=f"{len(self._edges)} edges in one process",
            figure=f"{seconds:.1f} s ({self._count / seconds:,.0f} a second)",
            target="none",
            met=None,
        )

    async def _rounds(self) -> list[Row]:
        wall, ours, theirs = [], [], []
        for _ in range(ROUNDS):
            cpu, valkey = time.process_time(), await self._valkey_seconds()
            wall.append(await self._flush())
            ours.append(time.process_time() - cpu)
            theirs.append(await self._valkey_seconds() - valkey)
        rate = self._count / FLUSH_SECONDS
        each = statistics.median(theirs) / self._count
        mine = statistics.median(ours) / self._count
        return [
            Row(
                work="all sessions told again, as fast as one process can",
                peer=f"median of {ROUNDS} rounds",
                figure=f"{self._count / statistics.median(wall):,.0f} a second",
                target="none",
                met=None,
            ),
            Row(
                work="CPU of Valkey for one renewal",
                peer=f"all sessions each {FLUSH_SECONDS} s are {rate:,.0f} a second",
                figure=f"{each * 1e6:.2f} µs: {each * rate:.0%} of its core",
                target=f"≤ {MOST_OF_A_CORE:.0%}",
                met=each * rate <= MOST_OF_A_CORE,
            ),
            Row(
                work="CPU of the edges for one renewal: figures of workers added, record made, script called",
                peer="the same, all edges together",
                figure=f"{mine * 1e6:.2f} µs: {mine * rate:.0%} of a core",
                target="none",
                met=None,
            ),
        ]

    async def _size(self, empty: int) -> Row:
        used = (await self._memory() - empty) / self._count
        kinds: Counter[str] = Counter()
        for shard in range(0, SHARDS, 16):
            async for key in self._client.scan_iter(f"kawa:{{s{shard}}}:[0-9]*", count=1000):
                kinds[(await self._client.object("ENCODING", key)).decode()] += 1
        looked_at = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        return Row(
            work="bytes of Redis for one session: lease, figures, names of titles and all else",
            peer=f"buckets looked at: {looked_at}",
            figure=f"{used:.1f}",
            target=f"≤ {MOST_BYTES}",
            met=used <= MOST_BYTES,
        )

    async def _losses(self) -> list[Row]:
        missing = set(self._sessions)
        wrong = 0
        began = time.perf_counter()
        async for live in self._edges[0].listed(limit=2 * self._count):
            missing.discard(live.session)
            told = self._sessions[live.session].counted()
            figures = (live.record.given_bytes, live.record.active_seconds)
            wrong += figures != (told.bytes, told.active_ms // 1000)
        seconds = time.perf_counter() - began
        gone = sum(edge.gone for edge in self._edges)
        return [
            Row(
                work="sessions that Redis lost, that no list has, whose figures are not those told last",
                peer=f"after {ROUNDS + 2} rounds, every session listed",
                figure=f"{gone}, {len(missing)}, {wrong}",
                target="0",
                met=not gone and not missing and not wrong,
            ),
            Row(
                work="a list of all sessions, compared one by one",
                peer="one process",
                figure=f"{seconds:.1f} s",
                target="none",
                met=None,
            ),
        ]

    async def _admissions(self) -> list[Row]:
        store = self._edges[0]
        new = list(_starts(ADMISSIONS, first=self._count))
        valkey, took = await self._valkey_seconds(), []
        for start in new:
            began = time.perf_counter()
            await store.admit(start, _record(start))
            took.append(time.perf_counter() - began)
        each = (await self._valkey_seconds() - valkey) / ADMISSIONS
        refused = 0
        for start in new[:REFUSED]:
            try:
                for number in range(3):
                    again = _again(start, number)
                    await store.admit(again, _record(again))
            except LimitReached:
                refused += 1
        took.sort()
        half, most = took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
        return [
            Row(
                work="admission with a limit, one after the other",
                peer=f"{ADMISSIONS} new sessions beside the others",
                figure=f"{half:.2f} ms, p99 {most:.2f} ms; {each * 1e6:.0f} µs of Valkey",
                target="none",
                met=None,
            ),
            Row(
                work="subjects refused that asked for one stream more than they may have",
                peer="limit 3",
                figure=f"{refused} of {REFUSED}",
                target=f"{REFUSED}",
                met=refused == REFUSED,
            ),
        ]

    async def _flush(self) -> float:
        """Seconds until Redis was told of every session, all of which gave something meanwhile."""
        now = time.time()
        for number, session in enumerate(self._sessions.values()):
            counted = session.parts["worker"].counted
            counted.requests += 3
            counted.bytes += (number % 7 + 1) * SEGMENT_BYTES
            session.active_ms += FLUSH_SECONDS * 1000
            session.seen_at = now
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for flusher in self._flushers:
                flusher.hurry()
                tasks.create_task(flusher.turn())
        if any(flusher.is_away for flusher in self._flushers):
            raise SystemExit("Valkey was away")
        return time.perf_counter() - began

    async def _memory(self) -> int:
        return int((await self._client.info("memory"))["used_memory"])

    async def _valkey_seconds(self) -> float:
        """Time that Valkey's own thread has used: for scripts, and for reading and answering."""
        cpu: dict[str, Any] = await self._client.info("cpu")
        return float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])


_QUALITY = Quality(stalls=1, stall_ms=800, startup_ms=400, throughput_kbps=9000, played_kbps=5000)


def _record(start: SessionStart) -> Record:
    return Record.of(start, Counted(), _QUALITY, seen_at=time.time())


def _starts(count: int, *, first: int = 0, limit: int | None = 3) -> Iterator[SessionStart]:
    """Sessions with ids as long as the catalog's."""
    subject, left = first, 0
    for number in range(first, first + count):
        if not left:
            subject += 1
            left = PER_SUBJECT[subject % len(PER_SUBJECT)]
        left -= 1
        yield SessionStart(
            id=f"{number:016d}",
            grant=f"{number:016d}",
            subject=f"viewer-{first}-{subject}",
            content=f"/main/title-{number // PER_TITLE}/",
            started_at=STARTED_AT + number % 3600,
            ends_at=STARTED_AT + 86_400,
            limit=limit,
            device="tv",
        )


def _again(start: SessionStart, number: int) -> SessionStart:
    """Another stream of the same subject."""
    return SessionStart(
        id=f"{start.id}.{number}",
        grant=start.grant,
        subject=start.subject,
        content=start.content,
        started_at=start.started_at,
        ends_at=start.ends_at,
        limit=start.limit,
    )
