"""Whose session a request belongs to, however its token came and whatever it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from tests.edge.client import MASTER, SEGMENT, Client
from tests.edge.sessions.worker.book import Book

Mint = Callable[..., str]

KEY = "a key of thirty-two characters!!"


@pytest.fixture
def book() -> Book:
    return Book()


@asynccontextmanager
async def serving(
    settings: Settings, key_set: KeySet, book: Book
) -> AsyncIterator[tuple[Client, web.Application]]:
    app = build_app(settings, key_set=key_set, registry=book)
    server = TestServer(app)
    async with server, ClientSession(connector=TCPConnector(force_close=True)) as http:
        yield Client(http, server), app


@pytest.mark.parametrize("carrier", ["path", "query", "header"])
async def test_however_the_token_comes(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint, book: Book, carrier: str
) -> None:
    async with serving(settings, key_set, book) as (client, app):
        token = mint()
        before = f"/t/{token}" if carrier == "path" else ""
        after = f"?token={token}" if carrier == "query" else ""
        fields = {"Authorization": f"Bearer {token}"} if carrier == "header" else {}
        assert (await client.ask(f"{before}/vod/title/v/1.m4s{after}", **fields))[2] == SEGMENT
        await app[keys.SESSIONS].tell()
    assert book.asked == [("session-1", True)]
    assert book.counted("session-1").bytes == len(SEGMENT)


async def test_the_edge_that_the_viewer_asks_counts_and_the_shield_does_not(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint, book: Book
) -> None:
    inner = Settings.model_validate(
        {
            "var_dir": settings.var_dir,
            "edge": {
                "origins": {"vod": {"kind": "storage", "prefix": "media"}},
                "shield_keys": [KEY],
            },
        }
    )
    behind = Book()
    async with TestServer(build_app(inner, key_set=key_set, registry=behind)) as shield:
        url = f"http://127.0.0.1:{shield.port}/vod"
        origin = {"kind": "http", "url": url, "shield_key": KEY}
        outer = Settings.model_validate(
            {"var_dir": settings.var_dir, "edge": {"origins": {"vod": origin}}}
        )
        async with serving(outer, key_set, book) as (client, app):
            token = mint()
            for path, body in (("master.m3u8", MASTER), ("v/1.m4s", SEGMENT)):
                assert (await client.ask(f"/t/{token}/vod/title/{path}"))[2] == body
            await app[keys.SESSIONS].tell()
    assert book.asked == [("session-1", False)]
    assert book.counted("session-1").bytes == len(MASTER) + len(SEGMENT)
    assert behind.asked == []


async def test_a_manifest_whose_name_does_not_say_so_is_refused_like_any(
    settings: Settings, key_set: KeySet, mint: Mint, book: Book
) -> None:
    async def playlist(_request: web.Request) -> web.Response:
        return web.Response(body=MASTER, content_type="application/vnd.apple.mpegurl")

    upstream = web.Application()
    upstream.router.add_get("/title/play", playlist)
    async with TestServer(upstream) as origin:
        named = {"kind": "http", "url": f"http://127.0.0.1:{origin.port}"}
        outer = Settings.model_validate(
            {"var_dir": settings.var_dir, "edge": {"origins": {"vod": named}}}
        )
        book.limit = 1
        async with serving(outer, key_set, book) as (client, _):
            statuses = [
                (await client.ask(f"/t/{mint(session=name)}/vod/title/play"))[0]
                for name in ("one", "two", "one")
            ]
    assert statuses == [200, 409, 200]


async def test_each_title_of_a_list_is_counted_by_itself(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint, book: Book
) -> None:
    other = title.parent / "other"
    other.mkdir()
    (other / "1.m4s").write_bytes(b"other")
    async with serving(settings, key_set, book) as (client, app):
        token = mint("/vod/title/", "/vod/other/")
        await client.ask(f"/t/{token}/vod/title/v/1.m4s")
        await client.ask(f"/t/{token}/vod/other/1.m4s")
        await app[keys.SESSIONS].tell()
    assert sorted(start.content for start in book.starts.values()) == ["/vod/other/", "/vod/title/"]
    sizes = {book.starts[name].content: book.counted(name).bytes for name in book.starts}
    assert sizes == {"/vod/title/": len(SEGMENT), "/vod/other/": 5}


async def test_a_start_tells_the_viewer_as_the_settings_allow_it(
    settings: Settings, title: Path, key_set: KeySet, mint: Mint, book: Book
) -> None:
    changed = settings.model_dump()
    changed["sessions"]["address"] = "prefix"
    changed["edge"]["trusted_proxies"] = ["127.0.0.0/8"]
    changed["edge"]["geo"]["country_header"] = "CF-IPCountry"
    async with serving(Settings.model_validate(changed), key_set, book) as (client, _):
        await client.ask(
            f"/t/{mint(stream_limit=2)}/vod/title/master.m3u8",
            User_Agent="AppleCoreMedia/1.0 (Apple TV; U)",
            X_Forwarded_For="198.51.100.7",
            CF_IPCountry="NZ",
        )
    start = book.starts["session-1"]
    assert (start.device, start.agent, start.country) == ("tv", "AVPlayer", "NZ")
    assert start.network == "198.51.100.0/24"
    assert (start.limit, start.subject, start.grant) == (2, "user:1", "session-1")
