"""MPDs of 200 KB: scanned, checked and rewritten here, parsed and printed by mpegdash, in the same run."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.start import row
from edge.manifests.context import Context
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.limits import DEFAULT
from edge.manifests.uris import OriginMap

CONTEXT = Context(
    base="https://origin.example/live/channel/manifest.mpd",
    origins=OriginMap((("live", "https://origin.example/live/"), ("cdn", "https://cdn.example/"))),
    origin="live",
    path="channel/manifest.mpd",
)
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{}" '
    'minBufferTime="PT2S" profiles="urn:mpeg:dash:profile:isoff-live:2011">\n'
)


def live(size_bytes: int) -> bytes:
    """A window of audio and video with a SegmentTimeline each, behind an absolute BaseURL."""
    parts = [_HEAD.format("dynamic"), "  <BaseURL>https://cdn.example/channel/</BaseURL>\n"]
    size = 0
    period = 0
    while size < size_bytes:
        text = [f'  <Period id="{period}" start="PT{period * 1000}S">\n']
        for number, name in enumerate(("video", "audio", "text")):
            text.append(
                f'    <AdaptationSet id="{number}" contentType="{name}">\n      <SegmentTemplate timescale="90000" '
                'initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Time$.m4s">\n'
                "        <SegmentTimeline>\n"
            )
            text += [f'          <S t="{n * 180000}" d="{180000 + n % 3}"/>\n' for n in range(500)]
            text.append("        </SegmentTimeline>\n      </SegmentTemplate>\n")
            text += [
                f'      <Representation id="{name}{n}" bandwidth="{n}00000" codecs="avc1.64001f"/>\n'
                for n in range(1, 7)
            ]
            text.append("    </AdaptationSet>\n")
        parts += [*text, "  </Period>\n"]
        size = sum(map(len, parts))
        period += 1
    return "".join([*parts, "</MPD>\n"]).encode()


def listed(size_bytes: int) -> bytes:
    """One Representation as a list of absolute segment URLs."""
    line = '        <SegmentURL media="https://cdn.example/title/video/{:06}.m4s?a=1&amp;b=2"/>\n'
    count = size_bytes // len(line.format(0))
    return (
        _HEAD.format("static")
        + '  <Period>\n    <AdaptationSet contentType="video">\n      <Representation id="1" bandwidth="1">\n'
        + '       <SegmentList duration="2">\n'
        + "".join(line.format(number) for number in range(count))
        + "       </SegmentList>\n      </Representation>\n    </AdaptationSet>\n  </Period>\n</MPD>\n"
    ).encode()


def best_ms(work: Callable[[], object], times: int = 7) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def peer() -> Callable[[bytes], object] | None:
    """Parse and print with mpegdash, when it is installed."""
    if importlib.util.find_spec("mpegdash") is None:
        return None
    parser: Any = importlib.import_module("mpegdash.parser").MPEGDASHParser

    def work(data: bytes) -> object:
        return parser.get_as_doc(parser.parse(data.decode())).toxml()

    return work


async def main() -> None:
    theirs = peer()
    documents = {"live, SegmentTimeline": live(200_000), "static, SegmentList": listed(200_000)}
    for what, data in documents.items():
        ours_ms = best_ms(partial(rewrite, data, CONTEXT, DEFAULT))
        figure = f"{ours_ms:.1f} ms"
        if theirs is not None:
            theirs_ms = best_ms(partial(theirs, data), times=3)
            figure = (
                f"{theirs_ms / ours_ms:.0f} x (mpegdash {theirs_ms:.0f} ms, here {ours_ms:.1f} ms)"
            )
        row(f"MPD of {len(data) // 1000} KB, {what}: scan + rewrite", figure)
    if theirs is None:
        print("    mpegdash is not installed, so there is no ratio: pip install mpegdash")
