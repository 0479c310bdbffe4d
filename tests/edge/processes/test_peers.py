from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from config.settings.shared import HttpLimits
from edge.peers.app import serving_peers
from edge.peers.peers import Peers, PeerUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def sibling(path: Path, handler: Handler) -> AsyncIterator[Path]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving_peers(app, path, HttpLimits()):
        yield path


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    peers = Peers(0, 2)
    yield peers
    await peers.close()


def named(name: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{name} {request.method} {request.raw_path}")

    return answer


async def text_of(peers: Peers, path: str = "/a", head_seconds: float = 5) -> str:
    async with peers.ask(1, "GET", path, head_seconds=head_seconds, idle_seconds=5) as answer:
        return await answer.text()


def test_every_worker_knows_the_same_owner_and_keys_are_spread_evenly() -> None:
    digests = [number.to_bytes(2) * 8 for number in range(4000)]
    workers = [Peers(slot, 4) for slot in range(4)]
    owners = [workers[0].owner_of(digest) for digest in digests]
    assert all([w.owner_of(d) for d in digests] == owners for w in workers)
    for digest, owner in zip(digests, owners, strict=True):
        assert [worker.is_mine(digest) for worker in workers].index(True) == owner
    assert min(Counter(owners).values()) > 800


async def test_a_sibling_is_asked_exactly_what_was_said(peers: Peers, tmp_path: Path) -> None:
    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        fields = [name for name, _ in request.raw_headers]
        return web.json_response(
            {
                "path": request.raw_path,
                "host": request.headers["Host"],
                "mine": request.headers.get("X-Mine"),
                "fields": sorted(name.decode() for name in fields),
                "body": body.decode(),
            }
        )

    async with sibling(tmp_path / "1.sock", echo) as path:
        peers.learn((None, path))
        async with peers.ask(
            1,
            "POST",
            "/x/%2e%2E/%C3%A4?q=%20+&&",
            headers={"X-Mine": "1"},
            data=b"body",
            head_seconds=5,
            idle_seconds=5,
        ) as answer:
            found = await answer.json()
    assert found["path"] == "/x/%2e%2E/%C3%A4?q=%20+&&"
    assert (found["mine"], found["body"]) == ("1", "body")
    assert found["fields"] == ["Content-Length", "Host", "X-Mine"]


async def test_a_sibling_that_nobody_knows_or_that_is_gone_is_an_error_at_once(
    peers: Peers, tmp_path: Path
) -> None:
    left_over = tmp_path / "2.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left_over))
    for table in ((), (None, None), (None, tmp_path / "none.sock"), (None, left_over)):
        peers.learn(table)
        started = time.perf_counter()
        with pytest.raises(PeerUnavailable):
            await text_of(peers)
        assert time.perf_counter() - started < 0.05


async def test_a_sibling_that_hangs_is_an_error_after_the_time_it_may_take(
    peers: Peers, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "hung.sock"))
        sock.listen()
        peers.learn((None, tmp_path / "hung.sock"))
        with pytest.raises(PeerUnavailable):
            await text_of(peers, head_seconds=0.2)


async def test_who_waits_for_a_sibling_that_turns_silent_is_told_at_once(
    peers: Peers, tmp_path: Path
) -> None:
    asked = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        return web.Response()

    async with sibling(tmp_path / "1.sock", never) as path:
        peers.learn((None, path))
        waiting = asyncio.create_task(text_of(peers, head_seconds=60))
        await asked.wait()
        peers.learn((None, None))
        with pytest.raises(PeerUnavailable):
            await asyncio.wait_for(waiting, 1)


async def test_a_sibling_that_breaks_off_is_an_error_where_the_body_is_read(
    peers: Peers, tmp_path: Path
) -> None:
    async def breaking(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"beginning")
        assert request.transport is not None
        request.transport.close()
        return response

    async with sibling(tmp_path / "1.sock", breaking) as path:
        peers.learn((None, path))
        with pytest.raises(PeerUnavailable):
            await text_of(peers)


async def test_what_goes_wrong_inside_the_block_stays_what_it_is(
    peers: Peers, tmp_path: Path
) -> None:
    async with sibling(tmp_path / "1.sock", named("old")) as path:
        peers.learn((None, path))
        with pytest.raises(TimeoutError, match="the viewer's"):
            async with peers.ask(1, "GET", "/a", head_seconds=5, idle_seconds=5):
                raise TimeoutError("the viewer's")


async def test_a_new_generation_is_asked_from_then_on_and_old_answers_are_read_to_their_end(
    peers: Peers, tmp_path: Path
) -> None:
    released = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"old ")
        await released.wait()
        await response.write(b"to the end")
        return response

    async with (
        sibling(tmp_path / "old.sock", slow) as old,
        sibling(tmp_path / "new.sock", named("new")) as new,
    ):
        peers.learn((None, old))
        async with peers.ask(1, "GET", "/a", head_seconds=5, idle_seconds=5) as answer:
            assert await answer.content.readany() == b"old "
            peers.learn((None, new))
            assert await text_of(peers) == "new GET /a"
            released.set()
            assert await answer.read() == b"to the end"
        # Reusing the same table changes nothing: connections are kept.
        peers.learn((None, new))
        assert await text_of(peers, "/b") == "new GET /b"


async def test_answers_of_any_size_come_whole_over_few_connections(
    peers: Peers, tmp_path: Path
) -> None:
    connections: set[int] = set()
    body = bytes(range(256)) * 4096 * 4

    async def large(request: web.Request) -> web.Response:
        connections.add(id(request.transport))
        return web.Response(body=body)

    async with sibling(tmp_path / "1.sock", large) as path:
        peers.learn((None, path))
        for _ in range(10):
            async with peers.ask(1, "GET", "/a", head_seconds=5, idle_seconds=5) as answer:
                assert await answer.read() == body
    assert len(connections) == 1
