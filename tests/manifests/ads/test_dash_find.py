from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.dash.times import parse, written
from edge.manifests.ads.evidence import Break, Found
from edge.manifests.ads.rules import NO_RULES, Plain, Rule, Rules, Shape, Text
from tests.manifests.ads.dash_shows import (
    BY_CUE,
    BY_ID,
    SCTE_BINARY,
    SCTE_XML,
    SPLICE,
    found_in,
    mpd,
    opening,
    rules,
    splice_insert,
    text,
)

OUT_30 = "/DAlAAAAAAAAAP/wFAUAAA+if+/+INAJ0P4AKTLgAAAAAAAA9UTkTA=="  # insert 4002, 30 s
IN = "/DAgAAAAAAAAAP/wDwUAAA+if0/+IPk8sAAAAAAAAH3XbUE="
SHAPE = Shape(
    changes=frozenset({"discontinuity"}), max_seconds=Decimal(130), weight=10, family="shape"
)


def with_events(*events: str, scheme: str = SCTE_XML, head: str = ' timescale="10"') -> bytes:
    stream = f'<EventStream schemeIdUri="{scheme}"{head}>{"".join(events)}</EventStream>'
    return mpd(f'<Period id="p" duration="PT100S">{stream}<AdaptationSet/></Period>')


def event(at: float, cue: str, more: str = "") -> str:
    return f'<Event presentationTime="{round(at * 10)}"{more}>{cue}</Event>'


def ranges(found: Found) -> list[tuple[float, float]]:
    return [
        (float(one.time_range[0]), float(one.time_range[1]))
        for one in found.certain
        if one.time_range
    ]


def the_only(found: Found) -> Break:
    (one,) = found.breaks
    return one


def test_without_a_named_rule_nothing_is_found() -> None:
    assert found_in(mpd('<Period id="ad" duration="PT5S"/>'), NO_RULES) == Found()


@pytest.mark.parametrize(
    ("scheme", "cue"),
    [
        (SCTE_XML, opening(1, 30)),
        (SCTE_XML, splice_insert(1, out=True, seconds=30)),
        (SCTE_XML, f"<x:SIGNAL xmlns:x='urn:y'>{opening(1, 30).lower()}</x:SIGNAL>"),
        (SCTE_XML, opening(1, 30).replace("<", "<scte35:").replace("<scte35:/", "</scte35:")),
        (SCTE_BINARY, f"<Signal><Binary>{OUT_30}</Binary></Signal>"),
        (
            SCTE_BINARY,
            f"<scte35:signal><scte35:binary>\n {OUT_30} \n</scte35:binary></scte35:signal>",
        ),
        ("URN:SCTE:SCTE35:2014:BIN", OUT_30),
    ],
)
def test_a_cue_is_read_in_every_dress(scheme: str, cue: str) -> None:
    assert ranges(found_in(with_events(event(10, cue), scheme=scheme), BY_CUE)) == [(10, 40)]


def test_a_cue_may_stand_in_an_attribute() -> None:
    data = with_events(event(10, "", f' messageData="{OUT_30}"'))

    assert ranges(found_in(data, BY_CUE)) == [(10, 40)]


def test_events_count_from_the_offset_of_their_stream() -> None:
    head = ' timescale="10" presentationTimeOffset="1000"'

    assert ranges(found_in(with_events(event(110, opening(1, 5)), head=head), BY_CUE)) == [(10, 15)]


def test_an_end_before_the_declared_one_counts() -> None:
    data = with_events(
        event(10, f"<Signal><Binary>{OUT_30}</Binary></Signal>"),
        event(22, f"<Signal><Binary>{IN}</Binary></Signal>"),
    )

    assert ranges(found_in(data, BY_CUE)) == [(10, 22)]


def test_the_end_of_another_event_does_not_end_a_measured_break() -> None:
    data = with_events(event(10, opening(1, 30)), event(15, opening(2, None, 0x35)))

    assert ranges(found_in(data, BY_CUE)) == [(10, 40)]


def test_breaks_within_one_another_are_one() -> None:
    data = with_events(
        event(10, opening(1, 30)), event(10, opening(2, 15, 0x30)), event(25, opening(3, 20, 0x30))
    )

    one = the_only(found_in(data, BY_CUE))

    assert ranges(found_in(data, BY_CUE)) == [(10, 45)]
    assert one.seconds == 35
    assert one.rule == "test@1"
    assert one.signals == ("event",)


@pytest.mark.parametrize("kind", [0x10, 0x20, 0x40, 0x50])
def test_programmes_and_chapters_are_no_breaks(kind: int) -> None:
    assert not found_in(with_events(event(10, opening(1, 30, kind))), BY_CUE).breaks


@pytest.mark.parametrize("seconds", [0, 0.0])
def test_what_lasts_no_time_is_no_break(seconds: float) -> None:
    assert not found_in(with_events(event(10, opening(1, seconds))), BY_CUE).breaks


def test_an_event_gives_the_length_that_its_cue_does_not() -> None:
    data = with_events(event(10, opening(1, None), ' duration="125"'))

    assert ranges(found_in(data, BY_CUE)) == [(10, 22.5)]


def test_lengths_that_differ_are_told_and_not_believed() -> None:
    found = found_in(with_events(event(10, opening(1, 30), ' duration="20"')), BY_CUE)

    assert the_only(found).ambiguous
    assert found.certain == ()
    assert "says 2 s, its cue 30 s" in the_only(found).sentences[0]


def test_a_break_of_unknown_length_in_the_middle_is_told_and_not_believed() -> None:
    found = found_in(with_events(event(10, opening(1, None))), BY_CUE)

    assert the_only(found).ambiguous
    assert the_only(found).open_end


def test_a_period_that_opens_with_an_ad_is_an_ad() -> None:
    for cue in (opening(1, None), opening(1, 100), splice_insert(1, out=True)):
        one = the_only(found_in(with_events(event(0, cue)), BY_CUE))
        assert (one.periods, one.time_range, int(one.seconds)) == ((0,), None, 100)


def test_a_period_longer_than_any_break_is_no_ad_as_a_whole() -> None:
    short = rules(splice=replace(SPLICE, max_seconds=Decimal(40)))

    found = found_in(with_events(event(0, opening(1, None))), short)

    assert ranges(found) == [(0, 40)]
    assert the_only(found).open_end


def test_events_behind_the_end_of_their_period_are_told_and_not_believed() -> None:
    found = found_in(with_events(event(120, opening(1, 30))), BY_CUE)

    assert the_only(found).ambiguous


def test_events_say_nothing_of_other_periods() -> None:
    stream = f'<EventStream schemeIdUri="{SCTE_XML}">{event(0, opening(1, 30))}</EventStream>'
    data = mpd(
        f'<Period id="a" duration="PT10S">{stream}</Period><Period id="b" duration="PT10S"/>'
    )

    assert [one.periods for one in found_in(data, BY_CUE).certain] == [(0,)]


@pytest.mark.parametrize(
    ("signal", "period"),
    [
        (text("period-id", "^ad-[0-9]"), '<Period id="ad-1" duration="PT9S">'),
        (
            text("period-url", "^https://o.example/ads/"),
            '<Period duration="PT9S"><BaseURL> ads/x/ </BaseURL>',
        ),
        (
            text("period-url", "^https://ads.example/"),
            '<Period duration="PT9S"><AdaptationSet><Representation><BaseURL>https://ads.example/1'
            "</BaseURL></Representation></AdaptationSet>",
        ),
        (
            text("asset-id", "^urn:ad"),
            '<Period duration="PT9S"><AssetIdentifier schemeIdUri="x" value="urn:ad:1"/>',
        ),
        (text("xlink", "/vast"), '<Period xlink:href="https://x.example/vast" duration="PT9S">'),
    ],
)
def test_a_period_is_known_by_what_a_rule_names(signal: Text, period: str) -> None:
    rest = '<Period id="c" duration="PT9S"><BaseURL>c/</BaseURL><AdaptationSet/></Period>'
    data = mpd(f"{rest}{period}</Period>{rest}")

    found = found_in(data, rules(signal), "https://o.example/m.mpd")

    assert [one.periods for one in found.certain] == [(1,)]
    assert the_only(found).seconds == 9
    assert signal.kind in the_only(found).sentences[0]


def test_one_representation_elsewhere_is_not_the_period_elsewhere() -> None:
    data = mpd(
        '<Period duration="PT9S"><AdaptationSet><Representation><BaseURL>https://ads.example/1'
        "</BaseURL></Representation><Representation/></AdaptationSet></Period>"
        '<Period duration="PT9S"><BaseURL>https://ads.example/</BaseURL><BaseURL>c/</BaseURL></Period>'
    )

    assert not found_in(data, rules(text("period-url", "ads"))).breaks


def test_a_short_period_and_another_host_weigh_little_but_add_up() -> None:
    period = (
        '<Period duration="PT{}S"><BaseURL>https://{}.example/</BaseURL><AdaptationSet/></Period>'
    )
    data = mpd(period.format(600, "c") + period.format(30, "x") + period.format(600, "c"))
    host = Plain(kind="minor-host", weight=20, family="place")

    assert not found_in(data, rules(SHAPE, host)).breaks
    one = the_only(found_in(data, rules(SHAPE, host, threshold=30)))
    assert (one.periods, one.score) == ((1,), 30)
    assert set(one.signals) == {"shape", "minor-host"}


def test_a_remote_period_within_one_asset_is_told_and_stays() -> None:
    asset = '<AssetIdentifier schemeIdUri="x" value="film"/>'
    data = mpd(
        f'<Period duration="PT9S">{asset}</Period><Period xlink:href="ad.xml"/>'
        f'<Period start="PT20S" duration="PT9S">{asset}</Period>'
    )

    one = the_only(found_in(data, rules(SHAPE)))

    assert (one.periods, one.ambiguous) == ((1,), True)


def test_ads_side_by_side_are_one_break_and_its_score_the_least_of_theirs() -> None:
    both = rules(text("period-id", "^ad", 60), text("period-id", "^ad2", 90))
    data = mpd(
        '<Period id="ad1" duration="PT5S"/><Period id="ad2" duration="PT6.5S"/>'
        '<Period id="c" duration="PT5S"><AdaptationSet/></Period><Period id="ad3" duration="PT1S"/>'
    )

    first, second = found_in(data, both).certain

    assert (first.periods, first.seconds, first.score) == ((0, 1), Decimal("11.5"), 60)
    assert (second.periods, int(second.seconds)) == ((3,), 1)
    assert first.key != second.key


def test_the_rule_that_is_surest_is_named() -> None:
    items = [
        Rule(name=name, version=2, threshold=50, signals=(text("period-id", "^ad", weight),))
        for name, weight in (("weak", 50), ("strong", 80), ("asleep", 40))
    ]

    one = the_only(found_in(mpd('<Period id="ad" duration="PT5S"/>'), Rules.of(items)))

    assert (one.rule, one.score) == ("strong@2", 80)


def test_keys_of_breaks_differ_though_ids_do_not() -> None:
    data = mpd('<Period id="ad" duration="PT5S"/><Period/>' * 3)

    assert len({one.key for one in found_in(data, BY_ID).breaks}) == 3


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (' timescale="0"', ""),
        (' timescale="-1"', ' presentationTime="x"'),
        ("", ' presentationTime="-5"'),
    ],
)
def test_a_clock_that_cannot_be_read_tells_nothing(head: str, more: str) -> None:
    data = with_events(f"<Event{more}>{opening(1, 5)}</Event>", head=head)
    found = found_in(data, BY_CUE)

    assert not found.certain or 'timescale="-1"' in head


HOSTILE = st.one_of(
    st.sampled_from(["", "x", "-1", "0", "99999999999999999999", "PT5S", "PT1e9S", "INF", "P9Y"]),
    st.text(alphabet="PTS0123456789.-", max_size=24),
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_number_is_odd_enough_to_be_an_error(
    start: str, duration: str, time: str, length: str, total: str
) -> None:
    data = mpd(
        f'<Period id="a" start="{start}" duration="{duration}"><EventStream timescale="{length}" '
        f'schemeIdUri="{SCTE_XML}"><Event presentationTime="{time}" duration="{length}">'
        f"{opening(1, 5)}</Event></EventStream><AdaptationSet><Representation>"
        f'<SegmentTemplate timescale="{length}" duration="{time}" presentationTimeOffset="{start}">'
        f'<SegmentTimeline><S t="{time}" d="{length}" r="{start}"/><S d="5" r="{time}"/>'
        "</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period>"
        f'<Period id="ad" start="{time}" duration="{start}"/>',
        f' mediaPresentationDuration="{total}"',
    )
    both = Rules.of([*BY_CUE.items, *BY_ID.items])

    assert all(one.seconds >= 0 for one in found_in(data, both).breaks)


@given(st.decimals(min_value=0, max_value=10**9, places=9))
def test_a_duration_is_read_as_it_was_written(seconds: Decimal) -> None:
    assert parse(written(seconds)) == seconds
