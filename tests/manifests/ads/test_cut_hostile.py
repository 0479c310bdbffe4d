from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from edge.manifests.ads.hls.cut import cut
from edge.manifests.ads.hls.plan import Hole, Plan
from edge.manifests.ads.hls.segments import index
from edge.manifests.edits import apply_edits
from edge.manifests.errors import ManifestError
from tests.manifests.ads.made import plans

LINES = (
    "#EXTM3U",
    "#EXT-X-VERSION",
    "#EXT-X-VERSION:x",
    "#EXT-X-MEDIA-SEQUENCE",
    " #EXT-X-MEDIA-SEQUENCE:99999999999999999999999",
    "#EXT-X-MEDIA-SEQUENCE:5",
    "#EXT-X-DISCONTINUITY-SEQUENCE:",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=x",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=4",
    "#EXT-X-START:TIME-OFFSET=1e9",
    "#EXT-X-START:TIME-OFFSET=-99999999",
    "#EXT-X-START:PRECISE=YES",
    "#EXTINF",
    "#EXTINF:999999999999.999999999999,",
    "#EXTINF:-1,",
    "#EXTINF:NaN,",
    "#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59.999Z",
    "#EXT-X-PROGRAM-DATE-TIME:0001-01-01T00:00:00+23:59",
    "#EXT-X-PROGRAM-DATE-TIME:2024-W01-1",
    "#EXT-X-PROGRAM-DATE-TIME:",
    "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00.1234567Z",
    "#EXT-X-KEY",
    "#EXT-X-KEY:",
    '#EXT-X-KEY:METHOD=AES-128,URI="k',
    "#EXT-X-KEY:METHOD=AES-128 , ,",
    "\t#EXT-X-KEY:METHOD=SAMPLE-AES,KEYFORMAT=",
    "#EXT-X-MAP",
    "#EXT-X-BYTERANGE",
    "#EXT-X-BYTERANGE:",
    "#EXT-X-BYTERANGE:x@y",
    "#EXT-X-BYTERANGE:99999999999999999999",
    "#EXT-X-PART",
    '#EXT-X-PART:URI="a",BYTERANGE="7"',
    "#EXT-X-PART:BYTERANGE=7",
    "#EXT-X-PRELOAD-HINT:TYPE=PART",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-DISCONTINUITY:x",
    "#EXT-X-GAP",
    "#EXT-X-CUE-OUT:\u2026",
    "#EXT-X-CUE-IN",
    "#EXT-X-CUE-OUT-CONT:1/x",
    "#EXT-X-SPLICEPOINT-SCTE35:/DAl\u201d",
    "#EXT-X-SCTE35:CUE",
    '#EXT-X-DATERANGE:ID="gone"',
    "#EXT-X-DATERANGE",
    "#EXT-X-RENDITION-REPORT:URI=r,LAST-MSN",
    "#EXT-X-RENDITION-REPORT:LAST-PART=1,URI=r",
    "#EXT-X-ENDLIST",
    "",
    "# x",
    "uri",
    " uri ",
)


@st.composite
def hostile(draw: DrawFn) -> tuple[bytes, Plan]:
    lines = draw(st.lists(st.sampled_from(LINES), max_size=40))
    ends = draw(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1, max_size=3))
    text = "".join(line + ends[n % len(ends)] for n, line in enumerate(lines))
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()
    data = data[: len(data) - draw(st.integers(0, 3))]
    total = data.count(b"uri")
    return data, draw(plans(total))


@given(hostile(), st.sampled_from([{}, {"r": None}, {"r": (1, None)}, {"r": (2, 3)}]))
@settings(max_examples=400)
def test_whatever_the_playlist_a_plan_is_carried_out_or_the_playlist_refused(
    given_: tuple[bytes, Plan], reports: dict[str, tuple[int, int | None] | None]
) -> None:
    data, plan = given_
    try:
        segments = index(data)
    except ManifestError:
        return
    total = len(segments)
    plan = Plan(
        holes=tuple(hole for hole in plan.holes if hole.last < total),
        gaps=tuple(run for run in plan.gaps if run.last < total),
        held=plan.held,
        media_sequence=plan.media_sequence,
        discontinuity_sequence=plan.discontinuity_sequence,
        ad_tail=plan.ad_tail,
        dateranges=frozenset({"gone"}),
        reports=reports,
    )
    gone = {n for hole in plan.holes for n in range(hole.first, hole.last + 1)}
    left = [n for n in range(total - min(plan.held, total)) if n not in gone]

    output = apply_edits(data, cut(data, segments, plan))

    if output.strip(b"\xef\xbb\xbf\r\n \t"):
        assert len(index(output)) == len(left)


def test_formats_and_holes_without_number_take_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4"]
        for number in range(count):
            lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="f{number}"', "#EXT-X-CUE-OUT"]
            lines += ["#EXT-X-PART:URI=a,BYTERANGE=7", "#EXTINF:4,", "s", "#EXT-X-KEY:METHOD=NONE"]
        data = "\n".join(lines).encode()
        holes = tuple(Hole(first, first, joined=True) for first in range(0, count - 1, 2))
        started = time.process_time()
        apply_edits(data, cut(data, index(data), Plan(holes=holes)))
        return time.process_time() - started

    small = min(seconds(500) for _ in range(3))

    assert seconds(4000) < 8 * 4 * small + 0.5
