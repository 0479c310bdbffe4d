"""A live origin: two hosts that serve the same stream as HLS, low-latency HLS and DASH while it is being recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from tests.live import playlists
from tests.live.clocks import Clock
from tests.live.media import Media, Track

_HLS = "application/vnd.apple.mpegurl"
_LONGEST_WAIT_SECONDS = 6


@dataclass(slots=True, kw_only=True)
class LiveOrigin:
    """What it serves follows its clock; it notes who asks for what."""

    media: Media
    clock: Clock
    lag: float = (
        0.0  # how far plain playlist requests see the past, as a node behind a load balancer does
    )
    url: str = ""
    other: str = ""
    asked: list[str] = field(default_factory=list)
    _zero: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._zero = datetime.now(UTC) - timedelta(seconds=self.clock.now())

    def asked_for(self, *words: str) -> list[str]:
        """The requests whose target holds all of these."""
        return [target for target in self.asked if all(word in target for word in words)]

    def application(self) -> web.Application:
        """Both hosts serve everything."""
        app = web.Application(middlewares=[self._note])
        add = app.router.add_get
        add("/hls/master.m3u8", self._master)
        add("/ll/master.m3u8", self._master)
        add("/hls/{track}.m3u8", self._sliding)
        add("/ll/{track}.m3u8", self._low_latency)
        add("/dash/live.mpd", self._mpd)
        add("/clock", self._clock)
        add("/{form}/{track}/init.mp4", self._init)
        add("/{form}/{track}/{name}.m4s", self._media)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        return await handler(request)

    async def _master(self, request: web.Request) -> web.Response:
        folder = request.path.rpartition("/")[0]
        return _playlist(playlists.master(self.media, f"{self.other}{folder}/"), max_age=60)

    async def _sliding(self, request: web.Request) -> web.Response:
        track = self._track(request)
        return _playlist(playlists.sliding(track, self.clock.now() - self.lag, self._zero))

    async def _low_latency(self, request: web.Request) -> web.Response:
        track, lag = self._track(request), self.lag
        if "_HLS_msn" in request.query:
            part = request.query.get("_HLS_part")
            await self._published(
                track, int(request.query["_HLS_msn"]), None if part is None else int(part)
            )
            lag = 0.0
        now = self.clock.now() - lag
        return _playlist(playlists.low_latency(self.media, track, now, self._zero))

    async def _mpd(self, request: web.Request) -> web.Response:
        del request
        text = playlists.mpd(
            self.media,
            self.clock.now() - self.lag,
            self._zero,
            base=f"{self.other}/dash/",
            clock=f"{self.url}/clock",
        )
        return web.Response(
            text=text, content_type="application/dash+xml", headers={"Cache-Control": "no-cache"}
        )

    async def _clock(self, request: web.Request) -> web.Response:
        del request
        now = self._zero + timedelta(seconds=self.clock.now())
        return web.Response(text=now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    async def _init(self, request: web.Request) -> web.Response:
        return web.Response(body=self._track(request).init, content_type="video/mp4")

    async def _media(self, request: web.Request) -> web.Response:
        track = self._track(request)
        number, dot, part = request.match_info["name"].partition(".")
        if dot:  # a part may be asked for as soon as it is hinted at
            await self._published(track, int(number), int(part))
            data = track.segments[int(number)].parts[int(part)].data
        else:
            if not playlists.end_of(track, self.clock.now()).has(int(number), None):
                raise web.HTTPNotFound
            data = track.segments[int(number)].whole.data
        return web.Response(body=data, content_type="video/mp4")

    async def _published(self, track: Track, number: int, part: int | None) -> None:
        """Hold a request back until what it is about is there (RFC 8216bis section 6.2.5.2)."""
        if number > playlists.end_of(track, self.clock.now()).whole + 1:
            raise web.HTTPBadRequest
        if number + 1 >= len(track.segments):
            raise web.HTTPServiceUnavailable  # the recording is over
        if part is not None and part >= len(track.segments[number].parts):
            number, part = number + 1, 0
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self.clock.reached(playlists.published_at(track, number, part))
        except TimeoutError:
            raise web.HTTPServiceUnavailable from None

    def _track(self, request: web.Request) -> Track:
        try:
            return self.media.tracks[request.match_info["track"]]
        except KeyError:
            raise web.HTTPNotFound from None


@asynccontextmanager
async def live_origin(media: Media, clock: Clock) -> AsyncIterator[LiveOrigin]:
    """An origin on two free ports."""
    origin = LiveOrigin(media=media, clock=clock)
    async with TestServer(origin.application()) as one, TestServer(origin.application()) as two:
        origin.url = f"http://127.0.0.1:{one.port}"
        origin.other = f"http://127.0.0.1:{two.port}"
        yield origin


def _playlist(text: str, *, max_age: int = 0) -> web.Response:
    control = f"max-age={max_age}" if max_age else "no-cache"
    return web.Response(text=text, content_type=_HLS, headers={"Cache-Control": control})
