"""What clients counted and what PostgreSQL says, over the whole system, with its programs killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import m3u8
from aiohttp import ClientSession

from config.launch.catalog_client import CatalogClient, CatalogRefused, logged_in
from tests.acceptance.running import Kawa

STREAMS = "/api/v1/media/streams"
MINE = "/api/v1/accounts/users/me/streams?limit=50"


class Viewer:
    """Fetches what a player would, and counts for itself."""

    def __init__(self, session: ClientSession, manifest: str) -> None:
        self._session = session
        self.manifest = manifest
        self.bytes = 0
        self.requests = 0

    async def get(self, url: str) -> bytes:
        async with self._session.get(url) as answer:
            assert answer.status == 200, (url.rpartition("/")[2], answer.status)
            body = await answer.read()
        self.bytes += len(body)
        self.requests += 1
        return body

    async def watch(self) -> None:
        """The whole of each rendition, once."""
        master = m3u8.loads((await self.get(self.manifest)).decode(), uri=self.manifest)
        for child in (*master.playlists, *master.media):
            text = (await self.get(child.absolute_uri)).decode()
            playlist = m3u8.loads(text, uri=child.absolute_uri)
            for part in playlist.segments:
                await self.get(part.absolute_uri)

    async def stop(self) -> None:
        url = self.manifest.rpartition("/")[0] + "/_kawa_session?stop"
        async with self._session.post(url) as answer:
            assert answer.status == 204


def client_of(kawa: Kawa) -> Any:
    password = (Path(kawa.env["KAWA_VAR_DIR"]) / "secrets" / "admin-password").read_text()
    return logged_in(kawa.catalog, login="admin", password=password)


async def until_stored(client: CatalogClient, wanted: dict[str, Viewer]) -> list[dict[str, Any]]:
    """The rows of these streams, once they say what the viewers say."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        async with asyncio.timeout(60):
            while True:
                found = (await client._get(MINE))["data"]
                rows = {row["id"]: row for row in found if row["id"] in wanted}
                if all(
                    id in rows
                    and (rows[id]["bytes"], rows[id]["requests"]) == (one.bytes, one.requests)
                    and rows[id]["reason"] == "stop"
                    for id, one in wanted.items()
                ):
                    return list(rows.values())
                await asyncio.sleep(0.1)
    except TimeoutError:
        counted = {id: (one.bytes, one.requests) for id, one in wanted.items()}
        raise AssertionError(f"clients counted {counted}, stored are {rows}") from None


async def until_it_answers(client: CatalogClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await client._get(MINE)
                return
            except (CatalogRefused, OSError):
                await asyncio.sleep(0.1)


async def test_postgresql_says_what_clients_counted_also_over_a_killed_catalog(
    kawa: Kawa, published: dict[str, Any]
) -> None:
    as_they_are = {"Accept-Encoding": "identity"}  # what comes is what is counted
    async with client_of(kawa) as client, ClientSession(headers=as_they_are) as session:
        viewers: dict[str, Viewer] = {}
        for _ in range(2):
            stream = await client._post(STREAMS, {"media_id": published["media_id"]})
            viewers[stream["id"]] = Viewer(session, stream["hls"])
        first, second = viewers.values()
        await first.watch()
        os.kill(kawa.program("catalog"), signal.SIGKILL)
        await asyncio.gather(first.watch(), second.watch())
        await asyncio.gather(first.stop(), second.stop())
        await until_it_answers(client)
        rows = await until_stored(client, viewers)
        assert {row["device"] for row in rows} == {"other"}
        assert all(row["stalls"] == 0 and not row["is_playing"] for row in rows)
