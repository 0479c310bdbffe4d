from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

from catalog.media.signing import FileSigner
from config.contracts.tokens import PlaybackClaims
from config.runtime.key_rotation import replace_now, rotate
from config.runtime.keys import make_key_file
from config.settings.load import Settings
from tests.edge.processes.harness import Edge, running, until
from tests.edge.tokens.keys.publishing import Publisher

MASTER = "vod/title/master.m3u8"
DAY = 86400


def signed(signer: FileSigner) -> str:
    now = int(time.time())
    claims = PlaybackClaims(
        subject="user:1",
        session="session-1",
        path_prefixes=("/vod/title/",),
        issued_at=now,
        expires_at=now + 600,
    )
    return signer.sign(claims)


def visitors() -> ClientSession:
    """Each request on a connection of its own, so that every worker has some."""
    return ClientSession(connector=TCPConnector(force_close=True))


async def status_of(session: ClientSession, edge: Edge, token: str) -> int:
    async with session.get(f"{edge.url}/t/{token}/{MASTER}") as answer:
        return answer.status


async def test_nobody_is_refused_while_keys_are_rotated_under_a_running_catalog_and_edge(
    settings: Settings, title: Path
) -> None:
    assert (title / "master.m3u8").exists()
    make_key_file(settings.keys_file)
    signer = FileSigner(settings.keys_file)
    async with running(settings, workers=2) as edge, visitors() as session:
        first = signed(signer)
        kids: set[str] = set()
        for step in range(60):
            if step in (10, 30):
                # Nothing is published ahead here: the key signs at once, and each worker must look for it.
                done = rotate(
                    settings.keys_file, publish_seconds=0, overlap_seconds=8 * DAY, now=time.time()
                )
                kids.add(done.key_id)
            tokens = [signed(signer) for _ in range(4)] + [first]
            statuses = await asyncio.gather(*(status_of(session, edge, token) for token in tokens))
            assert statuses == [200] * 5

    assert len(kids) == 2


async def test_a_key_in_wrong_hands_opens_nothing_a_few_seconds_later(
    settings: Settings, title: Path
) -> None:
    assert (title / "master.m3u8").exists()
    make_key_file(settings.keys_file)
    signer = FileSigner(settings.keys_file)
    async with running(settings, workers=2) as edge, visitors() as session:
        stolen = signed(signer)
        for _ in range(8):  # whichever worker answers remembers it
            assert await status_of(session, edge, stolen) == 200

        replace_now(settings.keys_file, now=time.time())

        assert await status_of(session, edge, signed(signer)) == 200

        await until(lambda: _all(session, edge, stolen, 403), seconds=6)


async def test_an_edge_without_a_key_file_takes_the_keys_that_are_published(
    settings: Settings, title: Path, tmp_path: Path
) -> None:
    assert (title / "master.m3u8").exists()
    path = tmp_path / "catalog" / "keys.json"
    make_key_file(path)
    signer = FileSigner(path)
    publisher = Publisher()

    async def publish(_: web.Request) -> web.StreamResponse:
        return web.json_response(signer.published(), content_type="application/jwk-set+json")

    publisher.answer = publish
    await publisher.start()
    try:
        async with (
            running(settings, workers=2, KAWA_TOKENS__JWKS_URL=publisher.url) as edge,
            visitors() as session,
        ):
            stolen = signed(signer)
            for _ in range(8):
                assert await status_of(session, edge, stolen) == 200

            replace_now(path, now=time.time())

            # Whichever worker a new token comes to looks for its key, and lets go of the old one.
            async def changed() -> bool:
                tokens = [signed(signer) for _ in range(8)]
                assert {await status_of(session, edge, token) for token in tokens} == {200}
                return await _all(session, edge, stolen, 403)

            await until(changed)
    finally:
        await publisher.server.close()


async def _all(session: ClientSession, edge: Edge, token: str, status: int) -> bool:
    return {await status_of(session, edge, token) for _ in range(8)} == {status}
