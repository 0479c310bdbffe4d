from __future__ import annotations

from pathlib import Path

from aiohttp import ClientSession
from yarl import URL

from config.settings.load import Settings
from tests.edge.carry.hosts import recording
from tests.edge.processes.harness import Edge, Mint, running


async def body_of(edge: Edge, path: str) -> tuple[int, bytes]:
    # A connection of its own each time, so that every worker gets some.
    url = URL(edge.url + path, encoded=True)
    async with ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read()


async def test_workers_sign_alike_fetch_once_and_forget_together(
    settings: Settings, title: Path, mint: Mint
) -> None:
    async with recording() as via, recording() as far:
        via.files["/m.m3u8"] = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n%s/1.ts\n" % (
            far.url.encode()
        )
        far.files["/1.ts"] = b"one"
        env = {
            "KAWA_EDGE__ORIGINS__WEB__KIND": "http",
            "KAWA_EDGE__ORIGINS__WEB__URL": via.url,
            "KAWA_EDGE__ORIGINS__WEB__PUBLIC": "true",
            "KAWA_EDGE__ORIGINS__WEB__UNLISTED": "carry",
            "KAWA_EDGE__ORIGINS__WEB__PRIVATE": "true",
        }
        async with running(settings, workers=2, admin=None, **env) as edge:
            manifests = {(await body_of(edge, "/web/m.m3u8"))[1] for _ in range(12)}
            assert len(manifests) == 1
            path = manifests.pop().decode().split()[-1].removeprefix("..")
            assert path.startswith("/x/web/")
            for _ in range(12):
                assert await body_of(edge, path) == (200, b"one")
            assert far.asked == ["/1.ts"]
            far.files["/1.ts"] = b"new"
            order = {"kind": "url", "value": edge.url + path}
            status, _ = await edge.order("/cache/purge", body=order)
            assert status == 200
            for _ in range(12):
                assert await body_of(edge, path) == (200, b"new")
            assert far.asked == ["/1.ts", "/1.ts"]
            status, _ = await edge.order("/restart")
            assert status == 200
            assert await body_of(edge, path) == (200, b"new")  # the signature is still good
