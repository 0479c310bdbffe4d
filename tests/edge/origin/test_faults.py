"""What an origin can do to the edge, one by one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from multidict import CIMultiDict

from config.settings.origins import DnsSettings
from edge.errors import (
    OriginBusy,
    OriginDown,
    OriginError,
    OriginFailed,
    OriginForbidden,
    OriginTimeout,
)
from edge.origin.upstream import Question
from tests.edge.origin.scripted import (
    GOOD,
    Scripted,
    answering,
    fetch,
    good,
    metric,
    origin_over,
    results,
    scripted,
    silent,
)


async def _nothing() -> AsyncIterator[bytes]:
    yield b"x"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """An address where no SYN is answered: its queue of new connections is full."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_o1_a_refused_connection_fails_at_once_and_then_the_breaker_opens() -> None:
    async with origin_over("http://127.0.0.1:1", breaker_failures=3) as origin:
        for _ in range(3):
            with pytest.raises(OriginFailed):
                await fetch(origin)
        with pytest.raises(OriginDown):
            await fetch(origin)
        assert results(origin) == {"reset": 3, "breaker": 1}
        assert metric("edge_breaker_state", dep=origin.name) == 2


async def test_o2_a_black_hole_meets_the_connect_timeout_and_then_the_next_server_is_asked() -> (
    None
):
    async with scripted(good) as backup:
        with black_hole() as url:
            async with origin_over(url, backups=[backup.url], connect_timeout=0.3) as origin:
                assert (await fetch(origin))[2] == b"good"
                assert results(origin) == {"connect_timeout": 1, "ok": 1}
                assert metric("edge_retry_total", origin=origin.name, reason="connect_timeout") == 1


async def test_o2_a_black_hole_alone_is_a_timeout() -> None:
    with black_hole() as url:
        async with origin_over(url, connect_timeout=0.3) as origin:
            with pytest.raises(OriginTimeout) as caught:
                await fetch(origin)
    assert caught.value.result == "connect_timeout"


async def test_o2_a_handshake_that_is_never_answered_meets_the_connect_timeout_too() -> None:
    closed = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with origin_over(f"https://127.0.0.1:{port}", connect_timeout=0.3) as origin:
        with pytest.raises(OriginTimeout):
            await fetch(origin)
        assert results(origin) == {"connect_timeout": 1}
        async with asyncio.timeout(5):
            await closed.wait()
    server.close()


async def test_o3_who_never_answers_meets_the_first_byte_timeout() -> None:
    async with (
        scripted(silent) as server,
        origin_over(server.url, first_byte_timeout=0.3) as origin,
    ):
        with pytest.raises(OriginTimeout):
            await fetch(origin)
        assert results(origin) == {"first_byte_timeout": 1}
        assert len(server.heads) == 1
        await server.until(lambda: server.open == 0)


async def test_o3_a_get_is_asked_elsewhere_and_a_post_is_not() -> None:
    async with (
        scripted(silent) as first,
        scripted(good) as second,
        origin_over(first.url, backups=[second.url], first_byte_timeout=0.3) as origin,
    ):
        assert (await fetch(origin))[2] == b"good"
        with pytest.raises(OriginTimeout):
            await fetch(origin, method="POST", body=_nothing())
        assert len(second.heads) == 1


async def test_o4_a_head_that_drips_meets_the_same_deadline() -> None:
    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with (
        scripted(script) as server,
        origin_over(server.url, first_byte_timeout=0.3) as origin,
    ):
        with pytest.raises(OriginTimeout):
            await fetch(origin)
        assert results(origin) == {"first_byte_timeout": 1}


async def test_o5_a_body_that_stops_is_given_up() -> None:
    async def script(origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
        await origin.release.wait()

    async with scripted(script) as server, origin_over(server.url, idle_timeout=0.2) as origin:
        async with origin.ask(Question(path="1.ts")) as reply:
            chunks = reply.chunks()
            assert await anext(chunks) == b"some"
            with pytest.raises(OriginTimeout):
                await anext(chunks)
        assert results(origin) == {"stall": 1}
        await server.until(lambda: server.open == 0)


async def test_o5_a_body_that_trickles_below_the_rate_is_given_up() -> None:
    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with (
        scripted(script) as server,
        origin_over(server.url, idle_timeout=0.2, min_rate=10_000) as origin,
    ):
        with pytest.raises(OriginTimeout):
            await fetch(origin)
        assert results(origin) == {"stall": 1}


async def test_o5_a_slow_reader_is_not_the_origins_fault() -> None:
    body = b"x" * 4_000_000

    async with (
        scripted(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + body)) as server,
        origin_over(server.url, idle_timeout=0.4, min_rate=1_000_000) as origin,
    ):
        read = 0
        async with origin.ask(Question(path="1.ts")) as reply:
            async for chunk in reply.chunks():
                if not read:
                    await asyncio.sleep(1)  # more than two idle times
                read += len(chunk)
        assert read == len(body)
        assert results(origin) == {"ok": 1}
        assert metric("edge_bytes_from_origin_total", origin=origin.name) == len(body)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "truncated", id="o6 length"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            "truncated",
            id="o7 chunked without its end",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
            "truncated",
            id="o7 in mid-chunk",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nshort\r\n0\r\n\r\n",
            "malformed",
            id="o10 chunk size",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "malformed",
            id="o10 both framings",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "malformed",
            id="o10 two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nabcd", "malformed", id="o10 bad length"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "malformed",
            id="o10 unknown transfer coding",
        ),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "malformed",
            id="o10 chunked in HTTP/1.0",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
            "malformed",
            id="o10 field too long",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 500 + b"Content-Length: 0\r\n\r\n",
            "malformed",
            id="o10 too many fields",
        ),
        pytest.param(b"garbage\r\n\r\n", "malformed", id="o10 not HTTP"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "malformed",
            id="o10 another protocol",
        ),
        pytest.param(b"", "reset", id="o14 closed without an answer"),
        pytest.param(
            b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\n\r\nabcd", "malformed", id="o16 which part"
        ),
        pytest.param(
            b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 0-8/9\r\n\r\nabcd",
            "malformed",
            id="o16 another length",
        ),
        pytest.param(
            b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 6-9/8\r\n\r\nabcd",
            "malformed",
            id="o16 past the end",
        ),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_an_error(answer: bytes, result: str) -> None:
    async with (
        scripted(answering(answer, close=True)) as server,
        origin_over(server.url) as origin,
    ):
        with pytest.raises(OriginFailed) as caught:
            await fetch(origin)
        assert caught.value.result == result
        assert results(origin) == {result: 1}
        assert len(server.heads) == 1


async def test_o6_what_came_before_the_end_was_delivered() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"
    async with (
        scripted(answering(answer, close=True)) as server,
        origin_over(server.url) as origin,
    ):
        async with origin.ask(Question(path="1.ts")) as reply:
            assert reply.framed
            chunks = reply.chunks()
            assert await anext(chunks) == b"short"
            with pytest.raises(OriginFailed):
                await anext(chunks)


async def test_o8_a_body_that_ends_with_its_connection_is_delivered_and_said_to_be_so() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nhow long is this"
    async with (
        scripted(answering(answer, close=True)) as server,
        origin_over(server.url) as origin,
    ):
        async with origin.ask(Question(path="1.ts")) as reply:
            assert not reply.framed
            assert [chunk async for chunk in reply.chunks()] == [b"how long is this"]
        assert results(origin) == {"ok": 1}


@pytest.mark.parametrize(
    ("method", "first"),
    [
        pytest.param("GET", GOOD, id="after a body"),
        pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n", id="after 204"),
        pytest.param("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', id="after 304"),
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", id="after HEAD"),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
async def test_o9_what_an_origin_writes_unasked_answers_nobody(
    method: str, first: bytes, late: bool
) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    go, pushed = asyncio.Event(), asyncio.Event()

    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        if server.connections > 1:
            writer.write(GOOD)
            return
        writer.write(first if late else first + evil)
        await writer.drain()
        if late:
            await go.wait()  # the answer is read, its connection idles in the pool
            writer.write(evil)
            await writer.drain()
        pushed.set()

    async with scripted(script) as server, origin_over(server.url) as origin:
        # Bytes after an answer in the same segment may cost that answer, never another one.
        with contextlib.suppress(OriginFailed):
            assert (await fetch(origin, method=method))[2] in (b"", b"good")
        go.set()
        await pushed.wait()
        await asyncio.sleep(0.05)  # until they have come through the socket
        for _ in range(3):
            assert (await fetch(origin))[2] == b"good"


async def test_o14_a_used_connection_that_its_server_has_closed_is_replaced_unnoticed() -> None:
    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.heads) == 2:
            writer.close()  # instead of an answer: the race of keep-alive
        else:
            writer.write(GOOD)

    async with scripted(script) as server, origin_over(server.url) as origin:
        await fetch(origin)
        assert (await fetch(origin))[2] == b"good"
        assert results(origin) == {"ok": 2, "reset": 1}
        assert metric("edge_retry_total", origin=origin.name, reason="stale") == 1
        assert server.connections == 2


async def test_o14_nothing_is_asked_twice_where_that_is_forbidden() -> None:
    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.heads) == 2:
            writer.close()
        else:
            writer.write(GOOD)

    async with scripted(script) as server, origin_over(server.url, retry_ratio=0) as origin:
        await fetch(origin)
        with pytest.raises(OriginFailed):
            await fetch(origin)


async def test_o14_a_post_never_goes_out_on_a_used_connection() -> None:
    async with scripted(good) as server, origin_over(server.url) as origin:
        await fetch(origin)
        await fetch(origin, method="POST", body=_nothing())
        assert server.connections == 2


async def test_o15_a_name_that_cannot_be_found_is_said_so() -> None:
    def lookup(_host: str) -> list[str]:
        raise OSError("no such name")

    async with origin_over("http://cdn.example", lookup=lookup) as origin:
        with pytest.raises(OriginFailed):
            await fetch(origin)
        assert results(origin) == {"dns": 1}


async def test_o15_dns_that_fails_later_leaves_the_last_good_address() -> None:
    answers = iter([["127.0.0.1"]])

    def lookup(_host: str) -> list[str]:
        try:
            return next(answers)
        except StopIteration:
            raise OSError("flapping") from None

    dns = DnsSettings.model_validate({"ttl": 0, "negative": 0})
    async with scripted(good) as server:
        url = f"http://cdn.example:{server.port}"
        async with origin_over(url, lookup=lookup, dns=dns, private=True, keep_alive=0) as origin:
            for _ in range(3):
                assert (await fetch(origin))[2] == b"good"
            assert server.connections == 3


@pytest.mark.parametrize("status", [200, 416])
async def test_o16_what_an_origin_makes_of_a_range_is_passed_on(status: int) -> None:
    answer = (
        f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\nContent-Range: bytes */4\r\n\r\ngood".encode()
    )
    async with scripted(answering(answer)) as server, origin_over(server.url) as origin:
        got, headers, body = await fetch(origin, headers={"Range": "bytes=9-"})
        assert (got, headers["Content-Range"], body) == (status, "bytes */4", b"good")
        assert b"range: bytes=9-" in server.heads[0].lower()


async def test_o17_a_part_comes_with_the_validator_that_tells_a_change() -> None:
    async def script(_origin: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        assert b'if-range: "one"' in head.lower()
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "two"\r\nContent-Length: 3\r\n\r\nnew')

    async with scripted(script) as server, origin_over(server.url) as origin:
        status, headers, body = await fetch(
            origin, headers={"Range": "bytes=1-", "If-Range": '"one"'}
        )
    assert (status, headers["ETag"], body) == (200, '"two"', b"new")


async def test_o18_a_redirect_is_not_followed_unless_allowed() -> None:
    answer = b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with scripted(answering(answer)) as server, origin_over(server.url) as origin:
        status, headers, _ = await fetch(origin)
    assert (status, headers["Location"]) == (302, "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://evil.example/",
        "//evil.example/1.ts",
        "http://127.0.0.1:1/other-port",
        "http://user@127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1\\@evil.example/",
    ],
)
async def test_o18_a_redirect_to_a_host_that_nobody_named_is_refused(location: str) -> None:
    answer = f"HTTP/1.1 302 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    async with (
        scripted(answering(answer)) as server,
        origin_over(server.url, redirects=3) as origin,
    ):
        with pytest.raises(OriginForbidden):
            await fetch(origin)
        assert results(origin) == {"guard": 1}
        assert len(server.heads) == 1


async def test_o18_an_allowed_host_of_a_redirect_is_looked_at_by_its_address_again() -> None:
    answer = b"HTTP/1.1 302 Go\r\nLocation: http://inner.example/\r\nContent-Length: 0\r\n\r\n"
    async with (
        scripted(answering(answer)) as server,
        origin_over(
            server.url,
            redirects=3,
            redirect_hosts=["inner.example"],
            lookup=lambda _host: ["10.0.0.1", "127.0.0.1"],
        ) as origin,
    ):
        with pytest.raises(OriginForbidden):
            await fetch(origin)
        assert results(origin) == {"guard": 1}


async def test_o18_allowed_redirects_are_followed_so_many_times_without_what_is_not_theirs() -> (
    None
):
    async def other(_origin: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        assert b"authorization" not in head.lower()
        assert b"range: bytes=0-3" in head.lower()
        writer.write(GOOD)

    async with scripted(other) as second:

        async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
            to = b"/b" if len(server.heads) == 1 else f"{second.url}/c".encode()
            writer.write(
                b"HTTP/1.1 302 Go\r\nLocation: " + to + b"\r\nContent-Length: 4\r\n\r\nbody"
            )

        async with (
            scripted(script) as first,
            origin_over(
                first.url, redirects=2, redirect_hosts=[f"127.0.0.1:{second.port}"]
            ) as origin,
        ):
            fields = {"Authorization": "secret", "Range": "bytes=0-3"}
            question = Question(path="a", headers=_fields(fields))
            async with origin.ask(question) as reply:
                assert reply.status == 200
                assert reply.url == f"{second.url}/c"
            status, _, _ = await fetch(origin, method="POST", body=_nothing())
            assert status == 302  # a POST is not sent anywhere else


async def test_a_crowd_waits_in_a_bounded_queue_and_the_rest_is_refused_at_once() -> None:
    async def script(origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        await origin.release.wait()
        writer.write(GOOD)

    async with (
        scripted(script) as server,
        origin_over(server.url, connections=2, waiting=3) as origin,
    ):
        tasks = [asyncio.create_task(fetch(origin)) for _ in range(5)]
        await server.until(lambda: len(server.heads) == 2)
        assert metric("edge_origin_connections", origin=origin.name, state="busy") == 2
        assert metric("edge_origin_connections", origin=origin.name, state="waiting") == 3
        with pytest.raises(OriginBusy):
            await fetch(origin)
        tasks[4].cancel()  # one leaves the queue
        server.release.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [item[2] for item in done if isinstance(item, tuple)] == [b"good"] * 4
        assert server.connections == 2


async def test_who_waits_too_long_for_a_place_is_told_so() -> None:
    async with (
        scripted(silent) as server,
        origin_over(server.url, connections=1, wait_timeout=0.1) as origin,
    ):
        first = asyncio.create_task(fetch(origin))
        await server.until(lambda: len(server.heads) == 1)
        with pytest.raises(OriginBusy) as caught:
            await fetch(origin)
        assert caught.value.status == 503
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_leaving_in_mid_body_drops_the_connection() -> None:
    async def script(origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
        await origin.release.wait()

    async with scripted(script) as server, origin_over(server.url) as origin:
        async with origin.ask(Question(path="1.ts")) as reply:
            assert await anext(reply.chunks()) == b"some"
        await server.until(lambda: server.open == 0)
        assert results(origin) == {"ok": 1}


async def test_being_cancelled_while_waiting_leaves_nothing_behind() -> None:
    async with scripted(silent) as server, origin_over(server.url) as origin:
        task = asyncio.create_task(fetch(origin))
        await server.until(lambda: len(server.heads) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.open == 0)


async def test_plain_http_where_tls_is_expected_is_a_tls_fault() -> None:
    async def speak_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with origin_over(f"https://127.0.0.1:{port}") as origin:
        with pytest.raises(OriginError):
            await fetch(origin)
        assert results(origin) == {"tls": 1}
    server.close()


def _fields(values: dict[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(values)
