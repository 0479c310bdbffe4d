"""A live stream whose every segment says in its name what it is, and an origin that lists it as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SECONDS = 2
PARTS = 4  # of one segment


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Segments by number; ``breaks`` are runs of ads, first and last."""

    breaks: tuple[tuple[int, int], ...] = ()
    window: int = 12
    marked: frozenset[str] = frozenset({"v0", "v1"})  # renditions that say where breaks are

    def is_ad(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.breaks)

    def name(self, rendition: str, number: int) -> str:
        return f"{rendition}/{'ad' if self.is_ad(number) else 'c'}{number}.ts"

    def playlist(self, rendition: str, last: int, *, parts: int | None = None) -> bytes:
        """The window that ends with ``last``, and for low latency with so many parts behind it."""
        first = max(0, last - self.window + 1)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{SECONDS}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._seams(first)}",
        ]
        if parts is not None:
            lines += [
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5",
                f"#EXT-X-PART-INF:PART-TARGET={SECONDS / PARTS}",
            ]
        for number in range(first, last + 1):
            lines += self._before(rendition, number, is_first=number == first)
            if parts is not None and number > last - 2:
                lines += [self._part(rendition, number, part) for part in range(PARTS)]
            lines += [f"#EXTINF:{SECONDS},", self.name(rendition, number)]
        if parts is not None:
            lines += self._before(rendition, last + 1, is_first=False)
            lines += [self._part(rendition, last + 1, part) for part in range(parts)]
            other = "v1" if rendition == "v0" else "v0"
            hint = self.name(rendition, last + 1).replace(".ts", f".p{parts}.ts")
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hint}"')
            newest = (last + 1, parts - 1) if parts else (last, PARTS - 1)
            report = f"LAST-MSN={newest[0]},LAST-PART={newest[1]}"
            lines.append(f'#EXT-X-RENDITION-REPORT:URI="{other}.m3u8",{report}')
        return ("\n".join(lines) + "\n").encode()

    def _seams(self, before: int) -> int:
        """How many discontinuities lie before a number: one at each end of a break."""
        return sum((first < before) + (last + 1 < before) for first, last in self.breaks)

    def _before(self, rendition: str, number: int, *, is_first: bool) -> list[str]:
        lines: list[str] = []
        for first, last in self.breaks:
            if number in (first, last + 1) and number:
                lines.append("#EXT-X-DISCONTINUITY")
            if rendition in self.marked and number == first:
                lines.append(f"#EXT-X-CUE-OUT:{(last - first + 1) * SECONDS}")
            elif rendition in self.marked and first < number <= last:
                gone = (number - first) * SECONDS
                whole = (last - first + 1) * SECONDS
                lines.append(f"#EXT-X-CUE-OUT-CONT:ElapsedTime={gone},Duration={whole}")
            elif rendition in self.marked and number == last + 1:
                lines.append("#EXT-X-CUE-IN")
        moment = BEGAN + timedelta(seconds=number * SECONDS)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [*lines, f"#EXT-X-PROGRAM-DATE-TIME:{stamp}"]

    def _part(self, rendition: str, number: int, part: int) -> str:
        uri = self.name(rendition, number).replace(".ts", f".p{part}.ts")
        return f'#EXT-X-PART:DURATION={SECONDS / PARTS},URI="{uri}"'


MASTER = (
    b"#EXTM3U\n"
    b'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="A",DEFAULT=YES,AUTOSELECT=YES,URI="a0.m3u8"\n'
    b'#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"\n'
    b"v0.m3u8\n"
    b'#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"\n'
    b"v1.m3u8\n"
)


@dataclass
class LiveOrigin:
    """Lists what it is told to; holds requests back for what it does not have yet."""

    stream: Stream
    url: str = ""
    low_latency: bool = False
    at: tuple[int, int] = (0, 0)  # the last whole segment, and the parts behind it
    asked: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # in place of what is made
    gone: set[str] = field(default_factory=set)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def go(self, last: int, parts: int = 0) -> None:
        """List up to there from now on."""
        async with self._moved:
            self.at = (last, parts)
            self._moved.notify_all()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        path = request.path
        if path in self.gone:
            return web.Response(status=404)
        body = self.files.get(path)
        if body is None and path == "/live/master.m3u8":
            body = MASTER
        elif body is None and path.endswith(".m3u8"):
            if self.low_latency and "_HLS_msn" in request.query:
                await self._until(request)
            last, parts = self.at
            rendition = path.removeprefix("/live/").removesuffix(".m3u8")
            body = self.stream.playlist(rendition, last, parts=parts if self.low_latency else None)
        return web.Response(
            body=body or b"", headers={"Cache-Control": "max-age=0"}, status=200 if body else 404
        )

    async def _until(self, request: web.Request) -> None:
        msn = int(request.query["_HLS_msn"])
        part = int(request.query.get("_HLS_part", PARTS - 1))
        wanted = msn * PARTS + part + 1
        async with self._moved:
            await self._moved.wait_for(lambda: (self.at[0] + 1) * PARTS + self.at[1] >= wanted)


@asynccontextmanager
async def live_origin(stream: Stream, *, low_latency: bool = False) -> AsyncIterator[LiveOrigin]:
    """On a free port."""
    origin = LiveOrigin(stream, low_latency=low_latency)
    app = web.Application()
    app.router.add_get("/{path:.*}", origin.serve)
    async with TestServer(app) as server:
        origin.url = f"http://127.0.0.1:{server.port}"
        yield origin
