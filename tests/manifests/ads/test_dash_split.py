from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.dash import feasible
from edge.manifests.ads.policy import AdPolicy
from tests.manifests.ads import dash_reader as reader
from tests.manifests.ads.dash_shows import (
    BY_CUE,
    SCTE_XML,
    Clock,
    Part,
    found_in,
    mpd,
    opening,
    show,
    treated,
)
from tests.manifests.readers import node
from tests.manifests.readers.node import Document

SECONDS = 2  # of a segment of video
COUNT = 20
VIDEO = Clock("v", 90000, (180000,), "time", 900)
AUDIO = Clock("a", 48000, (96256, 96256, 95232, 96256), "time", 17, 5)
NEAR = Fraction(1, 20)


def stream(*ranges: tuple[float, float], more: str = "") -> str:
    events = "".join(
        f'<Event id="{place}" presentationTime="{round(start * 1000)}">'
        f"{opening(place, end - start)}</Event>"
        for place, (start, end) in enumerate(ranges)
    )
    return f'<EventStream schemeIdUri="{SCTE_XML}" timescale="1000">{events}</EventStream>{more}'


def whole(
    *ranges: tuple[float, float],
    clocks: tuple[Clock, ...] = (VIDEO, AUDIO),
    more: str = "",
    attributes: str = ' type="static"',
    name: str | None = "show",
) -> bytes:
    events = stream(*ranges, more=more)
    seconds = Decimal(SECONDS * COUNT)
    part = Part(name, COUNT, clocks, events=events, seconds=seconds)
    return show([part], attributes=attributes)


def times(period: reader.Period) -> tuple[str | None, float, float]:
    assert period.start is not None
    return period.id, float(period.start), float(period.seconds)


def segments(data: bytes, track: str) -> list[reader.Segment]:
    return [one for period in reader.read(data) for one in period.segments[track]]


def test_a_break_in_the_middle_makes_two_periods_of_one() -> None:
    data = whole((10, 16))

    made = treated(data, BY_CUE)
    first, second = reader.read(made)

    assert times(first) == ("show", 0, 10)
    assert times(second) == ("show.k1", 10, 24)
    assert [one.name for one in first.segments["v"]] == names(data, "v")[:5]
    assert [one.name for one in second.segments["v"]] == names(data, "v")[8:]
    assert b'mediaPresentationDuration="PT34S"' in made


def names(data: bytes, track: str) -> list[str]:
    return [one.name for one in segments(data, track)]


@st.composite
def breaks(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Breaks as places of segments, not touching one another."""
    borders = draw(st.lists(st.integers(0, COUNT), unique=True, max_size=6).map(sorted))
    pairs = list(zip(borders[::2], borders[1::2], strict=False))
    return [pair for pair in pairs if pair != (0, COUNT)]


JITTER = st.sampled_from([-0.035, -0.02, 0.0, 0.02, 0.035])
TRACKS = st.sampled_from(
    [
        (VIDEO, AUDIO),
        (replace(VIDEO, addressing="numbered", number=7), AUDIO),
        (Clock("v", 1000, (2000,), "even", 500, 3), Clock("a", 48000, (96000,), "even", 12)),
        (Clock("v", 1000, (2000,), "list", 500), Clock("a", 48000, (96000,), "time", 12)),
        (Clock("v", 30000, (60000,), "numbered"), Clock("a", 44100, (88200,), "list", 9)),
    ]
)


@given(breaks(), TRACKS, st.data(), st.sampled_from([AdPolicy.STRIP, AdPolicy.GAP]))
def test_exactly_the_segments_of_the_breaks_go_and_the_others_keep_their_order(
    places: list[tuple[int, int]],
    clocks: tuple[Clock, ...],
    data: st.DataObject,
    policy: AdPolicy,
) -> None:
    ranges = [
        (
            max(0.0, first * SECONDS + data.draw(JITTER)),
            stop * SECONDS + data.draw(JITTER),
        )
        for first, stop in places
    ]
    source = whole(*ranges, clocks=clocks)
    assert not found_in(source, BY_CUE).left

    made = treated(source, BY_CUE, policy)

    kept = [n for n in range(COUNT) if not any(first <= n < stop for first, stop in places)]
    periods = reader.read(made)
    assert all(one.end == after.start for one, after in pairwise(periods)) or policy is AdPolicy.GAP
    assert len({one.id for one in periods}) == len(periods)
    for track in ("v", "a"):
        before, after = segments(source, track), segments(made, track)
        assert [one.name for one in after] == [before[n].name for n in kept]
        for one, was in zip(after, (before[n] for n in kept), strict=True):
            removed = sum(
                (stop - first) * SECONDS for first, stop in places if first * SECONDS < was.start
            )
            moved = 0 if policy is AdPolicy.GAP else removed
            assert abs(one.start - (was.start - moved)) <= NEAR * (2 * len(places) + 1)
            assert one.seconds == was.seconds
        for period in periods:
            assert period.start is not None
            inside = period.segments[track]
            assert inside[0].start >= period.start - NEAR
            assert period.end is not None
            assert inside[-1].start + inside[-1].seconds <= period.end + NEAR
    if policy is AdPolicy.STRIP:
        lasts = sum((one.seconds for one in periods), Fraction(0))
        assert abs(lasts - len(kept) * SECONDS) <= NEAR * 2 * len(places)
        assert treated(made, BY_CUE) == made


def test_the_video_meets_exactly_where_the_period_begins() -> None:
    for start, end in ((9.97, 16.03), (10.04, 15.96)):
        for period in reader.read(treated(whole((start, end)), BY_CUE)):
            assert period.segments["v"][0].start == period.start
            assert period.segments["v"][-1].start + SECONDS == period.end


def test_a_break_at_the_end_or_the_beginning_leaves_one_period_with_its_id() -> None:
    (tail,) = reader.read(treated(whole((0, 10)), BY_CUE))
    (head,) = reader.read(treated(whole((30, 40)), BY_CUE))

    assert times(tail) == ("show", 0, 30)
    assert times(head) == ("show", 0, 30)


def test_events_stay_with_their_media_and_those_of_breaks_go() -> None:
    other = (
        '<EventStream schemeIdUri="urn:x" timescale="10" presentationTimeOffset="5">'
        + "".join(
            f'<Event id="{at}" presentationTime="{at * 10 + 5}"/>' for at in (0, 9, 11, 16, 30)
        )
        + "</EventStream>"
    )

    first, second = reader.read(treated(whole((10, 16), more=other), BY_CUE))

    assert [(one.id, int(one.at)) for one in first.events] == [("0", 0), ("9", 9)]
    assert [(one.id, int(one.at)) for one in second.events] == [("16", 10), ("30", 24)]


def test_a_period_between_others_moves_those_behind_it() -> None:
    clocks = (VIDEO,)
    data = show(
        [
            Part("a", 3, clocks, says_start=False, seconds=Decimal(6)),
            Part("b", COUNT, clocks, events=stream((4, 8), (20, 40)), seconds=Decimal(40)),
            Part("c", 3, clocks, says_start=False, seconds=Decimal(6)),
        ]
    )

    periods = reader.read(treated(data, BY_CUE))

    assert [times(one) for one in periods] == [
        ("a", 0, 6),
        ("b", 6, 4),
        ("b.k1", 10, 12),
        ("c", 22, 6),
    ]


def test_rows_that_repeat_are_cut_by_arithmetic() -> None:
    data = show([Part("x", 1, (VIDEO,), events=stream((100, 200)), seconds=Decimal(2_000_000))])
    data = data.replace(b'<S t="900" d="180000"/>', b'<S t="900" d="180000" r="-1"/>')

    made = treated(data, BY_CUE)

    assert b'<S t="900" d="180000" r="49"/>' in made
    assert b'<S t="18000900" d="180000" r="999899"/>' in made
    assert b'presentationTimeOffset="18000900"' in made


def test_an_end_number_ends_each_part() -> None:
    clock = Clock("v", 1000, (2000,), "even", number=3)
    data = whole((10, 16), clocks=(clock,)).replace(
        b'startNumber="3"', b'startNumber="3" endNumber="22"'
    )

    made = treated(data, BY_CUE)

    assert b'startNumber="3" endNumber="7"' in made
    assert b'startNumber="11" endNumber="22"' in made
    assert names(made, "v") == names(data, "v")[:5] + names(data, "v")[8:]


def test_what_is_said_once_for_all_representations_is_cut_once() -> None:
    data = mpd(
        '<Period id="p" duration="PT8S">'
        + stream((2, 4))
        + '<SegmentTemplate timescale="1" media="$RepresentationID$-$Number$.m4s"><SegmentTimeline>'
        '<S t="0" d="2" r="3"/></SegmentTimeline></SegmentTemplate><AdaptationSet mimeType="video/mp4">'
        '<Representation id="one" bandwidth="1"/><Representation id="two" bandwidth="2">'
        '<SegmentTemplate startNumber="10"/></Representation></AdaptationSet></Period>'
    )

    made = treated(data, BY_CUE)

    assert names(made, "one") == ["one-1.m4s", "one-3.m4s", "one-4.m4s"]
    assert names(made, "two") == ["two-10.m4s", "two-12.m4s", "two-13.m4s"]


def test_a_copy_neither_repeats_an_id_nor_claims_to_go_on_without_a_gap() -> None:
    data = whole((10, 16)).replace(
        b"<Representation",
        b'<ContentProtection refId="k"/><SupplementalProperty value="show0" '
        b'schemeIdUri="urn:mpeg:dash:period-continuity:2015"/><Representation',
    )

    first, second = treated(data, BY_CUE).split(b"</Period>")[:2]

    assert first.count(b"refId") == first.count(b"period-continuity") == 2
    assert b"refId" not in second
    assert b"period-continuity" not in second
    assert second.count(b"<ContentProtection") == 2


def test_an_id_that_is_taken_is_not_given_again() -> None:
    data = whole((10, 16)).replace(
        b"</MPD>", b'<Period id="show.k1" start="PT40S" duration="PT1S"/></MPD>'
    )

    assert [one.id for one in reader.read(treated(data, BY_CUE))] == ["show", "show.k2", "show.k1"]


def reason(data: bytes) -> str:
    found = found_in(data, BY_CUE)
    assert treated(data, BY_CUE) == data
    (why,) = found.left.values()
    return why


def test_a_segment_across_the_border_leaves_the_break() -> None:
    assert "both sides" in reason(whole((10.06, 16)))
    assert "both sides" in reason(whole((10, 16), clocks=(VIDEO, Clock("a", 10, (30,), "time"))))
    assert "both sides" in reason(whole((10, 16), clocks=(Clock("v", 10, (30,), "even"),)))


def test_a_break_that_can_go_goes_beside_one_that_cannot() -> None:
    data = whole((4, 8), (11, 15))
    found = found_in(data, BY_CUE)

    assert list(found.left) == [found.breaks[1].key]
    assert names(treated(data, BY_CUE), "v") == names(data, "v")[:2] + names(data, "v")[4:]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'type="static"', b'type="dynamic"', "dynamic"),
        (b' duration="PT40S"', b"", "how long"),
        (b"<AdaptationSet ", b'<AdaptationSet xlink:href="x" ', "remote"),
        (b"<Period ", b'<Period xlink:href="x" ', "remote"),
        (b"<SegmentTemplate ", b'<SegmentTemplate eptDelta="1" ', "rarely"),
        (b'd="180000"/>', b'd="180000" n="4"/>', "numbers of their own"),
        (b'timescale="90000"', b'timescale="0"', "zero"),
        (b'<S t="900" d="180000"/>', b'<S t="900" d="0"/>', "backwards"),
    ],
)
def test_what_the_rule_does_not_allow_stays_with_its_reason(
    old: bytes, new: bytes, why: str
) -> None:
    data = whole((10, 16)).replace(old, new)
    if why == "how long":
        data = data.replace(b' mediaPresentationDuration="PT40S"', b"")

    assert why in reason(data)


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ('<SegmentBase indexRange="0-9"/>', "index inside"),
        ("<BaseURL>a.mp4</BaseURL>", "no list"),
        ('<SegmentTemplate media="$Number$"/>', "length of segments"),
        ("<SegmentTemplate><SegmentTimeline/></SegmentTemplate>", "empty"),
        ('<SegmentList duration="2"/>', "empty"),
    ],
)
def test_media_without_a_list_of_segments_stay_whole(info: str, why: str) -> None:
    data = whole((10, 16)).replace(
        b"</Period>",
        f'<AdaptationSet><Representation id="t">{info}</Representation></AdaptationSet></Period>'.encode(),
    )

    assert why in reason(data)


def test_too_many_breaks_are_left() -> None:
    ranges = [(4 * n, 4 * n + 2) for n in range(40)]
    data = show([Part("x", 80, (VIDEO,), events=stream(*ranges), seconds=Decimal(160))])
    found = found_in(data, BY_CUE)

    assert treated(data, BY_CUE) == data
    assert len(found.left) == 40
    assert all("too many" in why for why in found.left.values())


def test_a_player_library_finds_the_segments_of_the_content_and_no_others() -> None:
    ranges = [(6, 12), (20, 24)]
    documents = {}
    for place, clocks in enumerate(
        (
            (VIDEO, AUDIO),
            (Clock("v", 1000, (2000,), "even", 500, 3), Clock("a", 48000, (96000,), "even")),
            (Clock("v", 1000, (2000,), "list", 500), Clock("a", 48000, (96000,), "list", 12)),
        )
    ):
        source = whole(*ranges, clocks=clocks)
        made = treated(source, BY_CUE)
        wanted = [one for track in ("v", "a") for one in names(made, track)]
        documents[str(place)] = (Document(data=made, url="https://o.example/m.mpd"), wanted)

    readings = node.read_all("mpd-parser", {key: one for key, (one, _) in documents.items()})

    for key, (_, wanted) in documents.items():
        saw = readings[key].saw
        assert saw is not None, readings[key].error
        asked = {uri.removeprefix("https://o.example/") for uri in readings[key].uris if uri}
        assert asked - {"m.mpd"} == set(wanted)  # itself where an initialization would stand
        assert saw["header"][0] == 30
        for playlist in saw["playlists"]:
            assert playlist[0] == 15
            assert sum(one[0] for one in playlist[4]) == pytest.approx(30, abs=0.1)


def test_an_mpd_cannot_ask_for_endless_work() -> None:
    many = "".join(f'<Representation id="r{n}" bandwidth="1"/>' for n in range(900))
    period = (
        f'<Period duration="PT80S">{stream(*((4 * n, 4 * n + 2) for n in range(20)))}'
        f'<AdaptationSet><SegmentTemplate duration="2" media="$RepresentationID$-$Number$"/>{many}'
        "</AdaptationSet></Period>"
    )

    found = found_in(mpd(period * 5), BY_CUE)

    assert {one.periods[0] for one in found.breaks if one.key not in found.left} == {0, 1, 2}
    assert set(found.left.values()) == {feasible.BUSY}
