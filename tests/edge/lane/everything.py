"""An origin with an answer to everything, always the same one: bodies and manifests come from the path alone."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from aiohttp import web

from config.contracts.content_types import content_type_of

LAST_MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
LAST_MODIFIED_SECONDS = 1735689600
# Not earlier than any clock: an origin's second that is just over would count as age for one edge and not for the next.
DATE = "Sat, 01 Jan 2050 00:00:00 GMT"
PATIENCE_SECONDS = 20
_ABSENT = re.compile(r"none|missing|nowhere|absent|gone")
_MASTER = re.compile(r"master|main|index|multi")
_SPAN = re.compile(r"bytes=(\d*)-(\d*)\Z")


def body_of(path: str) -> bytes | None:
    """What lies under the path (no query); ``None`` for names that sound as if nothing did."""
    if _ABSENT.search(path):
        return None
    digest = hashlib.blake2b(path.encode(), digest_size=16).hexdigest()
    if path.endswith(".m3u8"):
        return (_master if _MASTER.search(path.rpartition("/")[2]) else _playlist)(digest)
    if path.endswith(".mpd"):
        return _mpd(digest)
    # 32 bytes to 128 KiB, and one in thirty-two 1 MiB: more than the kernel takes at once.
    number = int(digest[:8], 16)
    return digest.encode() * (2**15 if number % 32 == 0 else 1 + number % 4096)


def etag_of(path: str) -> str:
    """The validator of what lies under the path."""
    return f'"{hashlib.blake2b(path.encode(), digest_size=6).hexdigest()}"'


def _master(digest: str) -> bytes:
    return (
        "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",LANGUAGE="de",DEFAULT=YES,URI="de.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",LANGUAGE="en",URI="en.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"\n'
        f"low-{digest}.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"\n'
        f"high-{digest}.m3u8\n"
    ).encode()


def _playlist(digest: str) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:6", "#EXT-X-PLAYLIST-TYPE:VOD"]
    lines.append('#EXT-X-MAP:URI="init.mp4"')
    for number in range(60):
        lines += ["#EXTINF:6.0,", f"{digest}-{number}.m4s"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def _mpd(digest: str) -> bytes:
    return (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" minBufferTime="PT2S" '
        'mediaPresentationDuration="PT60S" profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period id="0">'
        '<AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$RepresentationID$/$Number$.m4s" '
        'initialization="$RepresentationID$/init.mp4" duration="6"/>'
        f'<Representation id="low-{digest}" bandwidth="800000" width="640" height="360" codecs="avc1.64001e"/>'
        f'<Representation id="high-{digest}" bandwidth="5000000" width="1920" height="1080" codecs="avc1.640028"/>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


async def _answer(request: web.BaseRequest) -> web.Response:
    answer = await _answer_without_date(request)
    answer.headers["Date"] = DATE
    return answer


async def _answer_without_date(request: web.BaseRequest) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        sent = await request.read()
        return web.Response(status=201, text=f"{request.method} {len(sent)}\n")
    body = body_of(request.path)
    if body is None:
        return web.Response(status=404, text="nothing here\n")
    headers = {
        "Cache-Control": "max-age=3600",
        "Content-Type": content_type_of(request.path),
        "ETag": etag_of(request.path),
        "Last-Modified": LAST_MODIFIED,
        "Accept-Ranges": "bytes",
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    span = _SPAN.match(request.headers.get("Range", ""))
    if span is None or span[0] == "bytes=-":
        return web.Response(body=body, headers=headers)
    first, last = span[1], span[2]
    start = int(first) if first else max(0, len(body) - int(last))
    stop = min(len(body), int(last) + 1 if first and last else len(body))
    if start >= stop:
        headers["Content-Range"] = f"bytes */{len(body)}"
        return web.Response(status=416, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    return web.Response(status=206, body=body[start:stop], headers=headers)


@contextmanager
def origin_of_everything() -> Iterator[int]:
    """Its port; it has a thread of its own."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(_answer, access_log=None), shutdown_timeout=1)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            started.set_result((int(runner.addresses[0][1]), asyncio.get_running_loop(), stop))
            await stop.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    port, loop, stop = started.result(PATIENCE_SECONDS)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
