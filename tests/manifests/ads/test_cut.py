from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from edge.manifests.ads.hls.cut import cut
from edge.manifests.ads.hls.plan import Hole, Plan
from edge.manifests.ads.hls.segments import index
from edge.manifests.edits import apply_edits
from edge.manifests.hls.scan import scan
from tests.manifests.ads.effective import changes, lines_of, read, without_gaps
from tests.manifests.ads.made import Made, made

MANY = settings(max_examples=80)


def carried_out(data: bytes, plan: Plan) -> bytes:
    return apply_edits(data, cut(data, index(data), plan))


def kept(made: Made) -> list[int]:
    gone = {n for hole in made.plan.holes for n in range(hole.first, hole.last + 1)}
    return [n for n in range(made.total - min(made.plan.held, made.total)) if n not in gone]


@given(made())
@settings(max_examples=250)
def test_what_stays_means_what_it_meant(made: Made) -> None:
    before, after = read(made.data), read(carried_out(made.data, made.plan))

    assert len(after.segments) == len(kept(made))
    for position, segment in zip(kept(made), after.segments, strict=True):
        assert not changes(before.segments[position], segment)


@given(made())
@MANY
def test_numbers_are_the_plans_and_seams_are_where_it_has_them(made: Made) -> None:
    before, after = read(made.data), read(carried_out(made.data, made.plan))
    plan = made.plan

    first = before.sequence if plan.media_sequence is None else plan.media_sequence
    assert [segment.number for segment in after.segments] == [
        first + rank for rank in range(len(after.segments))
    ]
    if plan.discontinuity_sequence is not None:
        assert after.discontinuity_sequence == plan.discontinuity_sequence
    joined = {hole.last + 1: hole.joined for hole in plan.holes}
    for position, segment in zip(kept(made), after.segments, strict=True):
        tags = before.segments[position].discontinuities
        if position in joined:
            assert segment.discontinuities == int(joined[position])
        elif plan.discontinuity_sequence is not None:
            assert segment.discontinuities == min(tags, 1)
        else:
            assert segment.discontinuities == tags


@given(made())
@MANY
def test_what_is_the_playlists_stays_as_it_is(made: Made) -> None:
    before, after = read(made.data), read(carried_out(made.data, made.plan))
    plan = made.plan

    for name in ("EXTM3U", "EXT-X-TARGETDURATION", "EXT-X-DEFINE", "EXT-X-INDEPENDENT-SEGMENTS"):
        assert after.headers.get(name) == before.headers.get(name)
    assert after.version >= before.version
    assert after.ended == (before.ended and not plan.held)
    assert after.dateranges == [
        daterange for daterange in before.dateranges if daterange["ID"] not in plan.dateranges
    ]


@given(made())
@MANY
def test_line_ends_and_the_first_and_last_bytes_stay(made: Made) -> None:
    output = carried_out(made.data, made.plan)

    rest = output.replace(b"\r\n", b"\0") if made.line_end == b"\r\n" else output
    others = {b"\n": b"\r", b"\r": b"\n", b"\r\n": b"\r"}[made.line_end]
    assert others not in rest
    assert made.line_end != b"\r\n" or b"\n" not in rest
    assert output.endswith((b"\n", b"\r")) == made.data.endswith((b"\n", b"\r"))
    assert output.startswith(made.data[:10])
    added = Counter(lines_of(output)) - Counter(lines_of(made.data))
    for line in added:
        assert line.startswith(
            (
                "#EXT-X-KEY:",
                "#EXT-X-MAP:",
                "#EXT-X-BITRATE:",
                "#EXT-X-PROGRAM-DATE-TIME:",
                "#EXT-X-DISCONTINUITY",
                "#EXT-X-MEDIA-SEQUENCE:",
                "#EXT-X-BYTERANGE:",
                "#EXT-X-GAP",
                "#EXT-X-PART:",
                "#EXT-X-VERSION:",
            )
        )


@given(made())
@MANY
def test_parts_behind_the_last_segment_stay_go_or_are_marked(made: Made) -> None:
    before, after = read(made.data), read(carried_out(made.data, made.plan))
    plan = made.plan

    if plan.held or (plan.ad_tail and not ends_in_a_gap(made)):
        assert not after.tail
        assert not after.hints
    else:
        assert without_gaps(before.tail) == without_gaps(after.tail)
        assert all(part.gap for part in after.tail) or not plan.ad_tail
        assert after.hints == ([] if plan.ad_tail else before.hints)


def ends_in_a_gap(made: Made) -> bool:
    plan = made.plan
    # Where numbers move, what is cut out later leaves its number, and its parts' names, to other media.
    moves = plan.holes or (plan.media_sequence, plan.discontinuity_sequence) != (None, None)
    return bool(plan.gaps) and plan.gaps[-1].last == made.total - 1 and not moves


@given(made())
@MANY
def test_a_gap_is_marked_and_nothing_else_is(made: Made) -> None:
    before, after = read(made.data), read(carried_out(made.data, made.plan))
    marked = {n for run in made.plan.gaps for n in range(run.first, run.last + 1)}

    for position, segment in zip(kept(made), after.segments, strict=True):
        assert segment.gap == (position in marked or before.segments[position].gap)
        assert all(part.gap for part in segment.parts) or position not in marked
    assert after.version >= 8 or not any(segment.gap for segment in after.segments)


@given(made())
@settings(max_examples=100)
def test_a_plan_that_does_nothing_leaves_the_same_object(made: Made) -> None:
    assert carried_out(made.data, Plan()) is made.data


@given(made())
@settings(max_examples=100)
def test_the_edits_are_few(made: Made) -> None:
    plan = replace(made.plan, gaps=(), dateranges=frozenset(), discontinuity_sequence=None)
    data = made.data.replace(b"k1", b"k3").replace(b"METHOD=AES-128", b"METHOD=AES-256")
    data = data.replace(b'METHOD=SAMPLE-AES,URI="k5"', b"METHOD=NONE")
    playlist_lines = sum(
        1 for _ in scan(data).tags("EXT-X-DEFINE", "EXT-X-DATERANGE", "EXT-X-INDEPENDENT-SEGMENTS")
    )

    edits = cut(data, index(data), plan)

    # Numbers, version, the first date, the end, offsets of ranges; and for each hole one.
    assert len(edits) <= 6 + 4 * len(plan.holes) + playlist_lines


HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n"


def playlist(*lines: str, head: str = HEAD) -> bytes:
    return (head + "\n".join(lines) + "\n").encode()


def shown(data: bytes, plan: Plan) -> list[str]:
    return lines_of(carried_out(data, plan))[:-1]


def segments(*names: str) -> list[str]:
    return [line for name in names for line in ("#EXTINF:4,", name)]


def test_a_hole_is_one_edit() -> None:
    before = ["#EXT-X-DISCONTINUITY", "#EXT-X-CUE-OUT:8", *segments("ad1", "ad2")]
    behind = ["#EXT-X-DISCONTINUITY", "#EXT-X-CUE-IN", *segments("b")]
    data = playlist(*segments("a"), *before, *behind)

    edits = cut(data, index(data), Plan(holes=(Hole(1, 2, joined=True),)))

    assert len(edits) == 2  # the hole, and the CUE-IN behind it
    assert lines_of(apply_edits(data, edits)) == lines_of(
        playlist(*segments("a"), "#EXT-X-DISCONTINUITY", *segments("b"))
    )


@pytest.mark.parametrize(
    ("lines", "hole", "left"),
    [
        pytest.param(
            ["#EXT-X-CUE-OUT:4", "ad", "#EXT-X-CUE-IN", "a", "b"],
            Hole(0, 0, joined=False),
            ["a", "b"],
            id="the end of a break that went",
        ),
        pytest.param(
            ["a", "#EXT-X-CUE-OUT:8", "ad", "#EXT-X-CUE-OUT-CONT:9/8", "b", "#EXT-X-CUE-IN", "c"],
            Hole(1, 1, joined=False),
            ["a", "b", "c"],
            id="a late end",
        ),
        pytest.param(
            ["a", "#EXT-X-CUE-OUT:8", "ad1", "ad2", "#EXT-X-CUE-IN", "b"],
            Hole(2, 2, joined=False),
            ["a", "#EXT-X-CUE-OUT:8", "ad1", "#EXT-X-CUE-IN", "b"],
            id="its beginning was listed already",
        ),
        pytest.param(
            ["a", "#EXT-X-CUE-OUT:4", "ad1", "ad2", "#EXT-X-CUE-IN", "ad3", "b"],
            Hole(2, 3, joined=False),
            ["a", "#EXT-X-CUE-OUT:4", "ad1", "#EXT-X-CUE-IN", "b"],
            id="its end stands before what went too",
        ),
        pytest.param(
            ["a", "#EXT-X-CUE-OUT:4", "ad", "#EXT-X-CUE-IN", "#EXT-X-CUE-OUT:4", "own", "#EXT-X-CUE-IN", "b"],
            Hole(1, 1, joined=False),
            ["a", "#EXT-X-CUE-OUT:4", "own", "#EXT-X-CUE-IN", "b"],
            id="another break that stays",
        ),
        pytest.param(
            ["#EXT-OATCLS-SCTE35:/DAl", "#EXT-X-CUE-OUT:4", "ad", "#EXT-OATCLS-SCTE35:/DAl", "#EXT-X-CUE-IN", "a"],
            Hole(0, 0, joined=False),
            ["a"],
            id="the cue beside the tag",
        ),
        pytest.param(
            ['#EXT-X-SCTE35:CUE="x",CUE-OUT=YES', "ad", '#EXT-X-SCTE35:CUE="x",CUE-IN=YES', "a"],
            Hole(0, 0, joined=False),
            ["a"],
            id="attributes",
        ),
        pytest.param(
            ["a", "ad", "b", "#EXT-X-CUE-OUT:4", "c", "#EXT-X-CUE-IN", "d"],
            Hole(1, 1, joined=False),
            ["a", "b", "#EXT-X-CUE-OUT:4", "c", "#EXT-X-CUE-IN", "d"],
            id="a break behind one without cues",
        ),
    ],
)  # fmt: skip
def test_cues_that_would_lie_go(lines: list[str], hole: Hole, left: list[str]) -> None:
    assert shown(playlist(*lines), Plan(holes=(hole,)))[3:] == left


def test_every_tag_of_a_date_range_goes_even_behind_the_end() -> None:
    lines = [
        '#EXT-X-DATERANGE:ID="ad",START-DATE="2024-01-01T00:00:00Z",SCTE35-OUT=0xFC',
        '#EXT-X-DATERANGE:ID="own",START-DATE="2024-01-01T00:00:00Z"',
        *segments("a", "ad", "b"),
        "#EXT-X-ENDLIST",
        '#EXT-X-DATERANGE:ID="ad",SCTE35-IN=0xFC',
    ]
    plan = Plan(holes=(Hole(1, 1, joined=False),), dateranges=frozenset({"ad"}))

    assert shown(playlist(*lines), plan)[3:] == [lines[1], *segments("a", "b"), "#EXT-X-ENDLIST"]


def test_an_interstitial_goes_with_what_asks_for_it_ahead_of_time() -> None:
    lines = [
        '#EXT-X-DATERANGE:ID="i",CLASS="com.apple.hls.interstitial",X-ASSET-URI="ad.m3u8"',
        '#EXT-X-DATERANGE:ID="p",CLASS="com.apple.hls.preload",X-URI="ad.m3u8"',
        '#EXT-X-DATERANGE:ID="q",CLASS="com.apple.hls.preload",X-URI="other.m3u8"',
        '#EXT-X-DATERANGE:ID="i",DURATION=4',
        *segments("a"),
    ]

    left = shown(playlist(*lines), Plan(interstitials=frozenset({"i"})))

    assert left[3:] == [lines[2], *segments("a")]


@pytest.mark.parametrize(
    ("head", "plan", "expected"),
    [
        pytest.param(
            ["#EXT-X-MEDIA-SEQUENCE:9"],
            Plan(media_sequence=5, discontinuity_sequence=2),
            ["#EXT-X-DISCONTINUITY-SEQUENCE:2", "#EXT-X-MEDIA-SEQUENCE:5"],
            id="one replaced and one added",
        ),
        pytest.param([], Plan(media_sequence=0, discontinuity_sequence=0), [], id="nought is not said"),
        pytest.param(
            ["#EXT-X-MEDIA-SEQUENCE:9", "#EXT-X-DISCONTINUITY-SEQUENCE:4"],
            Plan(media_sequence=0, discontinuity_sequence=0),
            ["#EXT-X-DISCONTINUITY-SEQUENCE:0", "#EXT-X-MEDIA-SEQUENCE:0"],
            id="nought in place of another",
        ),
        pytest.param(
            ["#EXT-X-MEDIA-SEQUENCE:9"], Plan(media_sequence=9), ["#EXT-X-MEDIA-SEQUENCE:9"], id="the same"
        ),
    ],
)  # fmt: skip
def test_numbers_are_said_once(head: list[str], plan: Plan, expected: list[str]) -> None:
    left = shown(playlist(*head, *segments("a", "b")), plan)

    assert sorted(line for line in left if "SEQUENCE" in line) == expected
    assert left[-4:] == segments("a", "b")


@pytest.mark.parametrize(
    ("offset", "hole", "expected"),
    [
        pytest.param("10", Hole(1, 1, joined=False), "6", id="a break on the way"),
        pytest.param("2", Hole(1, 1, joined=False), "2", id="before it"),
        pytest.param("6.5", Hole(1, 2, joined=False), "4", id="into it"),
        pytest.param("-6", Hole(2, 2, joined=False), "-4", id="from the end"),
        pytest.param("-3", Hole(3, 3, joined=False), "-3", id="all of the end went"),
        pytest.param("x", Hole(1, 1, joined=False), "x", id="no number"),
    ],
)
def test_where_to_start_leads_to_the_same_place(offset: str, hole: Hole, expected: str) -> None:
    data = playlist(f"#EXT-X-START:TIME-OFFSET={offset},PRECISE=YES", *segments(*"abcd"))

    assert shown(data, Plan(holes=(hole,)))[3] == f"#EXT-X-START:TIME-OFFSET={expected},PRECISE=YES"


def test_reports_say_how_far_others_have_come_in_their_own_numbers() -> None:
    lines = [f'#EXT-X-RENDITION-REPORT:URI="{name}",LAST-MSN=90,LAST-PART=2' for name in "abcd"]

    left = shown(
        playlist(*segments("s"), *lines), Plan(reports={"a": (80, 1), "b": (79, None), "c": None})
    )

    assert left[5:] == [
        '#EXT-X-RENDITION-REPORT:URI="a",LAST-MSN=80,LAST-PART=1',
        '#EXT-X-RENDITION-REPORT:URI="b",LAST-MSN=79',
        lines[3],
    ]


def test_parts_of_a_break_that_begins_behind_the_last_segment_are_not_shown() -> None:
    tail = [
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-CUE-OUT:30",
        '#EXT-X-MAP:URI="ad.mp4"',
        '#EXT-X-PART:DURATION=1,URI="ad.0.mp4"',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="ad.1.mp4"',
    ]
    report = '#EXT-X-RENDITION-REPORT:URI="b.m3u8",LAST-MSN=1'

    assert shown(playlist(*segments("a"), *tail, report), Plan(ad_tail=True))[3:] == [
        *segments("a"),
        report,
    ]


@pytest.mark.parametrize("plan", [Plan(bare=True), Plan(bare=True, discontinuity_sequence=3)])
def test_a_first_segment_told_of_without_a_seam_goes_on_without_one(plan: Plan) -> None:
    seam = "#EXT-X-DISCONTINUITY"
    data = playlist(seam, seam, *segments("a"), seam, *segments("b"))

    left = shown(data, plan)

    assert [line for line in left[3:] if "SEQUENCE" not in line] == [
        *segments("a"),
        seam,
        *segments("b"),
    ]


def test_of_an_ad_nothing_is_said_again_that_the_next_segment_says_itself() -> None:
    key, map_ = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x01', '#EXT-X-MAP:URI="m"'
    ad = ["#EXT-X-KEY:METHOD=NONE", '#EXT-X-MAP:URI="ad"', "#EXT-X-BITRATE:9", *segments("ad")]
    data = playlist(map_, key, *segments("a"), *ad, map_, key, *segments("b"))

    left = shown(data, Plan(holes=(Hole(1, 1, joined=False),)))

    # The map is not encrypted, so no key may be in force where it stands.
    assert left[-6:] == ["#EXT-X-KEY:METHOD=NONE", "#EXT-X-BITRATE:9", map_, key, *segments("b")]


def test_an_early_end_is_not_told_while_segments_are_held() -> None:
    left = shown(playlist(*segments("a", "b", "c"), "#EXT-X-ENDLIST"), Plan(held=2))

    assert left[3:] == segments("a")


def test_vendors_lines_about_the_playlist_outlive_a_break_at_its_beginning() -> None:
    head = ["#EXT-X-TWITCH-ELAPSED-SECS:100.000", "#EXT-X-TWITCH-TOTAL-SECS:120.000"]
    first = ['#EXT-X-MAP:URI="ad.mp4"', *head, "#UPLYNK-SEGMENT:0,ad", *segments("ad")]
    data = playlist(*first, '#EXT-X-MAP:URI="a.mp4"', *segments("a"))

    left = shown(data, Plan(holes=(Hole(0, 0, joined=False),)))

    assert left[3:] == [*head, '#EXT-X-MAP:URI="a.mp4"', *segments("a")]


def test_segments_of_another_playlist_are_refused() -> None:
    with pytest.raises(ValueError, match="another"):
        cut(playlist("a"), index(playlist("b")), Plan(held=1))


def test_the_head_stays_in_front_of_what_is_said_of_the_first_segment() -> None:
    lines = ['#EXT-X-KEY:METHOD=AES-128,URI="k"', *segments("ad", "a")]

    left = shown(
        playlist(*lines, head="#EXTM3U\n"),
        Plan(holes=(Hole(0, 0, joined=True),), media_sequence=3, discontinuity_sequence=1),
    )

    assert left == [
        "#EXTM3U",
        "#EXT-X-MEDIA-SEQUENCE:3",
        "#EXT-X-DISCONTINUITY-SEQUENCE:1",
        "#EXT-X-VERSION:2",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x00000000000000000000000000000001',
        *segments("a"),
    ]


def test_many_holes_take_time_in_proportion() -> None:
    count = 3000
    lines = ["#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00Z"]
    for number in range(count):
        lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="k{number}"', '#EXT-X-MAP:URI="m",BYTERANGE="7"']
        lines += ["#EXT-X-BYTERANGE:9" + "@0" * (not number), "#EXTINF:4,", "s"]
    data = playlist(*lines)
    holes = tuple(Hole(first, first, joined=True) for first in range(1, count, 2))

    started = time.process_time()
    output = carried_out(data, Plan(holes=holes))

    assert time.process_time() - started < 3
    assert len(read(output).segments) == count / 2
