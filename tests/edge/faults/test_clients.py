"""Fault matrix C1, C4 to C6, C9, C10: clients that leave, are silent, send too much, or ask for mischief."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.crowd import Crowd, digest
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import Asked, Send, Step, Wait, answer, reset, scripted_origin

LONG = "max-age=3600"
WHOLE = answer(SEGMENT, Cache_Control=LONG)


def good(_asked: Asked) -> list[Step]:
    return [Send(WHOLE)]


async def leave_after_first_bytes(port: int, path: str) -> None:
    """Ask, read a little, and end the connection with RST."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.read(1000)
    reset(writer)
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_c01_a_fill_that_is_mostly_there_is_finished_for_the_next_one(
    leaks: Leaks, over: Over
) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:-2000]), Wait(gate), Send(WHOLE[-2000:])]

    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, idle_timeout=10) as edge,
    ):
        await leave_after_first_bytes(edge.port, "/cdn/1.ts")
        gate.set()
        got = await edge.ask("/cdn/1.ts")
        assert (got.body, got.broken) == (SEGMENT, False)
        assert len(origin.asked) == 1


async def test_c01_others_who_read_the_same_file_do_not_notice_who_leaves(
    leaks: Leaks, over: Over
) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:2000]), Wait(gate), Send(WHOLE[2000:])]

    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, idle_timeout=10) as edge,
    ):
        crowd = Crowd(edge.port, "/cdn/1.ts")
        await crowd.ask(20)
        await origin.heard.wait()
        await asyncio.gather(*(leave_after_first_bytes(edge.port, "/cdn/1.ts") for _ in range(20)))
        gate.set()
        assert await crowd.answers(seconds=10) == {(200, digest(SEGMENT)): 20}
        assert len(origin.asked) == 1


async def test_c04_a_body_that_is_too_large_is_refused(over: Over) -> None:
    async with scripted_origin(good) as origin, over(origin.url) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(
            b"POST /cdn/1.ts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx"
        )
        async with asyncio.timeout(5):
            got = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert got.split(b" ", 2)[1] in (b"405", b"413")
        assert b"connection: close" in got.lower()
        assert origin.asked == []


async def test_c05_a_client_that_says_nothing_is_parted_from(leaks: Leaks, over: Over) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        started = time.monotonic()
        assert await edge.raw(b"", seconds=5) == b""  # header_timeout is 1 s here
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("request_head", "allowed"),
    [
        pytest.param(b"GET /cdn/" + b"a" * 20_000 + b" HTTP/1.1", {400, 414}, id="a long target"),
        pytest.param(
            b"GET /cdn/1.ts HTTP/1.1\r\nX: " + b"a" * 20_000, {400, 431}, id="a long field"
        ),
        pytest.param(
            b"GET /cdn/1.ts HTTP/1.1\r\n" + b"\r\n".join(b"X%d: 1" % n for n in range(1000)),
            {400, 431},
            id="many fields",
        ),
    ],
)
async def test_c06_a_head_that_is_too_large_is_refused_and_the_connection_ended(
    request_head: bytes, allowed: set[int], leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        got = await edge.raw(request_head + b"\r\nHost: localhost\r\n\r\n", seconds=5)
        assert int(got.split(b" ", 2)[1]) in allowed
        assert origin.asked == []
        assert (await edge.ask("/cdn/1.ts")).body == SEGMENT


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param("bytes=" + ",".join(f"{n % 10}-" for n in range(1000)), id="1000 ranges"),
        pytest.param("bytes=" + ",".join(["0-"] * 200), id="overlapping"),
        pytest.param("bytes=0-", id="everything"),
        pytest.param("bytes=-0", id="no bytes at the end"),
        pytest.param("bytes=9223372036854775807-", id="2^63"),
        pytest.param("bytes=0-18446744073709551617", id="2^64 + 1"),
        pytest.param("bytes=-18446744073709551617", id="more than there is"),
        pytest.param("lines=0-1", id="another unit"),
        pytest.param("bytes=5-1", id="backwards"),
        pytest.param("bytes=a-b", id="letters"),
        pytest.param("bytes=" + "0" * 5000 + "1-2", id="many digits"),
    ],
)
async def test_c09_a_range_never_costs_more_than_the_file(
    wanted: str, leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        for _ in range(2):  # first cold, then from memory
            got = await edge.ask("/cdn/1.ts", Range=wanted)
            assert got.status in (200, 206, 416)
            assert not got.broken
            assert len(got.body) <= len(SEGMENT)
            if got.status == 200:
                assert got.body == SEGMENT
            if got.status == 206:
                span = got.headers["Content-Range"].removeprefix("bytes ").partition("/")[0]
                first, last = map(int, span.split("-"))
                assert got.body == SEGMENT[first : last + 1]
        assert edge.counted("edge_bytes_from_origin_total") <= 2 * len(SEGMENT)


async def test_c09_one_byte_of_a_large_file_costs_one_slice(leaks: Leaks, over: Over) -> None:
    large = SEGMENT * 40  # 10 MB

    def script(asked: Asked) -> list[Step]:
        first, _, last = (asked.header("range") or "bytes=0-").removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(large)), len(large) - 1) + 1
        where = f"bytes {start}-{stop - 1}/{len(large)}"
        return [
            Send(
                answer(
                    large[start:stop],
                    status="206 Partial Content",
                    ETag='"v"',
                    Cache_Control=LONG,
                    Content_Range=where,
                )
            )
        ]

    sizes = {"object_bytes": 2**20, "slice_bytes": 2**20}
    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, cache=sizes) as edge,
    ):
        got = await edge.ask("/cdn/1.mp4", Range="bytes=5000000-5000000")
        assert (got.status, got.body) == (206, large[5_000_000:5_000_001])
        assert edge.counted("edge_bytes_from_origin_total") <= 2**20


@pytest.mark.parametrize(
    "path",
    [
        "/cdn/../secret",
        "/cdn/%2e%2e/secret",
        "/cdn/%2E%2E%2Fsecret",
        "/cdn/%252e%252e/secret",
        "/cdn/..%2fsecret",
        "/cdn/..%5csecret",
        "/cdn/..\\secret",
        "/cdn/a;x/../../secret",
        "/cdn/%c0%ae%c0%ae/secret",
        "/cdn/%ef%bc%8e%ef%bc%8e/secret",
        "/cdn/a%00b",
        "/cdn/a%0d%0aX:%201",
        "//evil.test/cdn/1.ts",
        "/cdn//etc/passwd",
        "/cdn/./././../secret",
    ],
)
async def test_c10_no_spelling_of_a_path_leaves_its_origin(
    path: str, leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(f"{origin.url}/base/") as edge:
        got = await edge.raw(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        status = int(got.split(b" ", 2)[1])
        assert status in (200, 400, 404)
        for target in origin.targets():
            assert target.startswith("/base/")
            assert "/../" not in target
            assert "\\" not in target
            assert "%2f" not in target.lower()
            assert "%2e" not in target.lower()
