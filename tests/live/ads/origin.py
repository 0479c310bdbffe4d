"""An origin of programmes with breaks: recorded ones, and a live one that goes on by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.live.ads import playlists
from tests.live.ads.mpd import MpdWriter
from tests.live.ads.playlists import FORMS, WINDOW, Listing, Writer
from tests.live.ads.programme import LEAD_SECONDS, LIVE, RECORDED, Stock
from tests.live.clocks import Clock, ManualClock
from tests.live.media import Track

_HLS = "application/vnd.apple.mpegurl"
LATE_SECONDS = 0.05  # seconds after its last picture a segment of sound may end
_LONGEST_WAIT_SECONDS = 6


@dataclass(slots=True, kw_only=True)
class AdOrigin:
    """Serves everything; ``clock`` says how much of the live programme has been on."""

    stock: Stock
    clock: Clock = field(default_factory=lambda: ManualClock(LEAD_SECONDS + 2 * LATE_SECONDS))
    url: str = ""
    asked: list[str] = field(default_factory=list)
    zero: datetime = field(init=False)
    _key: bytes = field(default_factory=lambda: os.urandom(16))

    def __post_init__(self) -> None:
        self.start(self.clock)

    def start(self, clock: Clock) -> None:
        """Let time pass by another clock."""
        self.clock = clock
        self.zero = datetime.now(UTC) - timedelta(seconds=clock.now())

    def asked_for(self, *words: str) -> list[str]:
        """The requests whose target holds all of these."""
        return [target for target in self.asked if all(word in target for word in words)]

    def application(self) -> web.Application:
        """All routes."""
        app = web.Application(middlewares=[self._note])
        add = app.router.add_get
        add("/{when:live|recorded}/{form:dash|clean-dash}/manifest.mpd", self._mpd)
        add("/{when:live|recorded}/{form}/master.m3u8", self._master)
        add("/{when:live|recorded}/{form}/{track}.m3u8", self._playlist)
        add("/clock", self._clock)
        add("/key", self._give_key)
        add("/media/{film}/{track}/init.mp4", self._init)
        add("/media/{film}/{track}/{number:\\d+}{part:(\\.\\d)?}.m4s", self._media)
        add("/sealed/{sequence:\\d+}/{film}/{track}/{number:\\d+}.m4s", self._sealed)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        return await handler(request)

    async def _master(self, request: web.Request) -> web.Response:
        del request
        return _uncached(playlists.master(self.stock), _HLS)

    async def _playlist(self, request: web.Request) -> web.Response:
        form, live = FORMS[request.match_info["form"]], request.match_info["when"] == "live"
        writer = Writer(
            self.stock, LIVE if live else RECORDED, form, request.match_info["track"], self.zero
        )
        if form.parts and live:
            await self._blocked(request)
        return _uncached(writer.write(self._listing(live=live)), _HLS)

    async def _mpd(self, request: web.Request) -> web.Response:
        live, clean = request.match_info["when"] == "live", request.match_info["form"] != "dash"
        writer = MpdWriter(self.stock, LIVE if live else RECORDED, self.zero, clean)
        return _uncached(writer.write(self._listing(live=live)), "application/dash+xml")

    def _listing(self, *, live: bool) -> Listing:
        if not live:
            return Listing(0, len(RECORDED.slots), ended=True)
        halves = int((self.clock.now() - LATE_SECONDS) * 2)
        # The last slot is never listed, so that there is always one that comes next.
        end = min(halves // 2, len(LIVE.slots) - 1)
        return Listing(max(0, end - WINDOW), end, parts=halves % 2)

    async def _blocked(self, request: web.Request) -> None:
        """Hold a request back until what it is about is there (RFC 8216bis section 6.2.5.2)."""
        if "_HLS_msn" not in request.query:
            return
        number = int(request.query["_HLS_msn"])
        part = request.query.get("_HLS_part")
        halves = number * 2 + (2 if part is None else int(part) + 1)
        if number > self._listing(live=True).end + 1:
            raise web.HTTPBadRequest
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self.clock.reached(halves / 2 + LATE_SECONDS + 0.001)
        except TimeoutError:
            raise web.HTTPServiceUnavailable from None

    async def _clock(self, request: web.Request) -> web.Response:
        del request
        now = self.zero + timedelta(seconds=self.clock.now())
        return web.Response(text=playlists.iso(now))

    async def _give_key(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self._key, content_type="application/octet-stream")

    async def _init(self, request: web.Request) -> web.Response:
        return web.Response(body=self._track(request).init, content_type="video/mp4")

    async def _media(self, request: web.Request) -> web.Response:
        segment = self._track(request).segments[int(request.match_info["number"])]
        part = request.match_info["part"].removeprefix(".")
        span = segment.parts[int(part)] if part else segment.whole
        return web.Response(body=span.data, content_type="video/mp4")

    async def _sealed(self, request: web.Request) -> web.Response:
        segment = self._track(request).segments[int(request.match_info["number"])]
        vector = int(request.match_info["sequence"]).to_bytes(16, "big")
        padder = padding.PKCS7(128).padder()
        padded = padder.update(segment.whole.data) + padder.finalize()
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(vector)).encryptor()
        body = encryptor.update(padded) + encryptor.finalize()
        return web.Response(body=body, content_type="video/mp4")

    def _track(self, request: web.Request) -> Track:
        return self.stock.film(request.match_info["film"]).tracks[request.match_info["track"]]


@asynccontextmanager
async def ad_origin(stock: Stock) -> AsyncIterator[AdOrigin]:
    """An origin on a free port; the live programme stands still until it is started."""
    origin = AdOrigin(stock=stock)
    async with TestServer(origin.application()) as server:
        origin.url = f"http://127.0.0.1:{server.port}"
        yield origin


def _uncached(text: str, kind: str) -> web.Response:
    return web.Response(text=text, content_type=kind, headers={"Cache-Control": "no-cache"})
