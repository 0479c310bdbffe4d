from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.contracts.sessions import MOST_RENDITIONS
from config.runtime.redis import open_redis
from config.runtime.sessions.founding import settle
from config.runtime.sessions.orders import OrderKind
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings
from edge.errors import BadRevocation, TooManyStreams
from edge.feed import Sent
from edge.sessions import keeping
from edge.sessions.journal import others, read_journal
from edge.sessions.open import alone
from tests.edge.sessions.parent.harness import Clock, Edges, pass_time, registry_settings, start


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def edges(
    redis_settings: RedisSettings, clock: Clock, tmp_path: Path
) -> AsyncIterator[Edges]:
    async with open_redis(redis_settings) as client:
        await settle(client)
    async with Edges(
        registry_settings(redis_settings, idle=2, switch_grace=1, flush=0.5), clock, tmp_path
    ) as found:
        yield found


async def test_who_plays_keeps_the_place_though_the_clock_is_set_back(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start("one", limit=1), joins=False)
    worker.give("one", 1)
    await worker.tell()
    clock.wait(-3600)
    for _ in range(8):  # longer than a lease on Redis's clock
        await asyncio.sleep(0.4)
        clock.wait(0.4)
        worker.give("one", 1)
        await worker.tell()
        await edge.flusher.turn()
    with pytest.raises(TooManyStreams):
        await edge.control.open(start("two", limit=1), joins=False)


async def test_a_silent_session_ends_in_time_though_the_clock_was_set_back(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start("one"), joins=False)
    clock.wait(-3600)
    worker.give("one", 1)
    await worker.tell()
    await pass_time([edge], clock, 4)
    state = edge.control.shown("one")
    assert state is not None
    assert state.reason == "timeout"


@pytest.mark.parametrize(("paused", "seconds"), [(False, 4), (True, 601)])
async def test_a_session_that_nobody_heard_of_since_the_clock_was_set_back_ends_in_time(
    edges: Edges, clock: Clock, paused: bool, seconds: int
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start("one"), joins=False)
    worker.give("one", 1, paused=paused)
    await worker.tell()
    await edge.tick()
    clock.wait(-3600)
    for _ in range(2):
        await edge.tick()
        clock.wait(seconds / 2)
    await edge.tick()
    state = edge.control.shown("one")
    assert state is not None
    assert (state.state, state.reason) == ("ended", "timeout")


async def test_the_journal_names_everybody_though_a_turn_of_it_was_cancelled(
    edges: Edges, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_AT_ONCE", 1)
    edge = await edges.add()
    assert edge.keeper is not None
    for number in range(10):
        await edge.control.open(start(f"s{number}"), joins=False)
    turn = asyncio.create_task(edge.keeper.turn())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    clock.wait(1)
    assert await edge.keeper.turn(sync=True)
    (path,) = others(edges.folder / "edge-a", boot="")
    found = read_journal(path)
    assert not found.is_torn
    assert {one.start.id for one in found.sessions.values()} == {f"s{n}" for n in range(10)}


async def test_names_that_a_viewer_makes_up_grow_no_report_and_no_graph(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start("one"), joins=False)
    shown = set()
    for number in range(2000):
        worker.give("one", 1, rendition=f"r{number}")
        await worker.tell()
        worker.begin_anew("one")
        shown |= set(edge.control.counts().renditions)
    state = edge.control.shown("one")
    assert state is not None
    assert len(state.counted.renditions) <= MOST_RENDITIONS
    assert sum(state.counted.renditions.values()) == state.counted.segments == 2000
    assert len(shown) < 300


async def test_other_edges_are_told_of_a_kick_though_its_tokens_cannot_be_revoked() -> None:
    async def revoke(_: str) -> None:
        raise BadRevocation

    told = Told()
    control = alone(SessionSettings(), revoke=revoke)
    control.orders = told
    await control.open(start("one"), joins=False)
    with pytest.raises(BadRevocation):
        await control.kick("one")
    assert told.orders == [("kick", "one", "user:1")]


class Told:
    """The other edges."""

    def __init__(self) -> None:
        self.orders: list[tuple[OrderKind, str, str]] = []

    async def tell(self, kind: OrderKind, session: str, subject: str) -> Sent:
        self.tell_soon(kind, session, subject)
        return "sent"

    def tell_soon(self, kind: OrderKind, session: str, subject: str) -> None:
        self.orders.append((kind, session, subject))
