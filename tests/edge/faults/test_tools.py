"""The fault tools themselves: each does what it says, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import (
    Asked,
    Close,
    Drip,
    HalfClose,
    Reset,
    Send,
    Stall,
    Step,
    Tell,
    Wait,
    answer,
    scripted_origin,
)
from tests.edge.faults.proxy import (
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    fault_proxy,
)

BODY = bytes(range(256)) * 40
REQUEST = b"GET /1.ts HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def read(port: int, *, seconds: float = 5) -> bytes:
    """Everything that comes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


def whole(_asked: Asked) -> list[Step]:
    return [Send(answer(BODY)), Close()]


async def test_a_script_sees_the_request_and_its_bytes_come_as_they_are(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(whole) as origin:
        assert await read(origin.port) == answer(BODY)
    assert [(each.method, each.target, each.header("HOST")) for each in origin.asked] == [
        ("GET", "/1.ts", "localhost")
    ]


async def test_a_reset_is_seen_as_a_reset(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(lambda _: [Send(b"HTTP/1.1 "), Reset()]) as origin:
        with pytest.raises(ConnectionResetError):
            await read(origin.port)


async def test_a_stall_lasts_until_the_other_side_gives_up(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(lambda _: [Send(b"x"), Stall()]) as origin:
        with pytest.raises(TimeoutError):
            await read(origin.port, seconds=0.2)


async def test_a_step_waits_for_its_event_and_tells_its_own() -> None:
    gate, there = asyncio.Event(), asyncio.Event()
    steps: list[Step] = [Tell(there), Wait(gate), Send(b"x"), HalfClose()]
    async with scripted_origin(lambda _: steps) as origin:
        reading = asyncio.create_task(read(origin.port))
        await there.wait()
        assert not reading.done()
        gate.set()
        assert await reading == b"x"


async def test_a_drip_takes_its_time() -> None:
    async with scripted_origin(lambda _: [Drip(b"12345", 0.02), Close()]) as origin:
        started = time.monotonic()
        assert await read(origin.port) == b"12345"
    assert time.monotonic() - started >= 0.1


async def test_without_toxics_everything_passes_unchanged(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(whole) as origin, fault_proxy(origin.port) as proxy:
        assert await read(proxy.port) == answer(BODY)
    assert (proxy.connections, origin.connections) == (1, 1)


@pytest.mark.parametrize(
    ("toxic", "least"),
    [
        pytest.param(Latency(0.1), 0.1, id="latency"),
        pytest.param(Bandwidth(len(answer(BODY)) * 10), 0.1, id="bandwidth"),
        pytest.param(Slicer(2000, delay_seconds=0.02), 0.1, id="slicer with a pause"),
        pytest.param(SlowClose(0.1), 0.1, id="slow close"),
    ],
)
async def test_a_toxic_of_time_delays_and_changes_nothing(
    toxic: Latency | Bandwidth | Slicer | SlowClose, least: float
) -> None:
    async with scripted_origin(whole) as origin, fault_proxy(origin.port) as proxy:
        proxy.toxics = [toxic]
        started = time.monotonic()
        assert await read(proxy.port) == answer(BODY)
    assert time.monotonic() - started >= least


async def test_a_slicer_cuts_in_the_same_places_for_the_same_seed() -> None:
    cuts = []
    for _ in range(2):
        async with fault_proxy(1, seed=7) as proxy:
            proxy.toxics = [Slicer(100, variation=50)]
            pieces = proxy._pieces(BODY, up=False)
        assert b"".join(piece for piece, _ in pieces) == BODY
        cuts.append([len(piece) for piece, _ in pieces])
    assert cuts[0] == cuts[1]
    assert len(set(cuts[0])) > 10


async def test_a_limit_truncates_at_exactly_that_byte(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(whole) as origin, fault_proxy(origin.port) as proxy:
        proxy.toxics = [LimitData(1000)]
        assert await read(proxy.port) == answer(BODY)[:1000]


async def test_a_peer_is_reset() -> None:
    async with scripted_origin(whole) as origin, fault_proxy(origin.port) as proxy:
        proxy.toxics = [ResetPeer()]
        with pytest.raises(ConnectionResetError):
            await read(proxy.port)


async def test_a_black_hole_swallows_until_it_is_taken_away(leaks: Leaks) -> None:
    async with leaks.none(), scripted_origin(whole) as origin, fault_proxy(origin.port) as proxy:
        proxy.upstream_toxics = [Timeout()]
        with pytest.raises(TimeoutError):
            await read(proxy.port, seconds=0.2)
        assert origin.asked == []
        proxy.upstream_toxics = []
        assert await read(proxy.port) == answer(BODY)
