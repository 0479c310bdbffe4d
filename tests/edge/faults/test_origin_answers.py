"""Fault matrix O10 to O12, O19: answers that are not HTTP, storms of errors, files not there yet, bombs."""

from __future__ import annotations

import asyncio
import gzip
import resource

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import Asked, Close, Send, Step, Wait, answer, scripted_origin

LONG = "max-age=3600"
FINE = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
            id="length and chunked",
        ),
        pytest.param(b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", id="two lengths"),
        pytest.param(b"Content-Length: 4, 5\r\n\r\nabcde", id="two lengths in one field"),
        pytest.param(b"Content-Length: +4\r\n\r\nabcd", id="a length with a sign"),
        pytest.param(b"Content-Length: 0x4\r\n\r\nabcd", id="a length in hex"),
        pytest.param(b"Content-Length: -1\r\n\r\nabcd", id="a negative length"),
        pytest.param(b"Content Length: 4\r\n\r\nabcd", id="a space in a name"),
        pytest.param(b"X: a\rb\r\nContent-Length: 4\r\n\r\nabcd", id="a bare CR"),
        pytest.param(b"X: a\0b\r\nContent-Length: 4\r\n\r\nabcd", id="a NUL"),
        pytest.param(
            b"X: " + b"a" * 200_000 + b"\r\nContent-Length: 4\r\n\r\nabcd", id="a huge field"
        ),
        pytest.param(
            b"Transfer-Encoding: gzip, identity\r\n\r\nabcd", id="an unknown transfer coding"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
            id="a chunk size of nonsense",
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
            id="a chunk size that overflows",
        ),
    ],
)
async def test_o10_an_answer_that_is_not_http_is_never_passed_on_as_whole_nor_kept(
    head: bytes, leaks: Leaks, over: Over
) -> None:
    def script(_asked: Asked) -> list[Step]:
        if len(origin.asked) == 1:
            return [Send(FINE + head), Close()]
        return [Send(answer(SEGMENT, Cache_Control=LONG))]

    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, retry_ratio=0) as edge,
    ):
        got = await edge.ask("/cdn/1.ts")
        assert got.status == 502 or got.broken
        again = await edge.ask("/cdn/1.ts")
        assert (again.status, again.body) == (200, SEGMENT)
        assert [each.connection for each in origin.asked] == [1, 2]


async def test_o11_a_storm_of_errors_is_answered_from_what_is_kept(
    leaks: Leaks, over: Over
) -> None:
    ill = False

    def script(_asked: Asked) -> list[Step]:
        if ill:
            return [Send(answer(b"sorry", status="503 Service Unavailable"))]
        return [Send(answer(SEGMENT, Cache_Control="max-age=10, stale-if-error=600"))]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        await edge.ask("/cdn/1.ts")
        ill = True
        edge.clock.now += 60
        before = len(origin.asked)
        got = [await edge.ask("/cdn/1.ts") for _ in range(50)]
        assert {(each.status, each.body) for each in got} == {(200, SEGMENT)}
        assert len(origin.asked) - before <= 2
        assert edge.counted("edge_cache_stale_served_total", why="error") == 50


async def test_o11_a_storm_of_errors_is_not_made_larger(leaks: Leaks, over: Over) -> None:
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Send(answer(status="500 No"))]) as origin,
        over(origin.url) as edge,
    ):
        clients = 100
        got = await asyncio.gather(*(edge.ask(f"/cdn/{n}.ts") for n in range(clients)))
        assert {each.status for each in got} <= {502, 503}
        assert len(origin.asked) <= 1.2 * clients
        again = await asyncio.gather(*(edge.ask("/cdn/1.ts") for _ in range(clients)))
        assert {each.status for each in again} <= {502, 503}
        assert len(origin.asked) <= 1.2 * clients + 2


async def test_o12_a_segment_that_is_not_there_yet_is_asked_for_once_and_soon_again(
    leaks: Leaks, over: Over
) -> None:
    gate = asyncio.Event()
    there = False

    def script(_asked: Asked) -> list[Step]:
        if there:
            return [Send(answer(SEGMENT, Cache_Control=LONG))]
        return [Wait(gate), Send(answer(status="404 Not Found"))]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        asking = [asyncio.create_task(edge.ask("/cdn/next.ts")) for _ in range(50)]
        await origin.heard.wait()
        gate.set()
        assert {(await each).status for each in asking} == {404}
        assert (await edge.ask("/cdn/next.ts")).status == 404
        assert len(origin.asked) == 1
        there = True
        edge.clock.now += 2.1  # its negative lifetime is at most 2 s
        got = await edge.ask("/cdn/next.ts")
        assert (got.status, got.body) == (200, SEGMENT)


async def test_o19_a_manifest_that_unpacks_to_a_gigabyte_is_refused_early(
    leaks: Leaks, over: Over
) -> None:
    line = b"#EXTM3U\n" + b"#" * (2**20)
    bomb = gzip.compress(line) + gzip.compress(b"#" * (2**20)) * 1023
    packed = answer(bomb, Content_Encoding="gzip", Content_Type="application/vnd.apple.mpegurl")
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Send(packed)]) as origin,
        over(origin.url) as edge,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        got = await edge.ask("/cdn/live.m3u8")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert got.status == 502
        assert got.error in ("manifest-too-large", "bad-manifest", "origin-failed")
        assert grown < 64 * 2**20
