from __future__ import annotations

from decimal import Decimal

import pytest

from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.rules import Rules, Tag
from tests.manifests.ads.playlists import (
    AD,
    AD_ENDS,
    CHAPTER,
    breaks,
    doubtful,
    found,
    media,
    rules,
    splice,
)

OUT, IN = "#EXT-X-CUE-OUT", "#EXT-X-CUE-IN"
# splice_insert out of the network for 8 s
INSERT_OUT = "/DAlAAAAAAAAAP/wFAUAAABRf+/+AAAAAP4ACvyAAAcBAQAAlJ6tRA=="


@pytest.mark.parametrize(
    "opening",
    [
        "#EXT-X-CUE-OUT:8",
        "#EXT-X-CUE-OUT:8.0",
        '#EXT-X-CUE-OUT:"8.0"',
        "#EXT-X-CUE-OUT:DURATION=8",
        "#EXT-X-CUE-OUT:8,SpliceType=VOD_DAI,Action=REPLACE, PAID=x",
        f'#EXT-X-CUE-OUT:ID=4,CUE="{AD}"',
        '#EXT-X-CUE:DURATION="8.0",ID="0",TYPE="SpliceOut",TIME="4.1"',
        "#EXT-X-SCTE35:TYPE=0x34,DURATION=8.0,CUE-OUT=YES,CUE=“/DA”",
        f"#EXT-OATCLS-SCTE35:{AD}",
        f"#EXT-X-SPLICEPOINT-SCTE35:{AD}",
        f'#EXT-X-SCTE35:CUE="{AD}"',
        "#EXT-X-CUE-OUT-CONT:2/10",
        "#EXT-X-CUE-OUT-CONT:2.0/10.0,SpliceType=x",
        "#EXT-X-CUE-OUT-CONT:ElapsedTime=2,Duration=10,SCTE35=/DA",
        "#EXT-X-SCTE35:CUE-OUT=CONT,ELAPSED=2,DURATION=10",
    ],
)
def test_an_opening_says_how_long_the_break_is(opening: str) -> None:
    assert breaks(media("4", opening, "4", "4", "4", "4")) == [(1, 2)]


@pytest.mark.parametrize(
    "closing",
    [
        IN,
        f"{IN}:4,SpliceType=x",
        '#EXT-X-CUE:TYPE="SpliceIn",ID="0"',
        "#EXT-X-SCTE35:CUE-IN=YES",
    ],
)
def test_a_closing_ends_the_break_before_its_declared_end(closing: str) -> None:
    assert breaks(media("4", f"{OUT}:20", "4", "4", closing, "4", "4")) == [(1, 2)]


def test_what_closes_late_leaves_the_rest_in_doubt() -> None:
    data = media("4", f"{OUT}:8", "4", "4", "4", "4", IN, "4")

    assert breaks(data) == [(1, 2)]
    assert doubtful(data) == [(3, 4)]


def test_a_closing_without_an_opening_takes_nothing() -> None:
    data = media("4", "4", IN, "4")

    assert breaks(data) == []
    assert doubtful(data) == [(0, 1)]


def test_nothing_is_in_doubt_before_a_second_closing() -> None:
    assert doubtful(media(OUT, "4", IN, "4", IN, "4")) == []


def test_an_opening_that_nobody_can_read_leaves_the_break_in_doubt() -> None:
    for more in ((IN, "4"), ()):
        data = media("4", f"{OUT}:INVALID", "4", "#EXT-X-CUE-OUT-CONT:4/8", "4", *more)

        assert breaks(data) == []
        assert doubtful(data) == [(1, 2)]


def test_what_has_neither_end_nor_length_ends_after_so_many_seconds() -> None:
    short = rules(splice=splice(max_seconds=Decimal(9)))
    data = media("4", OUT, "4", "4", "4", "4")

    assert breaks(data) == [(1, 4)]
    assert found(data).breaks[0].open_end
    assert breaks(data, short) == [(1, 3)]
    assert not found(data, short).breaks[0].open_end


def test_a_break_of_which_the_window_has_the_beginning_is_open() -> None:
    (one,) = found(media("4", f"{OUT}:30", "4", "4")).breaks
    assert one.open_end

    (whole,) = found(media("4", f"{OUT}:8", "4", "4")).breaks
    assert not whole.open_end


def test_the_window_may_begin_inside_a_break() -> None:
    data = media("4", "#EXT-X-CUE-OUT-CONT", "4", "4", IN, "4")

    assert breaks(data) == [(1, 2)]
    assert doubtful(data) == [(0, 0)]  # nothing says whether it was in it
    assert breaks(media("4", "#EXT-X-CUE-SPAN:TIMEFROMSIGNAL=PT9S,ID=1", "4", IN, "4")) == [(1, 1)]


def test_the_first_that_goes_on_says_how_long_a_break_without_length_is() -> None:
    data = media("4", OUT, "4", "#EXT-X-CUE-OUT-CONT:4/8", "4", "#EXT-X-CUE-OUT-CONT:8/8", "4", "4")

    assert breaks(data) == [(1, 2)]


def test_an_opening_of_no_length_is_a_place_and_no_break() -> None:
    assert found(media("4", f"{OUT}:0", "4", IN, "4")).breaks == ()


def test_lengths_of_tags_and_media_may_differ_by_what_packagers_round() -> None:
    assert breaks(media(f"{OUT}:30", *["6.006"] * 6)) == [(0, 4)]
    assert breaks(media(f"{OUT}:30", *["5.99"] * 6)) == [(0, 4)]


def test_a_second_opening_ends_the_first() -> None:
    (one,) = found(media(f"{OUT}:4", "4", f"{OUT}:4", "4", "4")).breaks

    assert (one.first_index, one.last_index) == (0, 1)
    assert (
        one.sentences[0]
        == "line 3: EXT-X-CUE-OUT opens a break of 4 s, until line 6: EXT-X-CUE-OUT opens another"
    )


def test_tags_between_extinf_and_uri_belong_to_that_uri() -> None:
    data = media("4", "#EXTINF:4,", OUT, "ad.ts", "#EXTINF:4,", IN, "b.ts")

    assert breaks(data) == [(1, 1)]


def test_a_uri_without_extinf_lasts_no_time() -> None:
    assert breaks(media(f"{OUT}:4", "x.ts", "4", "y.ts", "4")) == [(0, 1)]


def test_a_chapter_beside_a_cue_out_is_no_break() -> None:
    data = media(
        "4",
        f"#EXT-OATCLS-SCTE35:{CHAPTER}",
        f"{OUT}:8",
        "4",
        "#EXT-X-CUE-OUT-CONT:4/8",
        "4",
        IN,
        "4",
    )

    assert found(data).breaks == ()


def test_a_rule_may_narrow_what_it_takes_for_a_break() -> None:
    opportunities = rules(splice=splice(types=frozenset({0x34})))
    data = media("4", f"#EXT-OATCLS-SCTE35:{AD}", f"{OUT}:8", "4", "4", "4")

    assert breaks(data) == [(1, 2)]
    assert breaks(data, opportunities) == []
    assert breaks(media("#EXT-X-SCTE35:TYPE=0x30,CUE-OUT=YES", "4"), opportunities) == []
    assert breaks(media("#EXT-X-SCTE35:TYPE=52,CUE-OUT=YES", "4"), opportunities) == [(0, 0)]


def test_the_tags_own_length_goes_before_the_payloads() -> None:
    data = media("4", f"#EXT-OATCLS-SCTE35:{AD}", f"{OUT}:4", "4", "4", "4")

    assert breaks(data) == [(1, 1)]


def test_an_event_closes_what_has_its_id() -> None:
    data = media("4", f"#EXT-X-SPLICEPOINT-SCTE35:{INSERT_OUT}", "4", f"#EXT-OATCLS-SCTE35:{AD}", "1",
                 f"#EXT-OATCLS-SCTE35:{AD_ENDS}", "3", "4")  # fmt: skip

    assert breaks(data) == [(1, 3)]


def test_a_rule_reads_only_the_tags_that_it_names() -> None:
    only = rules(splice=splice(tags=frozenset({"oatcls"})))

    assert breaks(media(OUT, "4", IN, "4"), only) == []
    assert breaks(media(f"#EXT-OATCLS-SCTE35:{AD}", "4", "4", "4"), only) == [(0, 1)]


def test_a_tag_may_weigh_less_than_the_others() -> None:
    careful = rules(splice=splice(weights={"cue": 40}))

    assert breaks(media(OUT, "4", IN, "4"), careful) == []
    assert breaks(media("#EXT-X-SCTE35:CUE-OUT=YES", "4", IN, "4"), careful) == [(0, 0)]


def test_what_opens_behind_the_last_segment_is_announced() -> None:
    data = media("4", f"{OUT}:8", '#EXT-X-PART:DURATION=1,URI="p.mp4"')

    assert found(data).breaks == ()
    assert found(data).announced == ("line 5: EXT-X-CUE-OUT opens a break behind the last segment",)
    assert found(media("4", OUT, IN)).announced == ()
    assert found(media("4", f"{OUT}:0")).announced == ()


def test_line_ends_do_not_matter() -> None:
    for end in ("\n", "\r\n", "\r"):
        assert breaks(media("4", OUT, "4", IN, "4", end=end)) == [(1, 1)]


def test_a_longer_name_is_another_tag() -> None:
    assert breaks(media("4", "#EXT-X-CUE-OUTER:8", "4", "#EXT-X-CUE-OUT-X:8", "4")) == []


def vendor(opens: str = "", closes: str = "", covers: str = "") -> Rules:
    return rules(
        Tag(
            name="X-AD",
            opens=Pattern(opens) if opens else None,
            closes=Pattern(closes) if closes else None,
            covers=Pattern(covers) if covers else None,
            max_seconds=Decimal(9),
            weight=60,
        )
    )


def test_a_vendors_tag_opens_and_closes() -> None:
    by = vendor(opens="^start(,(?P<seconds>[0-9.]+))?", closes="^stop")

    assert breaks(media("4", "#X-AD:start", "4", "4", "#X-AD:stop", "4"), by) == [(1, 2)]
    assert breaks(media("4", "#X-AD:start,4", "4", "4", "4"), by) == [(1, 1)]
    assert breaks(media("4", "#X-AD:start", "4", "4", "4", "4", "4"), by) == [(1, 3)]
    assert breaks(media("4", "#X-AD", "4", "#X-ADS:start", "4"), by) == []


def test_a_vendors_tag_closes_only_what_has_its_id() -> None:
    by = vendor(opens="^start=(?P<id>.+)", closes="^stop=(?P<id>.+)")

    assert breaks(media("#X-AD:start=1", "4", "#X-AD:stop=2", "4", "#X-AD:stop=1", "4"), by) == [
        (0, 1)
    ]


def test_a_vendors_tag_covers_one_segment() -> None:
    by = vendor(covers=",ad$")

    assert breaks(media("#X-AD:1,ad", "4", "#X-AD:2,content", "4", "#X-AD:3,ad", "4"), by) == [
        (0, 0),
        (2, 2),
    ]
    assert found(media("4", "#X-AD:1,ad"), by).breaks == ()
