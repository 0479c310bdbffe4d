from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time

import pytest

from edge.errors import OriginFailed
from edge.origin.upstream import Question
from tests.edge.origin.scripted import (
    GOOD,
    Scripted,
    answering,
    fetch,
    origin_over,
    results,
    scripted,
)

BODY = random.Random(4).randbytes(3_000_000)


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("size", [1, 100, 65_536, 262_144, 3_000_000])
@pytest.mark.parametrize("piece", [1, 37, 60_000, 10_000_000])
async def test_a_body_is_exact_however_it_is_cut_on_its_way(size: int, piece: int) -> None:
    if size // piece > 5_000:
        piece = size // 5_000
    answer = whole(BODY[:size])

    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(answer), piece):
            writer.write(answer[start : start + piece])
            await writer.drain()

    async with scripted(script) as server, origin_over(server.url) as origin:
        for _ in range(2):
            assert (await fetch(origin))[2] == BODY[:size]
        assert server.connections == 1
        assert results(origin) == {"ok": 2}


@pytest.mark.parametrize("pause_after", [1, 3, 8])
async def test_a_reader_that_pauses_anywhere_gets_it_all(pause_after: int) -> None:
    async with scripted(answering(whole(BODY))) as server, origin_over(server.url) as origin:
        pieces = []
        async with origin.ask(Question(path="1.ts")) as reply:
            async for chunk in reply.chunks():
                pieces.append(chunk)
                if len(pieces) == pause_after:
                    await asyncio.sleep(0.1)  # the buffer fills, and the origin is held back
        assert b"".join(pieces) == BODY
        assert (await fetch(origin))[2] == BODY
        assert server.connections == 1


async def test_the_memory_for_a_reader_that_pauses_is_bounded() -> None:
    sent = 0

    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        for _ in range(2000):
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    async with scripted(script) as server, origin_over(server.url) as origin:
        async with origin.ask(Question(path="1.ts")) as reply:
            await anext(reply.chunks())
            before = -1
            while sent != before:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 50_000_000  # what the kernel's buffers hold; ours hold two reads
            assert reply.answer.content._size < 2**20  # type: ignore[attr-defined]
        await server.until(lambda: server.open == 0)


@pytest.mark.parametrize("size", [4, 100_000])
@pytest.mark.parametrize("together", [True, False], ids=["same segment", "later segment"])
async def test_what_follows_a_body_is_dropped_with_its_connection(
    size: int, together: bool
) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    good = whole(BODY[:size])
    pushed = asyncio.Event()

    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        if server.connections > 1:
            writer.write(good)
            return
        writer.write(good[:-2])
        await writer.drain()
        await asyncio.sleep(0.02)  # so that the end of the body comes by itself
        writer.write(good[-2:] + (evil if together else b""))
        await writer.drain()
        if not together:
            await asyncio.sleep(0.02)
            writer.write(evil)
            await writer.drain()
        pushed.set()

    async with scripted(script) as server, origin_over(server.url) as origin:
        assert (await fetch(origin))[2] == BODY[:size]
        await pushed.wait()
        await asyncio.sleep(0.02)
        for _ in range(3):
            assert (await fetch(origin))[2] == BODY[:size]
        assert server.connections == 2


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("sent", [10, 300_000])
async def test_a_body_that_is_cut_is_known_to_be_cut(how: str, sent: int) -> None:
    answer = whole(BODY)

    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer[: len(answer) - len(BODY) + sent])
        await writer.drain()
        await asyncio.sleep(0.02)
        if how == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with scripted(script) as server, origin_over(server.url) as origin:
        with pytest.raises(OriginFailed) as caught:
            await fetch(origin)
        assert caught.value.result == "truncated"
        assert results(origin) == {"truncated": 1}


async def test_all_kinds_of_answers_take_turns_on_one_connection() -> None:
    answers = [
        whole(BODY[:70_000]),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\nX: trailer\r\n\r\n",
        whole(b""),
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 70000\r\n\r\n',
        whole(BODY),
        GOOD,
    ]
    bodies = [BODY[:70_000], b"", b"first", b"", b"", BODY, b"good"]

    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[(len(server.heads) - 1) % len(answers)])

    async with scripted(script) as server, origin_over(server.url) as origin:
        for _ in range(3):
            for body in bodies:
                assert (await fetch(origin))[2] == body
        assert server.connections == 1


@pytest.mark.parametrize("unasked", [b"", whole(b"EVIL")], ids=["an end", "an answer"])
async def test_what_came_while_the_loop_was_busy_is_seen_before_a_connection_is_used_again(
    unasked: bytes,
) -> None:
    answered, pushed = threading.Event(), threading.Event()

    def serve(server: socket.socket) -> None:
        first, _ = server.accept()
        with first:
            first.recv(65536)
            first.sendall(GOOD)
            answered.wait(5)
            if unasked:
                first.sendall(unasked)
            else:
                first.shutdown(socket.SHUT_WR)
            pushed.set()
            second, _ = server.accept()
            with second:
                second.recv(65536)
                second.sendall(GOOD)
                second.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        async with origin_over(url, retry_ratio=0) as origin:
            assert (await fetch(origin))[2] == b"good"
            answered.set()
            pushed.wait(5)  # blocks the loop on purpose: it must not get to read
            time.sleep(0.02)  # noqa: ASYNC251
            assert (await fetch(origin))[2] == b"good"
            assert results(origin) == {"ok": 2}
        await asyncio.to_thread(thread.join, 5)
