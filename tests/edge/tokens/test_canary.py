from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest
import structlog
from aiohttp import ClientSession, TCPConnector
from aiohttp.web import Request
from multidict import CIMultiDict
from redis.asyncio import Redis
from yarl import URL

from config.runtime.logging import setup_logging
from config.settings.load import Settings
from config.settings.shared import LogSettings, RedisSettings
from tests.edge.carry.hosts import Server, recording
from tests.edge.client import MASTER, MPD, SEGMENT, Client
from tests.edge.processes.harness import Edge, running, until
from tests.edge.tokens import canaries
from tests.edge.tokens.canaries import PUBLIC_URL, Canary, SignedLink

Mint = Callable[..., str]

MANIFESTS = ("/web/hls/master.m3u8", "/web/hls/v.m3u8", "/files/hls/list.mpd", "/s3/hls/v.m3u8")
SEGMENTS = ("/web/hls/1.m4s", "/files/hls/1.m4s", "/s3/hls/1.m4s")
ENTRIES = {
    "redirect": (*MANIFESTS, *SEGMENTS),
    "in-place": (MANIFESTS[0], SEGMENTS[0]),
    "cookie": (MANIFESTS[0], SEGMENTS[0]),
}
FAILING = (
    "/web/hls/none.m4s",
    "/web/hls/none.m3u8",
    "/down/1.m4s",
    "/down/v.m3u8",
    "/nowhere/1.m4s",
    "/web/moved.m4s",
)


@dataclass
class Found:
    """What may hold no token: texts by where they come from."""

    texts: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, text: str | bytes) -> None:
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        self.texts[where] = self.texts.get(where, b"") + data + b"\n"

    def holding(self, secrets: set[str]) -> dict[str, str]:
        """Where which secret stands, with what is around it."""
        found = {}
        for where, text in self.texts.items():
            for secret in sorted(secrets):
                at = text.find(secret.encode())
                if at >= 0:
                    found[f"{where}: {secret}"] = repr(text[max(0, at - 200) : at + 100])
        return found


class Viewer:
    """Asks an edge, and notes every token that it is given and every answer that must hold none."""

    def __init__(self, session: ClientSession, edge: Edge, found: Found, name: str) -> None:
        self._session = session
        self._edge = edge
        self._found = found
        self._name = name
        self.place = ""  # of the last answer
        self.body = b""
        self.given: set[str] = set()
        self.statuses: set[int] = set()
        self.policies: set[str | None] = set()

    async def ask(self, target: str, *, method: str = "GET", **headers: str) -> int:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        for _ in range(4):
            answer = await self._once(target, method, fields)
            if answer[0] not in (302, 307):
                return answer[0]
            target = answer[1]["Location"]
        raise AssertionError(target)

    async def play(self, target: str, **headers: str) -> None:
        """A playlist, and all that it leads to."""
        await self.ask(target, **headers)
        place, lines = self.place, self.body.decode().splitlines()
        for line in lines if lines[0] == "#EXTM3U" else ():
            if line and not line.startswith("#"):
                leads_to = urljoin(PUBLIC_URL + place, line)
                await self.ask(leads_to.removeprefix(PUBLIC_URL), **headers)

    async def _once(
        self, target: str, method: str, fields: dict[str, str]
    ) -> tuple[int, CIMultiDict[str]]:
        url = URL(self._edge.url + target, encoded=True)
        async with self._session.request(
            method, url, headers=fields, allow_redirects=False
        ) as answer:
            status, headers, body = answer.status, CIMultiDict(answer.headers), await answer.read()
        self.place, self.body = target, body
        self.statuses.add(status)
        self.policies.add(headers.get("Referrer-Policy"))
        location = headers.popall("Location", [])
        for text in location:
            self.given |= {text.split("/")[2]} if text.startswith("/t/") else set()
        for text in headers.popall("Set-Cookie", []) + headers.popall(
            "CTA-Common-Access-Token", []
        ):
            self.given.add(text.partition(";")[0].rpartition("=")[2])
        self._found.add(f"fields of answers of {self._name}", repr(headers))
        # A manifest may lead on with the viewer's own token; nothing else may repeat it.
        if status >= 300 or ("mpegurl" not in (kind := answer.content_type) and "dash" not in kind):
            self._found.add(f"bodies of {self._name}", body[:4096])
        return status, CIMultiDict({"Location": location[0]} if location else {})


def requests_of(canary: Canary, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """One address with a token in every place."""
    token = canary.text
    yield f"/t/{token}{path}", {}
    yield f"/t/{token}/f/height:..720{path}", {}
    yield f"{path}?token={token}", {}
    yield f"{path}?a=b&URISigningPackage={token}&c=d", {}
    yield f"{path}?CTA-Common-Access-Token={token}", {}
    yield f"{path}?CAT={token}", {}
    yield f"{path};URISigningPackage={token}", {}
    yield f"/{path.split('/')[1]};URISigningPackage={token}/{path.split('/', 2)[2]}", {}
    yield path, {"Authorization": f"Bearer {token}"}
    yield path, {"CTA_Common_Access_Token": token}
    for name in ("kawa_token", "URISigningPackage", "CTA-Common-Access-Token"):
        yield path, {"Cookie": f"a=b; {name}={token}; c=d"}


async def use(viewer: Viewer, canary: Canary, paths: Iterable[str]) -> None:
    """Ask for everything, in every way."""
    token = canary.text
    for path in paths:
        for target, headers in requests_of(canary, path):
            await viewer.ask(target, **headers)
    for path in FAILING:
        await viewer.ask(path)
        await viewer.ask(f"/t/{token}{path}")
        await viewer.ask(f"{path}?token={token}")
    await viewer.play(f"/t/{token}/web/hls/v.m3u8")
    await viewer.play("/web/hls/v.m3u8", Authorization=f"Bearer {token}")
    await viewer.play(f"/web/hls/v.m3u8?token={token}", Cookie=f"kawa_token={token}")
    for target, headers in requests_of(canary, "/files/hls/key/m1.0"):
        await viewer.ask(target, **headers)
    await viewer.ask(f"/t/{token}/files/hls/key/m9.0")
    await viewer.ask(f"/t/{token}/files/hls/key/license", method="POST")
    segment = f"/t/{token}/web/hls/1.m4s"
    await viewer.ask(segment, Range="bytes=0-9")
    await viewer.ask(segment, Range="bytes=99999999-")
    await viewer.ask(segment, method="HEAD")
    await viewer.ask(segment, method="OPTIONS")
    await viewer.ask(segment, method="POST")
    said = quote(f'nor="/t/{token}/web/hls/2.m4s",sid="a viewer",cid="{token}"')
    await viewer.ask(f"{segment}?CMCD={said}")
    await viewer.ask(
        segment,
        CMCD_Request=f'nor="..%2F2.m4s?token={token}"',
        Referer=f"{PUBLIC_URL}/t/{token}/web/hls/master.m3u8",
        Origin="https://page.example",
        User_Agent=f"player token={token}",
        X_Forwarded_For=token,
        If_None_Match=f'"{token}"',
    )
    for target in (
        f"/t/{token}",
        f"/t/{token}/",
        f"/t/{token}//web/hls/1.m4s",
        f"/t/{token}/web/%2e%2e/%2fetc/passwd",
        f"/t/{token}/f/no-such-filter:1/web/hls/v.m3u8",
        f"/t/{token}/web/hls/v.m3u8?_HLS_msn=x",
        f"/t/{token}/x/web/bm90IGNhcnJpZWQ/1.ts",
        f"/player/?token={token}",
        f"/t/{token}/files/hls/1.key?x=/t/{token}/",
    ):
        await viewer.ask(target)


async def malformed(edge: Edge, token: str) -> list[bytes]:
    """What the edge says to requests that are none."""
    path = f"/t/{token}/web/hls/1.m4s"
    answers = []
    for head in (
        f"GET {path} HTTP/3.9\r\nHost: a",
        f"GET {path} x HTTP/1.1\r\nHost: a",
        f"GET {path} HTTP/1.1\r\nHost: a\r\nBad Name: Bearer {token}",
        f"GET {path} HTTP/1.1\r\nHost: a\r\nCookie\x01: kawa_token={token}",
        f"GET {path} HTTP/1.1\r\nHost: {token}\x7f{token}",
        f"G\xe9T {path} HTTP/1.1\r\nHost: a",
        f"GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        f"GET {path}{token * 40} HTTP/1.1\r\nHost: a",
        f"GET http://{token}@a{path} HTTP/1.1\r\nHost: a",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(10):
            answers.append(await reader.read())
        writer.close()
    return answers


async def ask_links(viewer: Viewer, path: str) -> list[SignedLink]:
    asked = []
    for link in canaries.links(path):
        cookie = {"Cookie": link.cookie} if link.cookie else {}
        status = await viewer.ask(link.target, **cookie)
        assert status == (403 if "bad" in link.name else 200), link.name
        await viewer.ask(link.target.replace("1.m4s", "none.m4s"), **cookie)
        await viewer.ask(link.target.replace(path, "/nowhere/1.m4s"), **cookie)
        asked.append(link)
    return asked


async def operate(edge: Edge, found: Found, tokens: list[Canary]) -> None:
    """What operators do with an edge, with tokens in what they write."""
    for canary in tokens:
        for target in (f"/t/{canary.text}/web/hls/1.m4s", f"/web/hls/v.m3u8?token={canary.text}"):
            for base in (PUBLIC_URL, ""):
                order = {"kind": "url", "value": base + target}
                status, said = await edge.order("/cache/purge", body=order)
                assert said["value"] in ("web/hls/1.m4s", "web/hls/v.m3u8"), status
                found.add("answer to a purge", str(said))
    status, said = await edge.order("/revoke", body={"session": "of-good", "reason": "canary"})
    assert status == 200
    found.add("answer to a revocation", json.dumps(said))
    async with ClientSession() as session:
        for path in ("/metrics", "/healthz?verbose", "/cache/stats", "/revocations?kind=session"):
            async with session.get(edge.admin + path) as answer:
                found.add(path, await answer.text())


async def everything_in(client: Redis) -> AsyncIterator[tuple[bytes, bytes]]:
    async for key in client.scan_iter():
        kind = await client.type(key)
        match kind:
            case b"string":
                value: Any = await client.get(key)
            case b"hash":
                value = await client.hgetall(key)
            case b"stream":
                value = await client.xrange(key)
            case b"set":
                value = await client.smembers(key)
            case b"zset":
                value = await client.zrange(key, 0, -1)
            case _:
                raise AssertionError(kind)
        yield key, repr(value).encode()


@pytest.fixture
async def web() -> AsyncIterator[Server]:
    async with recording() as server:
        yield server


@pytest.fixture
async def far() -> AsyncIterator[Server]:
    """A host that no origin covers."""
    async with recording() as server:
        yield server


def files_of(web: Server, far: Server, folder: Path) -> None:
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n" + "".join(
        f"#EXTINF:4,\n{name}\n" for name in ("1.m4s", "2.m4s", "3.m4s", f"{far.url}/far/1.ts")
    )
    for place in ("/hls", "/bucket/hls"):
        web.files |= {
            f"{place}/master.m3u8": MASTER.replace(b"v/media.m3u8", b"v.m3u8"),
            f"{place}/v.m3u8": playlist.encode(),
            f"{place}/v.m3u8?a=b&c=d": playlist.encode(),
        } | {f"{place}/{n}.m4s{q}": SEGMENT for n in (1, 2, 3) for q in ("", "?a=b&c=d")}
    web.moved["/moved.m4s"] = "/hls/1.m4s"
    far.files = {"/far/1.ts": SEGMENT}
    (folder / "hls").mkdir(parents=True)
    (folder / "hls" / "list.mpd").write_bytes(MPD)
    (folder / "hls" / "1.m4s").write_bytes(SEGMENT)


def settings_of(
    web: Server, settings: Settings, redis: RedisSettings, folder: Path
) -> dict[str, str]:
    assert redis.url is not None
    carrying = {"kind": "http", "url": web.url, "unlisted": "carry", "private": True}
    derived = {"kind": "derived", "masters": {"m1": "5a" * 32}}
    origins = {
        "web": carrying,
        "old": carrying,
        "down": {"kind": "http", "url": "http://127.0.0.1:9"},
        "files": {"kind": "folder", "folder": str(folder / "files"), "content_keys": derived},
        "s3": {"kind": "s3", "bucket": "bucket", "endpoint": web.url, "path_style": True,
               "access_key": "an-access-key", "secret_key": "a-secret-key"},
    }  # fmt: skip
    return {
        "KAWA_TOKENS__KEYS_FILE": str(settings.keys_file),
        "KAWA_REDIS__URL": redis.url.get_secret_value(),
        "KAWA_EDGE__ORIGINS": json.dumps(origins),
        "KAWA_TOKENS__SIGNERS": json.dumps(canaries.signers(folder / "signers")),
        "KAWA_EDGE__CACHE__MEMORY_BYTES": str(2**20),
        "KAWA_EDGE__PUBLIC_URL": PUBLIC_URL,
        "KAWA_EDGE__ACCESS_LOG_HITS": "1",
        "KAWA_LOG__LEVEL": "debug",
    }


async def replace_a_worker(edge: Edge) -> None:
    """A worker falls, and another one takes its place."""
    before = edge.workers()
    os.kill(before[0], signal.SIGABRT)

    async def replaced() -> bool:
        now = edge.workers()
        return len(now) == len(before) and before[0] not in now

    await until(replaced)


async def test_a_token_is_found_nowhere(
    settings: Settings,
    key_set: object,
    redis_settings: RedisSettings,
    tmp_path: Path,
    web: Server,
    far: Server,
    mint: Mint,
) -> None:
    del key_set
    files_of(web, far, tmp_path / "files")
    env = settings_of(web, settings, redis_settings, tmp_path)
    tokens = canaries.tokens(mint)
    found = Found()
    secrets: set[str] = set()
    viewers: list[Viewer] = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            ClientSession(connector=TCPConnector(force_close=True))
        )
        for entry, paths in ENTRIES.items():
            edge = await stack.enter_async_context(
                running(
                    settings.model_copy(update={"var_dir": settings.var_dir / entry}),
                    workers=2 if entry == "redirect" else 1,
                    admin=None,
                    log_name="edge.log",
                    **env,
                    KAWA_EDGE__ENTRY=entry,
                    KAWA_EDGE__CACHE__FOLDER=str(settings.var_dir / entry / "cache"),
                )
            )
            viewer = Viewer(session, edge, found, entry)
            viewers.append(viewer)
            if entry == "redirect":
                status, _ = await edge.order("/revoke", body={"session": "of-revoked"})
                assert status == 200
            for canary in tokens:
                await use(viewer, canary, paths)
            for path in ("/web/hls/1.m4s", "/web/hls/v.m3u8"):
                secrets |= {link.secret for link in await ask_links(viewer, path)}
            found.add("answers to nonsense", b"".join(await malformed(edge, tokens[0].text)))
            if entry == "redirect":
                await replace_a_worker(edge)
            await operate(edge, found, tokens)
        client = await stack.enter_async_context(Redis.from_url(env["KAWA_REDIS__URL"]))
        async for key, value in everything_in(client):
            found.add(f"Redis {key!r}", key + b" " + value)
    for server, name in ((web, "origin"), (far, "carried host")):
        found.add(f"requests of the {name}", "\n".join(server.asked))
        found.add(f"fields that the {name} got", "\n".join(map(repr, server.headers)))
    for file in settings.var_dir.rglob("*"):
        where = str(file.relative_to(settings.var_dir))
        found.add("names of files", where)
        if file.is_file() and file != settings.keys_file:
            found.add(where, file.read_bytes())

    given = {token for viewer in viewers for token in viewer.given}
    for token in (*(canary.text for canary in tokens), *given):
        secrets |= set(canaries.pieces(token))
    assert found.holding(secrets) == {}

    # It was there to be found.
    assert len(given) > 20
    assert {200, 206, 307, 400, 401, 403, 404, 405, 416, 502} <= viewers[0].statuses
    assert viewers[0].policies == {"no-referrer"}
    assert "/hls/2.m4s" in web.asked  # which is nothing that anybody asked the edge for
    assert "/bucket/hls/1.m4s" in web.asked
    assert far.asked
    places = sorted(found.texts)
    for entry in ENTRIES:
        log = found.texts[f"{entry}/edge.log"]
        assert log.count(b'"path": "/t/***/') > 100
        assert any(place.startswith(f"{entry}/cache/") for place in places)
    assert b'edge_content_keys_total{kind="aes-128",result="given"}' in found.texts["/metrics"]
    assert b"worker ended" in found.texts["redirect/edge.log"]
    assert any("revo" in place and place.startswith("Redis") for place in places), places


@contextmanager
def logged() -> Iterator[StringIO]:
    """What is logged inside the block, as a program writes it."""
    root, stream = logging.getLogger(), StringIO()
    handlers, level = root.handlers[:], root.level
    try:
        with redirect_stderr(stream):
            setup_logging(LogSettings(level="debug"), program="edge")
        yield stream
        root.handlers[0].flush()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


async def test_a_failure_of_our_own_shows_no_token(
    client: Client, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(request: Request, *_: object) -> None:
        raise RuntimeError(f"no {request.raw_path}, {dict(request.headers)}, {request.cookies}")

    monkeypatch.setattr("edge.handlers.media.segment", fail)
    with logged() as log:
        for canary in canaries.tokens(mint):
            for target, headers in requests_of(canary, "/vod/title/v/1.m4s"):
                _, _, body = await client.ask(target, **headers)
                assert not [
                    piece for piece in canaries.pieces(canary.text) if piece in body.decode()
                ]
    text = log.getvalue()

    assert text.count("RuntimeError: no /") > 20
    for canary in canaries.tokens(mint):
        assert not [piece for piece in canaries.pieces(canary.text) if piece in text]
