"""Fault matrix O5 to O9, O16, O17: bodies that stall, break off, run over, have no end, or change on the way."""

from __future__ import annotations

import asyncio

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import (
    Asked,
    Close,
    Send,
    Stall,
    Step,
    Tell,
    Wait,
    answer,
    scripted_origin,
)
from tests.edge.faults.proxy import LimitData, ResetPeer, Slicer, Timeout, fault_proxy

HALF = len(SEGMENT) // 2
LONG = "max-age=3600"
OTHER = bytes(reversed(SEGMENT))
EVIL = answer(b"EVIL", Cache_Control=LONG)


def good(_asked: Asked) -> list[Step]:
    return [Send(answer(SEGMENT, Cache_Control=LONG))]


def part(asked: Asked, body: bytes = SEGMENT, *, etag: str = '"v1"') -> bytes:
    """What a server of ranges answers; the whole where none is asked for."""
    wanted = asked.header("range")
    if wanted is None or asked.header("if-range") not in (None, etag):
        return answer(body, Cache_Control=LONG, ETag=etag)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last or len(body) - 1), len(body) - 1) + 1
    return answer(
        body[start:stop],
        status="206 Partial Content",
        Cache_Control=LONG,
        ETag=etag,
        Content_Range=f"bytes {start}-{stop - 1}/{len(body)}",
    )


async def test_o05_a_body_that_stalls_is_cut_for_all_its_readers_and_not_kept(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        whole = answer(SEGMENT, Cache_Control=LONG)
        return [Send(whole[:HALF]), Stall()] if len(origin.asked) == 1 else [Send(whole)]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        first, second, other = await asyncio.gather(
            edge.ask("/cdn/1.ts"), edge.ask("/cdn/1.ts"), edge.ask("/cdn/2.ts")
        )
        assert first.broken
        assert second.broken
        assert SEGMENT.startswith(first.body)
        assert SEGMENT.startswith(second.body)
        assert (other.body, other.broken) == (SEGMENT, False)
        assert edge.counted("edge_origin_requests_total", result="stall") == 1
        again = await edge.ask("/cdn/1.ts")
        assert (again.body, again.broken) == (SEGMENT, False)


async def test_o05_a_body_that_stalls_goes_on_with_the_missing_bytes_of_the_same_version(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        if len(origin.asked) == 1:
            return [Send(part(asked)[:HALF]), Stall()]
        return [Send(part(asked))]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        got = await asyncio.gather(*(edge.ask("/cdn/1.ts") for _ in range(5)))
        assert {(each.status, each.body, each.broken) for each in got} == {(200, SEGMENT, False)}
        resumed = origin.asked[-1]
        assert len(origin.asked) == 2
        assert resumed.header("if-range") == '"v1"'
        assert (resumed.header("range") or "").startswith("bytes=")
        assert edge.counted("edge_cache_fills_resumed_total") == 1
        assert (await edge.ask("/cdn/1.ts")).cache == "kawa;hit"


@pytest.mark.parametrize(
    "toxic",
    [
        pytest.param(LimitData(HALF), id="cut"),
        pytest.param(ResetPeer(), id="reset"),
        pytest.param(Timeout(), id="black hole"),
    ],
)
async def test_o05_a_network_that_fails_in_mid_body_recovers_without_a_restart(
    toxic: LimitData | ResetPeer | Timeout, leaks: Leaks, over: Over
) -> None:
    async with (
        leaks.none(),
        scripted_origin(good) as origin,
        fault_proxy(origin.port, seed=3) as proxy,
        over(proxy.url, retry_ratio=0, breaker_failures=0) as edge,
    ):
        assert (await edge.ask("/cdn/0.ts")).body == SEGMENT
        proxy.toxics = [toxic]
        got = await edge.ask("/cdn/1.ts")
        assert got.broken or got.status in (502, 504)
        assert (await edge.ask("/cdn/0.ts")).cache == "kawa;hit"
        proxy.toxics = [Slicer(900, variation=800)]
        proxy.reset_all()
        again = await edge.ask("/cdn/1.ts")
        assert (again.status, again.body, again.broken) == (200, SEGMENT, False)


async def test_o06_a_truncated_body_is_told_to_the_viewer_and_never_kept(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        whole = answer(SEGMENT, Cache_Control=LONG)
        return [Send(whole[:-1]), Close()] if len(origin.asked) == 1 else [Send(whole)]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        got = await edge.ask("/cdn/1.ts")
        assert got.broken
        assert edge.counted("edge_origin_requests_total", result="truncated") == 1
        assert (await edge.ask("/cdn/1.ts")).body == SEGMENT
        assert len(origin.asked) == 2


async def test_o07_a_chunked_body_without_its_end_has_no_end_for_the_viewer_either(
    leaks: Leaks, over: Over
) -> None:
    head = answer(framed=False, Transfer_Encoding="chunked", Cache_Control=LONG)
    chunk = b"%x\r\n%s\r\n" % (len(SEGMENT), SEGMENT)

    def script(_asked: Asked) -> list[Step]:
        if len(origin.asked) == 1:
            return [Send(head + chunk), Close()]
        return [Send(head + chunk + b"0\r\n\r\n")]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        request = b"GET /cdn/1.ts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert not (await edge.raw(request)).endswith(b"0\r\n\r\n")
        again = await edge.ask("/cdn/1.ts")
        assert (again.body, again.broken) == (SEGMENT, False)
        assert len(origin.asked) == 2
        assert (await edge.ask("/cdn/1.ts")).cache == "kawa;hit"


async def test_o08_a_body_that_only_ends_with_its_connection_is_delivered_and_not_kept(
    leaks: Leaks, over: Over
) -> None:
    endless = answer(framed=False, Cache_Control=LONG) + SEGMENT
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Send(endless), Close()]) as origin,
        over(origin.url) as edge,
    ):
        for count in (1, 2):
            got = await edge.ask("/cdn/1.ts")
            assert (got.status, got.body, got.broken) == (200, SEGMENT, False)
            assert len(origin.asked) == count


@pytest.mark.parametrize(
    ("method", "first"),
    [
        pytest.param("GET", answer(b"whole", Cache_Control="no-store"), id="after a body"),
        pytest.param("HEAD", answer(framed=False, Content_Length="5"), id="after HEAD"),
        pytest.param("GET", answer(status="204 No Content", framed=False), id="after 204"),
        pytest.param(
            "GET", answer(status="304 Not Modified", framed=False, ETag='"a"'), id="after 304"
        ),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["in the same bytes", "later"])
async def test_o09_what_an_origin_writes_beyond_its_answer_answers_nobody(
    method: str, first: bytes, late: bool, leaks: Leaks, over: Over
) -> None:
    gate, written = asyncio.Event(), asyncio.Event()

    def script(asked: Asked) -> list[Step]:
        if asked.connection > 1:
            return good(asked)
        if not late:
            return [Send(first + EVIL)]
        return [Send(first), Wait(gate), Send(EVIL), Tell(written)]

    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, edge={"root_origin": "cdn"}) as edge,
    ):
        await edge.ask("/first", method=method)
        if late:
            gate.set()
            await written.wait()
        for number in range(3):
            got = await edge.ask(f"/{number}.ts")
            assert got.body == SEGMENT
        assert all(each.connection > 1 for each in origin.asked[1:])


async def test_o16_an_origin_that_ignores_ranges_is_read_once_and_cut_here(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        got = await edge.ask("/cdn/1.ts", Range="bytes=1000-1999")
        assert got.status in (200, 206)
        assert got.body == (SEGMENT if got.status == 200 else SEGMENT[1000:2000])
        again = await edge.ask("/cdn/1.ts", Range="bytes=-10")
        assert (again.status, again.body) == (206, SEGMENT[-10:])


@pytest.mark.parametrize(
    "content_range",
    [
        pytest.param("bytes 1000-1999/10", id="beyond the whole"),
        pytest.param("bytes 1000-1998/256000", id="another length"),
        pytest.param("lines 1000-1999/256000", id="another unit"),
        pytest.param("bytes 99999999999999999999-1/2", id="nonsense"),
    ],
)
async def test_o16_a_part_that_is_not_the_one_asked_for_is_a_502(
    content_range: str, leaks: Leaks, over: Over
) -> None:
    wrong = answer(
        SEGMENT[1000:2000], status="206 Partial Content", Content_Range=content_range, ETag='"v"'
    )
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Send(wrong)]) as origin,
        over(origin.url, cache={"object_bytes": 2**16, "slice_bytes": 2**16}) as edge,
    ):
        got = await edge.ask("/cdn/1.ts", Range="bytes=1000-1999")
        assert (got.status, got.error) == (502, "origin-failed")


async def test_o16_a_range_beyond_the_end_is_a_416_with_the_length(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(lambda a: [Send(part(a))]) as origin:
        async with over(origin.url) as edge:
            assert (await edge.ask("/cdn/1.ts")).body == SEGMENT
            got = await edge.ask("/cdn/1.ts", Range="bytes=256000-")
            assert (got.status, got.headers["Content-Range"]) == (416, "bytes */256000")


async def test_o17_two_versions_never_stand_in_one_body(leaks: Leaks, over: Over) -> None:
    def script(asked: Asked) -> list[Step]:
        if len(origin.asked) == 1:
            return [Send(part(asked)[:HALF]), Close()]
        return [Send(part(asked, OTHER, etag='"v2"'))]

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        got = await edge.ask("/cdn/1.ts")
        assert got.broken
        assert SEGMENT.startswith(got.body)
        again = await edge.ask("/cdn/1.ts")
        assert (again.body, again.broken) == (OTHER, False)


async def test_o17_slices_of_two_versions_are_not_joined_and_the_new_one_is_served_whole(
    leaks: Leaks, over: Over
) -> None:
    old, new = SEGMENT * 2, OTHER * 2
    version = {"body": old, "etag": '"v1"'}

    def script(asked: Asked) -> list[Step]:
        return [Send(part(asked, version["body"], etag=version["etag"]))]  # type: ignore[arg-type]

    sizes = {"object_bytes": 2**16, "slice_bytes": 2**16}
    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, cache=sizes) as edge,
    ):
        first = await edge.ask("/cdn/1.mp4", Range="bytes=0-9")
        assert (first.status, first.body) == (206, old[:10])
        version |= {"body": new, "etag": '"v2"'}
        got = await edge.ask("/cdn/1.mp4")
        assert got.broken or got.body in (old, new)
        if got.broken:
            assert old.startswith(got.body) or new.startswith(got.body)
        healed = await edge.ask("/cdn/1.mp4")
        assert (healed.body, healed.broken) == (new, False)
