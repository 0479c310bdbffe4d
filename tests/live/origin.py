"""A live origin: two hosts that serve the same stream as HLS, low-latency HLS and DASH while it is being recorded."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

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
    ranges: list[tuple[str, str]] = field(default_factory=list)  # of which bytes were asked for
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
        add("/ranges/master.m3u8", self._master)
        add("/hls/{track}.m3u8", self._sliding)
        add("/{form:ll|ranges}/{track}.m3u8", self._low_latency)
        add("/break/{name}.m3u8", self._programme)
        add("/break/list.json", self._break)
        add("/dash/live.mpd", self._mpd)
        add("/clock", self._clock)
        add("/{form}/{track}/init.mp4", self._init)
        add("/{form}/{track}/{name}.m4s", self._media)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        if "Range" in request.headers:
            self.ranges.append((request.raw_path, request.headers["Range"]))
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
        ranges = request.match_info["form"] == "ranges"
        return _playlist(playlists.low_latency(self.media, track, now, self._zero, ranges=ranges))

    async def _programme(self, request: web.Request) -> web.Response:
        """A programme with two breaks, or one of the films that are shown in them."""
        track = self.media.tracks["small"]
        films = {"first": range(8, 10), "second": range(12, 14), "third": range(16, 18)}
        film = films.get(request.match_info["name"])
        if film is not None:
            return _playlist(playlists.recorded(track, film, self._zero))
        breaks = (
            playlists.interstitial(
                "listed", self._zero + timedelta(seconds=2), 'X-ASSET-LIST="list.json"'
            ),
            playlists.interstitial(
                "named",
                self._zero + timedelta(seconds=4),
                f'X-ASSET-URI="{self.other}/break/third.m3u8"',
            ),
        )
        return _playlist(playlists.recorded(track, range(6), self._zero, *breaks))

    async def _break(self, request: web.Request) -> web.Response:
        del request
        films = [
            {"URI": f"{self.other}/break/first.m3u8", "DURATION": 2.0},
            {"URI": f"{self.url}/break/second.m3u8", "DURATION": 2.0},
        ]
        return web.json_response({"ASSETS": films})

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
        elif request.match_info["form"] == "ranges":
            return await self._growing(request, track, int(number))
        else:
            if not playlists.end_of(track, self.clock.now()).has(int(number), None):
                raise web.HTTPNotFound
            data = track.segments[int(number)].whole.data
        return web.Response(body=data, content_type="video/mp4")

    async def _growing(self, request: web.Request, track: Track, number: int) -> web.Response:
        """A segment while it is being written: a range of it is there when the parts it lies in are."""
        if number > playlists.end_of(track, self.clock.now()).whole + 1:
            raise web.HTTPNotFound
        segment = track.segments[number]
        whole = segment.whole.data
        wanted = request.http_range
        start, stop = wanted.start or 0, wanted.stop
        ends = list(accumulate(len(part.data) for part in segment.parts))
        last = len(ends) - 1
        part = last if stop is None else min(bisect_left(ends, stop), last)
        await self._published(track, number, part)
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=whole, content_type="video/mp4")
        stop = len(whole) if stop is None else min(stop, len(whole))
        complete = playlists.end_of(track, self.clock.now()).has(number, None)
        total = str(len(whole)) if complete else "*"  # RFC 9110 section 14.4: not known yet
        return web.Response(
            status=206,
            body=whole[start:stop],
            content_type="video/mp4",
            headers={"Content-Range": f"bytes {start}-{stop - 1}/{total}"},
        )

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
