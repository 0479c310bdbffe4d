"""A real edge over sockets: what viewers get is what the registry is told."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from config.runtime.keys import KeySet
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE
from edge.sessions.registry import Registry
from tests.edge.client import SEGMENT
from tests.edge.sessions.worker.book import Book

Mint = Callable[..., str]


@dataclass
class Viewed:
    """A running edge and what it is asked through."""

    app: web.Application
    base: str
    book: Book
    http: ClientSession
    received: int = 0  # bytes of bodies

    async def ask(
        self, path: str, *, method: str = "GET", **fields: str
    ) -> tuple[int, CIMultiDict[str], bytes]:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        async with self.http.request(
            method,
            URL(self.base + path, encoded=True),
            headers={"Accept-Encoding": "identity"} | headers,
            allow_redirects=False,
        ) as answer:
            body = await answer.read()
            self.received += len(body)
            return answer.status, CIMultiDict(answer.headers), body

    async def tell(self) -> None:
        await self.app[keys.SESSIONS].tell()


@pytest.fixture
def book() -> Book:
    return Book()


def _serving(
    settings: Settings, key_set: KeySet, registry: Registry | None
) -> tuple[web.Application, socket.socket]:
    app = build_app(settings, key_set=key_set, registry=registry)
    return app, listening_socket(ListenSettings(), backlog=128)


@pytest.fixture(params=["lane", "ordinary"])
async def edge(
    request: pytest.FixtureRequest, settings: Settings, title: Path, key_set: KeySet, book: Book
) -> AsyncIterator[Viewed]:
    app, sock = _serving(settings, key_set, book)
    (title / "v" / "media.m3u8").write_bytes(b"#EXTM3U\n#EXTINF:6,\n1.m4s\n" * 100)
    async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
        app[LANE].enabled = request.param == "lane"
        host, port = sock.getsockname()
        async with ClientSession(connector=TCPConnector(limit=1)) as http:
            yield Viewed(app, f"http://{host}:{port}", book, http)


async def test_what_a_player_received_is_what_was_counted(edge: Viewed, mint: Mint) -> None:
    base = f"/t/{mint()}/vod/title"
    for _ in range(4):
        await edge.ask(f"{base}/master.m3u8")
        await edge.ask(f"{base}/v/media.m3u8")
        await edge.ask(f"{base}/v/init.mp4")
        await edge.ask(f"{base}/v/1.m4s")
        await edge.ask(f"{base}/v/empty.m4s")
        await edge.ask(f"{base}/v/1.m4s", method="HEAD")
        status, _, body = await edge.ask(f"{base}/v/1.m4s", Range="bytes=100-70099")
        assert (status, len(body)) == (206, 70_000)
        await edge.ask(f"{base}/v/1.m4s", Range="bytes=-10")
        await edge.ask(f"{base}/v/missing.m4s")
    status, headers, _ = await edge.ask(f"{base}/master.m3u8")
    status, _, body = await edge.ask(f"{base}/master.m3u8", If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")
    await edge.tell()

    counted = edge.book.counted("session-1")
    assert counted.bytes == edge.received
    assert counted.requests == 38
    assert counted.manifests == 10
    assert counted.segments == 28
    assert counted.renditions == {"v": 20, "v/empty": 4, "v/missing": 4}
    assert edge.book.asked == [("session-1", False)]


async def test_a_body_larger_than_the_kernel_takes_is_counted_as_it_leaves(
    edge: Viewed, mint: Mint, title: Path
) -> None:
    (title / "v" / "2.m4s").write_bytes(bytes(20 * 2**20))
    token = mint()
    await edge.ask(f"/t/{token}/vod/title/master.m3u8")
    for _ in range(3):
        await edge.ask(f"/t/{token}/vod/title/v/2.m4s")
    await edge.tell()
    assert edge.book.counted("session-1").bytes == edge.received


async def test_a_client_that_leaves_half_way_is_not_counted_whole(
    edge: Viewed, mint: Mint, title: Path
) -> None:
    size = 32 * 2**20
    (title / "v" / "2.m4s").write_bytes(bytes(size))
    token = mint()
    path = f"/t/{token}/vod/title/v/2.m4s"
    await edge.ask(path)  # warm
    before = edge.received
    url = URL(edge.base)
    assert url.host is not None
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**16)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge.example\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head
    received = len(await reader.readexactly(2**20))
    writer.transport.abort()
    async with asyncio.timeout(20):
        while True:
            await asyncio.sleep(0.02)
            await edge.tell()
            counted = edge.book.counted("session-1").bytes - before
            if not edge.app[LANE].open or len(edge.app[LANE].open) == 1:
                break
    assert received <= counted < size / 2


async def test_too_many_streams_are_refused_with_a_list_and_only_at_manifests(
    edge: Viewed, mint: Mint
) -> None:
    edge.book.limit = 1
    await edge.ask(f"/t/{mint(session='one')}/vod/title/master.m3u8")
    second = f"/t/{mint(session='two')}/vod/title"

    status, headers, body = await edge.ask(f"{second}/master.m3u8")

    assert status == 409
    assert headers["Cache-Control"] == "no-store"
    said = json.loads(body)
    assert said["error"] == "too-many-streams"
    [playing] = said["playing"]
    assert playing.keys() == {"session", "content", "device", "started_at"}
    assert (playing["session"], playing["content"]) == ("one", "/vod/title/")
    assert (await edge.ask(f"{second}/v/1.m4s"))[0] == 200
    assert (await edge.ask(f"{second}/master.m3u8"))[0] == 409


async def test_a_kicked_viewer_gets_nothing_from_the_next_request_on(
    edge: Viewed, mint: Mint
) -> None:
    base = f"/t/{mint()}/vod/title"
    for _ in range(2):
        assert (await edge.ask(f"{base}/v/1.m4s"))[0] == 200
        assert (await edge.ask(f"{base}/master.m3u8"))[0] == 200
    edge.book.ended = {"session-1": "kicked"}
    await edge.tell()
    for path in ("master.m3u8", "v/1.m4s"):
        status, _, body = await edge.ask(f"{base}/{path}")
        assert (status, json.loads(body)["error"]) == (403, "stream-ended")
    # Another session of the same viewer is not meant.
    other = f"/t/{mint(session='other')}/vod/title/master.m3u8"
    assert (await edge.ask(other))[0] == 200


async def test_a_running_body_is_not_cut(edge: Viewed, mint: Mint, title: Path) -> None:
    size = 8 * 2**20
    (title / "v" / "2.m4s").write_bytes(bytes(size))
    path = f"/t/{mint()}/vod/title/v/2.m4s"
    await edge.ask(path)
    url = URL(edge.base)
    assert url.host is not None
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**16)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge.example\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    edge.book.ended = {"session-1": "evicted"}
    await edge.tell()
    assert len(await reader.readexactly(size)) == size
    writer.close()
    assert (await edge.ask(path))[0] == 403


async def test_public_origins_have_no_sessions(edge: Viewed, settings: Settings) -> None:
    folder = settings.edge.origins["open"].folder  # type: ignore[union-attr]
    folder.mkdir()
    (folder / "1.m4s").write_bytes(b"data")
    for _ in range(3):
        assert (await edge.ask("/open/1.m4s"))[2] == b"data"
    await edge.tell()
    assert edge.book.asked == []
    assert edge.book.told == []


async def test_who_has_no_token_opens_no_session(edge: Viewed, mint: Mint) -> None:
    expired = mint(expires_at=int(time.time()) - 100, issued_at=int(time.time()) - 200)
    for path in (
        "/vod/title/master.m3u8",
        "/t/nonsense/vod/title/master.m3u8",
        f"/t/{expired}/vod/title/master.m3u8",
        f"/t/{mint('/vod/other/')}/vod/title/master.m3u8",
    ):
        assert (await edge.ask(path))[0] in (401, 403)
    assert edge.book.asked == []


async def test_a_registry_that_nobody_can_ask_stops_no_viewer(edge: Viewed, mint: Mint) -> None:
    edge.book.deaf = True
    base = f"/t/{mint(stream_limit=1)}/vod/title"
    for _ in range(3):
        assert (await edge.ask(f"{base}/master.m3u8"))[0] == 200
        assert (await edge.ask(f"{base}/v/1.m4s"))[2] == SEGMENT
    edge.book.deaf = False
    await edge.tell()
    assert edge.book.counted("session-1").bytes == edge.received


async def test_the_lane_and_the_ordinary_way_count_alike(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint
) -> None:
    counted = []
    for enabled in (True, False):
        book = Book()
        app, sock = _serving(settings, key_set, book)
        async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
            app[LANE].enabled = enabled
            host, port = sock.getsockname()
            async with ClientSession(connector=TCPConnector(limit=1)) as http:
                edge = Viewed(app, f"http://{host}:{port}", book, http)
                base = f"/t/{mint()}/vod/title"
                for _ in range(5):
                    for path in ("master.m3u8", "v/1.m4s", "v/init.mp4", "v/empty.m4s", "v/no.m4s"):
                        await edge.ask(f"{base}/{path}")
                        await edge.ask(f"{base}/{path}", method="HEAD")
                await edge.tell()
        found = book.counted("session-1")
        found.active_ms = 0
        counted.append(found)
    assert counted[0] == counted[1]
    assert counted[0].requests == 50


@pytest.mark.parametrize("off", ["no registry", "settings"])
async def test_without_sessions_nobody_is_asked_and_the_lane_gives_as_before(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint, book: Book, off: str
) -> None:
    if off == "settings":
        changed = settings.model_dump()
        changed["sessions"]["enabled"] = False
        settings = Settings.model_validate(changed)
    app, sock = _serving(settings, key_set, book if off == "settings" else None)
    assert keys.SESSIONS not in app
    async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
        host, port = sock.getsockname()
        async with ClientSession(connector=TCPConnector(limit=1)) as http:
            edge = Viewed(app, f"http://{host}:{port}", book, http)
            token = mint()
            for _ in range(3):
                assert (await edge.ask(f"/t/{token}/vod/title/v/1.m4s"))[2] == SEGMENT
            given = app[LANE].counts.routes["segment"].requests
    assert book.asked == []
    assert book.told == []
    assert given >= 1
