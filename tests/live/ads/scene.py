"""An edge in front of the origin, which it knows by three names: untouched, without ads, and with gaps instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import ClientSession
from playwright.async_api import Browser

from tests.live.ads.browsers import Watcher, Watching, ready
from tests.live.ads.ffmpeg import decode
from tests.live.ads.origin import AdOrigin, ad_origin
from tests.live.ads.programme import Stock
from tests.live.ads.seen import Seen
from tests.player.real_edge import RealEdge, real_edge

Treated = Literal["plain", "strip", "gap"]
_TOKEN_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is needed to watch."""

    origin: AdOrigin
    edge: RealEdge
    folder: Path
    token: str

    def path(self, treated: Treated, target: str) -> str:
        """Where a viewer finds a stream of the origin's."""
        return f"/t/{self.token}/{treated}{target}"

    async def open(self, treated: Treated, folder: str) -> None:
        """Ask for all playlists of a stream, as the first of its viewers does."""
        async with ClientSession(self.edge.address) as session:
            for name in ("master", "picture", "sound"):
                async with session.get(self.path(treated, f"{folder}/{name}.m3u8")) as answer:
                    assert answer.status == 200, await answer.text()

    async def decode(
        self,
        treated: Treated,
        target: str,
        *options: str,
        pictures: int | None = None,
        mended: bool = False,
    ) -> Seen:
        """Let ffmpeg read a stream."""
        name = f"{treated}{target}".replace("/", "-")
        folder = self.folder / name
        folder.mkdir()
        url = self.edge.address + self.path(treated, target)
        return await decode(url, folder, *options, pictures=pictures, mended=mended)

    async def watch(self, browser: Browser, how: Watching, *, seconds: float = 60) -> Seen:
        """Let a player of a page of its own play a stream."""
        watcher = await self.ready(browser, how)
        try:
            return await watcher.watch(how, seconds=seconds)
        finally:
            await watcher.close()

    async def ready(self, browser: Browser, how: Watching) -> Watcher:
        """A page that is about to play."""
        return await ready(browser, self.edge.address, how.engine)


async def all_of(viewers: Mapping[str, Awaitable[Seen]]) -> dict[str, Seen]:
    """What each has seen, watching at the same time."""
    seen = await asyncio.gather(*viewers.values())
    return dict(zip(viewers, seen, strict=True))


@asynccontextmanager
async def ad_scene(stock: Stock, folder: Path) -> AsyncIterator[Scene]:
    """Everything is up inside the block."""
    async with ad_origin(stock) as origin:
        origins: dict[str, dict[str, Any]] = {
            name: {"kind": "http", "url": origin.url} for name in ("plain", "strip", "gap")
        }
        for policy in ("strip", "gap"):
            origins[policy] |= {"ads": policy, "ads_rules": ["scte35"]}
        async with real_edge(folder, origins) as edge:
            token = edge.mint(expires_at=int(time.time()) + _TOKEN_SECONDS, renew=None)
            yield Scene(origin=origin, edge=edge, folder=folder, token=token)
