from __future__ import annotations

from edge.manifests.ads.hls.cut import cut
from edge.manifests.ads.hls.plan import Plan, Run
from edge.manifests.ads.hls.segments import index
from edge.manifests.edits import apply_edits
from tests.manifests.ads.effective import lines_of


def gapped(lines: list[str], plan: Plan) -> list[str]:
    data = "\n".join(["#EXTM3U", *lines, ""]).encode()
    return lines_of(apply_edits(data, cut(data, index(data), plan)))[1:-1]


def test_a_gap_stands_before_the_length_and_needs_version_eight() -> None:
    lines = ["#EXT-X-VERSION:3", "#EXT-X-KEY:METHOD=NONE", "#EXTINF:4,", "ad", "#EXTINF:4,", "a"]

    assert gapped(lines, Plan(gaps=(Run(0, 0),))) == [
        "#EXT-X-VERSION:8",
        "#EXT-X-KEY:METHOD=NONE",
        "#EXT-X-GAP",
        *lines[2:],
    ]


def test_a_version_that_is_high_enough_stays() -> None:
    lines = ["#EXT-X-VERSION:9", "#EXTINF:4,", "ad"]

    assert gapped(lines, Plan(gaps=(Run(0, 0),)))[0] == "#EXT-X-VERSION:9"


def test_a_gap_is_not_said_twice() -> None:
    lines = ["#EXT-X-VERSION:8", "#EXTINF:4,", "#EXT-X-GAP", "ad"]

    assert gapped(lines, Plan(gaps=(Run(0, 0),))) == lines


def test_a_segment_without_a_length_is_marked_too() -> None:
    assert gapped(["ad", "a"], Plan(gaps=(Run(0, 0),))) == [
        "#EXT-X-VERSION:8",
        "#EXT-X-GAP",
        "ad",
        "a",
    ]


def test_parts_of_a_gap_are_gaps() -> None:
    lines = [
        "#EXT-X-VERSION:9",
        '#EXT-X-PART:DURATION=1,URI="ad.0"',
        '#EXT-X-PART:DURATION=1,URI="ad.1",GAP=YES',
        '#EXT-X-PART:DURATION=1,GAP=NO,URI="ad.2"',
        "#EXTINF:4,",
        "ad",
    ]

    assert gapped(lines, Plan(gaps=(Run(0, 0),))) == [
        "#EXT-X-VERSION:9",
        '#EXT-X-PART:DURATION=1,URI="ad.0",GAP=YES',
        '#EXT-X-PART:DURATION=1,URI="ad.1",GAP=YES',
        '#EXT-X-PART:DURATION=1,GAP=YES,URI="ad.2"',
        "#EXT-X-GAP",
        "#EXTINF:4,",
        "ad",
    ]


def test_a_gap_that_goes_on_or_begins_behind_the_last_segment_keeps_its_parts() -> None:
    tail = ['#EXT-X-PART:DURATION=1,URI="ad.0"', '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="ad.1"']
    lines = ["#EXT-X-VERSION:9", "#EXTINF:4,", "a", *tail]
    marked = '#EXT-X-PART:DURATION=1,URI="ad.0",GAP=YES'

    begins = gapped(lines, Plan(gaps=(Run(1, 1),), ad_tail=True))
    goes_on = gapped(lines, Plan(gaps=(Run(0, 0),), ad_tail=True))

    assert begins == ["#EXT-X-VERSION:9", "#EXTINF:4,", "a", marked]
    assert goes_on == ["#EXT-X-VERSION:9", "#EXT-X-GAP", "#EXTINF:4,", "a", marked]


def test_what_is_held_is_not_marked() -> None:
    lines = ["#EXTINF:4,", "a", "#EXTINF:4,", "ad"]

    assert gapped(lines, Plan(gaps=(Run(1, 1),), held=1)) == lines[:2]
