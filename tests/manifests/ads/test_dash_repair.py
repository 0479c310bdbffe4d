from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.dash import feasible
from edge.manifests.ads.policy import AdPolicy
from edge.manifests.dash.patch import advertise_patch, make_patch
from tests.manifests import dash_corpus
from tests.manifests.ads import dash_reader as reader
from tests.manifests.ads.dash_shows import (
    BY_CUE,
    BY_ID,
    Clock,
    Part,
    found_in,
    mpd,
    opening,
    rules,
    show,
    text,
    treated,
)
from tests.manifests.dash_patcher import apply_patch, canonical
from tests.manifests.readers import node, pypi
from tests.manifests.readers.node import Document

LIVE = ' id="m" type="dynamic" publishTime="2024-01-01T00:00:{at:02}Z" minimumUpdatePeriod="PT2S"'
PATCHES = "<PatchLocation ttl='60'>p.mpp</PatchLocation>"
TIMED = [
    (Clock("v", 90000, (180000,), "time"), Clock("a", 48000, (96256, 96000, 95744), "time")),
    (Clock("v", 30000, (60060,), "numbered", 7, 3), Clock("a", 44100, (88064,), "numbered")),
    (Clock("v", 1000, (2000,), "list", 500), Clock("a", 48000, (96000,), "time", 12)),
]
COUNTED = [(Clock("v", 1000, (2000,), "even", 500), Clock("a", 48000, (96000,), "list", 12))]
LENGTHS = st.decimals(min_value=0, max_value=3, places=9)


@st.composite
def parts(draw: st.DrawFn, clocks: Sequence[tuple[Clock, ...]]) -> list[Part]:
    """A show in which every Period's times can be told, said in as many or as few attributes as that takes."""
    ads = draw(st.lists(st.booleans(), min_size=1, max_size=7))
    made: list[Part] = []
    for place, is_ad in enumerate(ads):
        segments = draw(st.integers(1, 4))
        follows = draw(st.booleans())
        start_is_known = not made or made[-1].says_duration
        made.append(
            Part(
                id=f"{'ad' if is_ad else 'c'}{place}",
                segments=segments,
                clocks=draw(st.sampled_from(clocks)),
                says_start=draw(st.booleans()) or not start_is_known,
                says_duration=draw(st.booleans()) or not follows,
                seconds=Decimal(2 * segments) + Decimal("0.01") + draw(LENGTHS),
                events=draw(st.sampled_from(["", EVENTS])),
            )
        )
    return made


EVENTS = (
    '<EventStream schemeIdUri="urn:x" timescale="10" presentationTimeOffset="3">'
    '<Event presentationTime="13" id="1"/></EventStream>'
)


def content(data: bytes) -> list[reader.Period]:
    return [one for one in reader.read(data) if not (one.id or "").startswith("ad")]


@given(parts(TIMED + COUNTED), st.booleans())
def test_a_static_show_closes_up_and_keeps_every_segment_of_its_content(
    made: list[Part], says_total: bool
) -> None:
    data = show([*made[:-1], replace(made[-1], says_duration=True)], says_total=says_total)
    wanted = content(data)
    after = reader.read(treated(data))

    if not wanted:
        assert treated(data) == data
        assert set(found_in(data).left.values()) == {feasible.EMPTY}
        return
    start = Fraction(0)
    for one, was in zip(after, wanted, strict=True):
        assert was.start is not None
        assert one.id == was.id
        assert one.start == start
        assert one.seconds == was.seconds
        moved = start - was.start
        assert one.segments == {
            name: [replace(segment, start=segment.start + moved) for segment in segments]
            for name, segments in was.segments.items()
        }
        assert one.events == [replace(event, at=event.at + moved) for event in was.events]
        start += was.seconds
    assert total(treated(data)) == (start if says_total else None)
    assert treated(treated(data)) == treated(data)


def total(data: bytes) -> Fraction | None:
    value: str | None = dash_corpus.tree(data).get("mediaPresentationDuration")
    return reader.seconds(value)


@given(parts(TIMED), st.sampled_from([AdPolicy.STRIP, AdPolicy.GAP]))
def test_a_live_show_leaves_holes_and_moves_nothing(made: list[Part], policy: AdPolicy) -> None:
    data = show(made, says_total=False, attributes=LIVE.format(at=1))
    wanted = content(data)
    after = reader.read(treated(data, policy=policy))

    if not wanted:
        assert treated(data, policy=policy) == data
        return
    assert [one.id for one in after] == [one.id for one in wanted]
    assert [one.segments for one in after] == [one.segments for one in wanted]
    assert [one.start for one in after] == [one.start for one in wanted]
    assert [one.end for one in after] == [one.end for one in wanted]
    assert [one.events for one in after] == [one.events for one in wanted]


@given(parts(TIMED + COUNTED))
def test_with_gap_a_static_show_keeps_its_times_too(made: list[Part]) -> None:
    data = show(made)
    after = reader.read(treated(data, policy=AdPolicy.GAP))
    wanted = content(data) or reader.read(data)

    assert [(one.start, one.end) for one in after] == [(one.start, one.end) for one in wanted]
    assert total(treated(data, policy=AdPolicy.GAP)) == wanted[-1].end


def counted(attributes: str) -> bytes:
    content, ad = ((Part(name, 5, COUNTED[0], seconds=Decimal(10))) for name in ("c", "ad"))
    return show([content, ad, replace(content, id="d")], says_total=False, attributes=attributes)


def test_a_live_period_whose_segments_are_only_counted_gets_no_hole_behind_it() -> None:
    data = counted(LIVE.format(at=1))

    assert treated(data) == data
    assert set(found_in(data).left.values()) == {feasible.COUNTED}


def test_segments_that_are_only_counted_end_where_a_hole_begins() -> None:
    made = treated(counted(' type="static"'), policy=AdPolicy.GAP)

    assert made.count(b'endNumber="5"') == 1
    assert b"endNumber" not in treated(counted(' type="static"'))


def test_a_row_that_repeats_to_the_end_is_counted_before_a_hole() -> None:
    part = Part("c", 1, (Clock("v", 1000, (2000,), "time"),), seconds=Decimal(10))
    data = show(
        [part, replace(part, id="ad"), replace(part, id="d")],
        says_total=False,
        attributes=LIVE.format(at=1),
    ).replace(b'd="2000"/>', b'd="2000" r="-1"/>')

    made = treated(data)

    assert re.findall(rb'\sr="([^"]*)"', made) == [b"4", b"-1"]


@pytest.mark.parametrize("policy", [AdPolicy.OFF, AdPolicy.EXPLAIN])
def test_other_policies_change_nothing(policy: AdPolicy) -> None:
    data = mpd('<Period id="ad" duration="PT5S"/><Period id="c"><AdaptationSet/></Period>')

    assert treated(data, policy=policy) == data


def test_digits_that_a_float_would_lose_stay() -> None:
    data = mpd(
        '<Period id="a" start="PT0S" duration="PT6S"><AdaptationSet/></Period>'
        '<Period id="ad" start="PT6S"/>'
        '<Period id="b" start="PT12.708333333S" duration="PT0.1S"><AdaptationSet/></Period>'
        '<Period id="ad2" start="PT12.808333333S" duration="PT1H0.000000001S"/>',
        ' mediaPresentationDuration="PT1H12.808333334S"',
    )

    made = treated(data)

    assert b'<Period id="b" start="PT6S" duration="PT0.1S">' in made
    assert b'mediaPresentationDuration="PT6.1S"' in made


def test_what_followed_from_a_neighbour_that_goes_is_written_down() -> None:
    data = mpd(
        '<Period id="a"><AdaptationSet/></Period><Period id="ad" start="PT10S" duration="PT5S"/>'
        '<Period id="b"><AdaptationSet/></Period>',
        ' type="dynamic" minimumUpdatePeriod="PT2S"',
    )

    a, b = reader.read(treated(data))

    assert a.start == 0
    assert a.end == 10
    assert b.start == 15


def test_the_end_of_a_recorded_live_show_moves_before_its_last_ad() -> None:
    body = (
        '<Period id="a" start="PT0S"><AdaptationSet/></Period>'
        '<Period id="ad" start="PT10S"><AdaptationSet/></Period>'
    )
    ended = mpd(body, ' type="dynamic" mediaPresentationDuration="PT30S"')
    going_on = mpd(
        body, ' type="dynamic" mediaPresentationDuration="PT30S" minimumUpdatePeriod="PT2S"'
    )

    assert total(treated(ended)) == 10
    assert total(treated(going_on)) == 30


def test_an_mpd_of_nothing_but_ads_is_not_emptied() -> None:
    data = mpd(
        '<Period id="nothing"/><Period id="ad1" duration="PT5S"><AdaptationSet/></Period>'
        '<Period id="ad2" duration="PT5S"><AdaptationSet/></Period>'
    )
    found = found_in(data)

    assert treated(data) == data
    assert found.left == {found.breaks[0].key: feasible.EMPTY}


def test_a_live_period_without_a_place_in_time_does_not_get_one() -> None:
    data = mpd(
        '<Period id="a" start="PT0S" duration="PT9S"><AdaptationSet/></Period>'
        '<Period id="ad" start="PT9S"/><Period id="b"><AdaptationSet/></Period>',
        ' type="dynamic" minimumUpdatePeriod="PT2S"',
    )

    assert treated(data) == data
    assert set(found_in(data).left.values()) == {feasible.UNTIMED}


def test_a_break_whose_length_nobody_knows_is_left_where_starts_depend_on_it() -> None:
    data = mpd(
        '<Period id="a"><AdaptationSet/></Period><Period id="ad"/>'
        '<Period id="b" start="PT50S"><AdaptationSet/></Period>'
    )

    assert treated(data) == data
    assert set(found_in(data).left.values()) == {feasible.UNTIMED}


def test_content_protection_that_others_refer_to_is_not_lost() -> None:
    data = mpd(
        '<Period id="ad" duration="PT1S"><AdaptationSet><ContentProtection refId="k"/>'
        '</AdaptationSet></Period><Period id="b" duration="PT1S"><AdaptationSet>'
        "<ContentProtection ref='k'/></AdaptationSet></Period>"
    )

    assert treated(data) == data
    assert set(found_in(data).left.values()) == {feasible.REFERRED}


def test_a_property_that_names_a_period_that_went_goes_too() -> None:
    data = mpd(
        '<Period id="ad" duration="PT1S"><AdaptationSet/></Period><Period id="b" duration="PT1S">'
        '<AdaptationSet><SupplementalProperty schemeIdUri="urn:mpeg:dash:period-continuity:2015" '
        'value="ad"/><SupplementalProperty schemeIdUri="urn:mpeg:dash:period-connectivity:2015" '
        'value="b0"/></AdaptationSet></Period>'
    )

    made = treated(data)

    assert b"continuity" not in made
    assert b"period-connectivity" in made


def test_the_origins_patches_are_not_offered_where_breaks_are_taken_out() -> None:
    content = '<Period id="a" start="PT0S"><AdaptationSet/></Period>'
    without_ads = mpd(PATCHES + content, LIVE.format(at=1))
    with_ads = mpd(f'{PATCHES}{content}<Period id="ad" start="PT9S"/>', LIVE.format(at=3))

    # The patch from the first to the second would bring the ad.
    assert b"PatchLocation" not in treated(without_ads)
    assert b"PatchLocation" not in treated(with_ads)
    assert b"PatchLocation" in treated(with_ads, policy=AdPolicy.EXPLAIN)


def moment(now: int) -> bytes:
    """A live channel: a minute of content, twenty seconds of ads, and so on; a window of two minutes."""
    clocks = (Clock("v", 1000, (2000,), "time"), Clock("a", 48000, (96000,), "time"))
    body = "<Location>https://live.example/one.mpd</Location>" + PATCHES
    start = 0
    for number in range(20):
        length = 20 if number % 2 else 60
        lasts = min(length, now - start)
        if lasts >= 2 and start + length > now - 120:
            name = f"{'ad' if number % 2 else 'c'}{number}"
            events = ""
            if number % 2 == 0:
                events = f'<EventStream schemeIdUri="urn:x"><Event presentationTime="{start}"/></EventStream>'
            part = Part(name, lasts // 2, clocks, says_duration=False, events=events)
            body += part.xml(Decimal(start))
        start += length
    minutes, seconds = divmod(now, 60)
    more = f' id="m" type="dynamic" publishTime="2024-01-01T00:{minutes:02}:{seconds:02}Z"'
    return mpd(body + "\n", more + ' minimumUpdatePeriod="PT2S"')


@pytest.mark.parametrize("step", [6, 14, 22])
def test_a_stripped_channel_goes_on_by_patches_of_our_own(step: int) -> None:
    seen: dict[str, reader.Segment] = {}
    ends: dict[str, Fraction | None] = {}
    old = advertise_patch(treated(moment(10)), "p.mpp", 60)
    for now in range(10 + step, 400, step):
        new = advertise_patch(treated(moment(now)), "p.mpp", 60)
        patch = make_patch(old, new)
        assert patch is not None
        assert canonical(apply_patch(old, patch)) == canonical(new)
        old = new
        for period in reader.read(new):
            assert (period.id or "").startswith("c")
            assert ends.setdefault(str(period.id), period.end) in (None, period.end)
            ends[str(period.id)] = period.end
            for segment in (one for track in period.segments.values() for one in track):
                assert seen.setdefault(segment.name, segment) == segment
    assert len(seen) > 200


def test_an_ad_period_goes_by_its_cue_as_by_its_id() -> None:
    cue = opening(7, 6)
    stream = (
        f'<EventStream schemeIdUri="urn:scte:scte35:2013:xml"><Event>{cue}</Event></EventStream>'
    )
    clocks = (Clock("v", 1000, (2000,), "time"),)
    data = show(
        [
            Part("c1", 3, clocks, seconds=Decimal(6)),
            Part("x", 3, clocks, events=stream, seconds=Decimal(6)),
            Part("c2", 3, clocks, seconds=Decimal(6)),
        ]
    )

    assert [one.id for one in reader.read(treated(data, BY_CUE))] == ["c1", "c2"]
    assert treated(data, BY_ID) == data


@pytest.mark.parametrize("library", ["mpd-parser", "mpegdash"])
def test_other_readers_see_the_content_and_its_seconds(library: str) -> None:
    clocks = (Clock("v", 1000, (2000,), "time"), Clock("a", 48000, (96000,), "numbered"))
    names = ["c1", "ad1", "ad2", "c2", "ad3", "c3", "ad4"]
    made = [Part(name, 3, clocks, seconds=Decimal(6)) for name in names]
    document = Document(data=treated(show(made)), url="https://o.example/m.mpd")

    reading = (node if library in node.DASH else pypi).read_all(library, {"one": document})["one"]

    assert reading.saw is not None
    if library == "mpegdash":
        periods = reading.saw["periods"]
        assert [(one["id"], one["start"]) for one in periods] == [
            ("c1", "PT0S"),
            ("c2", "PT6S"),
            ("c3", "PT12S"),
        ]
        assert reading.saw["media_presentation_duration"] == "PT18S"
    else:
        assert reading.saw["header"][0] == 18
        video = [uri for uri in reading.uris if uri and "-v/" in uri]
        assert [uri.split("/")[-2] for uri in video] == ["c1-v"] * 3 + ["c2-v"] * 3 + ["c3-v"] * 3
        for playlist in reading.saw["playlists"]:
            segments = playlist[4]
            assert sum(segment[0] for segment in segments) == 18
            times = [segment[3] for segment in segments]
            assert all(after - before == 2 for before, after in pairwise(times))


def test_two_rules_each_decide_for_themselves() -> None:
    data = mpd(
        '<Period id="x" duration="PT1S"><BaseURL>https://ads.example/</BaseURL></Period>'
        '<Period id="c" duration="PT1S"><AdaptationSet/></Period>'
    )
    half = (text("period-id", "^x", 30), text("period-url", "ads", 30))

    assert treated(data, rules(*half)) == data  # one family, one witness
    assert treated(data, rules(half[0], threshold=30)) != data
