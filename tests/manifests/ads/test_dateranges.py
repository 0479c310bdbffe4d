from __future__ import annotations

import pytest

from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.rules import DateRange, Plain, Rules
from tests.manifests.ads.playlists import (
    OPPORTUNITY,
    PROGRAM,
    breaks,
    doubtful,
    found,
    media,
    rules,
)

DAY = "2026-01-01T00:00:"
DATE = f"#EXT-X-PROGRAM-DATE-TIME:{DAY}00Z"
SIX = (DATE, *["4"] * 6)


def out(more: str, *, id_: str = "a", payload: str = "0xFC00") -> str:
    return f'#EXT-X-DATERANGE:ID="{id_}",{more},SCTE35-OUT={payload}'


def test_a_date_range_is_placed_by_dates_and_not_by_where_it_stands() -> None:
    tag = out(f'START-DATE="{DAY}04Z",DURATION=8')

    assert breaks(media(tag, *SIX)) == [(1, 2)]
    assert breaks(media(*SIX, tag)) == [(1, 2)]
    assert breaks(media(*SIX, "#EXT-X-ENDLIST", tag)) == [(1, 2)]


@pytest.mark.parametrize(
    "length",
    ["DURATION=8", "PLANNED-DURATION=8", f'END-DATE="{DAY}12Z"', "DURATION=8,PLANNED-DURATION=60"],
)
def test_a_date_range_says_how_long_it_is(length: str) -> None:
    assert breaks(media(out(f'START-DATE="{DAY}04Z",{length}'), *SIX)) == [(1, 2)]


@pytest.mark.parametrize(
    "length", ["DURATION=0", "PLANNED-DURATION=0", f'END-DATE="{DAY}04Z"', f'END-DATE="{DAY}02Z"']
)
def test_a_date_range_that_ends_where_it_begins_is_a_place_for_a_break_and_none(
    length: str,
) -> None:
    assert breaks(media(out(f'START-DATE="{DAY}04Z",{length}'), *SIX)) == []


def test_the_payload_says_how_long_it_is_when_the_tag_does_not() -> None:
    assert breaks(media(out(f'START-DATE="{DAY}04Z"', payload=OPPORTUNITY), *SIX)) == [(1, 2)]


def test_a_program_is_no_break_whatever_the_attribute_is_called() -> None:
    data = media(out(f'START-DATE="{DAY}04Z",DURATION=8', payload=PROGRAM), *SIX)

    assert found(data).breaks == ()


def test_a_command_counts_only_if_it_can_be_read() -> None:
    start = f'#EXT-X-DATERANGE:ID="a",START-DATE="{DAY}04Z",DURATION=8,SCTE35-CMD='

    assert breaks(media(start + OPPORTUNITY, *SIX)) == [(1, 2)]
    assert breaks(media(start + "0xFC00", *SIX)) == []


@pytest.mark.parametrize(
    "closing", [f'START-DATE="{DAY}12Z",SCTE35-IN=0xFC00', "DURATION=8,SCTE35-IN=0xFC00"]
)
def test_tags_with_one_id_are_one_range(closing: str) -> None:
    end = f'#EXT-X-DATERANGE:ID="a",{closing}'
    data = media(
        DATE, "4", out(f'START-DATE="{DAY}04Z",PLANNED-DURATION=16'), "4", "4", end, "4", "4"
    )

    assert breaks(data) == [(1, 2)]


def test_a_range_with_another_id_closes_nothing() -> None:
    end = '#EXT-X-DATERANGE:ID="b",SCTE35-IN=0xFC00'
    data = media(DATE, "4", out(f'START-DATE="{DAY}04Z",DURATION=12'), "4", end, "4", "4", "4")

    assert breaks(data) == [(1, 3)]


def test_an_open_range_goes_on_behind_the_window() -> None:
    for length, open_end in ((",DURATION=30", True), ("", True), (",DURATION=20", False)):
        (one,) = found(media(out(f'START-DATE="{DAY}04Z"{length}'), *SIX)).breaks

        assert (one.first_index, one.last_index, one.open_end) == (1, 5, open_end)
        assert one.key == "daterange:a"


def test_a_range_that_began_before_the_window_is_found() -> None:
    data = media(out('START-DATE="2025-12-31T23:59:50Z",DURATION=18'), *SIX)

    assert breaks(data) == [(0, 1)]


def test_ranges_that_are_over_or_far_ahead_are_nothing() -> None:
    for start in ("2025-12-31T23:00:00Z", "2026-01-01T02:00:00Z"):
        data = media(out(f'START-DATE="{start}",DURATION=8'), *SIX)

        assert found(data).breaks == ()
        assert found(data).announced == ()


def test_a_range_that_begins_where_the_window_ends_is_announced() -> None:
    data = media(out(f'START-DATE="{DAY}24Z",DURATION=8'), *SIX)

    assert found(data).announced == (
        'line 3: EXT-X-DATERANGE "a" announces a break behind the last segment',
    )


def test_without_dates_to_place_it_a_range_is_in_doubt() -> None:
    tag = out(f'START-DATE="{DAY}04Z",DURATION=8')
    data = media("4", tag, "4", "4", "4")
    assert (breaks(data), doubtful(data)) == ([], [(1, 2)])

    astray = media(DATE, "4", out('START-DATE="2030-01-01T00:00:00Z",DURATION=8'), "4", "4", "4")
    assert (breaks(astray), doubtful(astray)) == ([], [(1, 2)])

    undated = media(DATE, "4", "#EXT-X-DATERANGE:ID=a,DURATION=8,SCTE35-OUT=0xFC00", "4", "4", "4")
    assert (breaks(undated), doubtful(undated)) == ([], [(1, 2)])


def test_a_cue_in_ends_a_range_that_begins_with_the_cue_out() -> None:
    data = media(
        DATE, "4", out(f'START-DATE="{DAY}04Z",PLANNED-DURATION=9.5'), "#EXT-X-CUE-OUT:9.5",
        "4", "4", "#EXT-X-CUE-IN", "4", "4",
    )  # fmt: skip

    assert breaks(data) == [(1, 2)]


def test_a_range_of_no_length_or_without_an_id_is_nothing() -> None:
    assert found(media(out(f'START-DATE="{DAY}04Z",DURATION=0'), *SIX)).breaks == ()
    unnamed = f'#EXT-X-DATERANGE:START-DATE="{DAY}04Z",DURATION=4,SCTE35-OUT=0xFC00'
    assert found(media(unnamed, *SIX)).breaks == ()


def test_dates_that_jump_back_are_searched_run_by_run() -> None:
    data = media(
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T00:00:00Z", "4", "4", "#EXT-X-DISCONTINUITY", *SIX,
        out(f'START-DATE="{DAY}04Z",DURATION=8'),
    )  # fmt: skip

    assert breaks(data) == [(3, 4)]


def test_dates_that_jump_back_too_often_place_nothing() -> None:
    jumps = [
        line for n in range(40, 10, -1) for line in (f"#EXT-X-PROGRAM-DATE-TIME:{DAY}{n}Z", "1")
    ]

    assert breaks(media(*jumps, out(f'START-DATE="{DAY}20Z",DURATION=1'))) == []


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x", "2" * 99]
)
def test_dates_at_the_end_of_time_are_no_error(date: str) -> None:
    data = media(
        out(f'START-DATE="{date}",END-DATE="{date}"'), f"#EXT-X-PROGRAM-DATE-TIME:{date}", *SIX
    )

    assert breaks(data) in ([], [(0, 5)])


def test_interstitials_are_listed_and_are_no_breaks() -> None:
    tag = '#EXT-X-DATERANGE:ID="i{}",CLASS="com.apple.hls.interstitial",START-DATE="2026-01-01T00:00:04Z",DURATION=8,'
    data = media(
        *SIX, "#EXT-X-ENDLIST", tag.format(1) + "SCTE35-OUT=0xFC00", tag.format(2), tag.format(1)
    )

    assert found(data).interstitials == ("i1", "i2")
    assert found(data).breaks == ()


def stitcher(*more: Plain) -> Rules:
    signal = DateRange(
        class_=Pattern("^stitched$"),
        id=None,
        attributes={},
        either=False,
        weight=60,
        without_pdt=50,
    )
    return rules(signal, *more)


def test_a_stitchers_range_is_placed_by_dates_or_where_it_stands() -> None:
    tag = f'#EXT-X-DATERANGE:ID="s",CLASS="stitched",START-DATE="{DAY}04Z",DURATION=8'

    assert breaks(media(tag, *SIX), stitcher()) == [(1, 2)]
    assert breaks(media("4", "4", tag, "4", "4", "4"), stitcher()) == [(2, 3)]
    assert breaks(media(tag, *SIX)) == []


def test_what_is_listed_ahead_in_an_announced_break_is_told() -> None:
    ahead = Plain(kind="prefetch-in-range", weight=50, family="stitcher")
    tag = f'#EXT-X-DATERANGE:ID="s",CLASS="stitched",START-DATE="{DAY}20Z",DURATION=8'
    data = media(tag, *SIX, "#EXT-X-TWITCH-PREFETCH:https://e.example/ahead.ts")

    assert found(data, stitcher(ahead)).announced == (
        "line 17: EXT-X-TWITCH-PREFETCH lies in an announced break",
    )
    assert found(data, stitcher()).announced == ()
