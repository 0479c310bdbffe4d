"""Scan and rewrite of HLS media playlists, beside PyPI m3u8 loading and dumping the same in the same run."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import m3u8

from edge.manifests.context import Context
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.uris import OriginMap

ROUNDS = 9
START = datetime(2026, 1, 1, tzinfo=UTC)
SEGMENTS = (240, 6000)
# What has to be done with the URIs of the playlist.
FRONTS = {
    "relative, nothing to rewrite": "",
    "relative with a folder, nothing to rewrite": "1080p/",
    "absolute, own folder": "https://cdn.example.com/live/channel/1080p/",
    "absolute, another origin": "https://media.example.net/live/channel/1080p/",
    "rooted": "/live/other/1080p/",
}
CONTEXT = Context(
    base="https://cdn.example.com/live/channel/1080p/index.m3u8",
    origins=OriginMap(
        (("live", "https://cdn.example.com/live/"), ("media", "https://media.example.net/"))
    ),
    origin="live",
    path="channel/1080p/index.m3u8",
)


async def main() -> None:
    """Measure in turns, so that a noisy moment hits both, and print the median of the ratios."""
    for count in SEGMENTS:
        for what, front in FRONTS.items():
            data = playlist(count, front)
            text = data.decode()
            assert rewrite(data, CONTEXT).output.count(b"\n") == data.count(b"\n")
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(seconds(partial(rewrite, data, CONTEXT), 12_000 // count))
                theirs.append(seconds(partial(load_and_dump, text), 480 // count or 1))
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            print(
                f"{count} segments, {what}: {ratio:.0f} x m3u8"
                f" ({statistics.median(ours) * 1e3:.3f} ms, {statistics.median(theirs) * 1e3:.1f} ms)"
            )


def load_and_dump(text: str) -> str:
    """The same playlist through objects."""
    return str(m3u8.loads(text).dumps())


def playlist(count: int, front: str) -> bytes:
    """A live playlist with a date every ten segments."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:6", "#EXT-X-MEDIA-SEQUENCE:100"]
    for number in range(count):
        if number % 10 == 0:
            at = START + timedelta(seconds=number * 6.006)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds')}")
        lines += ("#EXTINF:6.006,", f"{front}segment_{100 + number:06}.ts")
    return "\n".join([*lines, ""]).encode()


def seconds(work: Callable[[], object], times: int) -> float:
    """Of one call, over several."""
    gc.collect()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times
