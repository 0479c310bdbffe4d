from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge.manifests.ads.dash.find import MANY, MOST_PERIODS
from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rule_files import read
from edge.manifests.ads.rules import BadRuleFile, Text
from edge.manifests.ads.treat import UNTOLD, treat_dash, treat_hls
from edge.manifests.ads.treated import Treated
from edge.manifests.limits import DEFAULT, Limits
from tests.manifests.ads.dash_shows import mpd
from tests.manifests.ads.playlists import breaks, found, media, rules, shipped

NAMED = ("scte35",)
DATE = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{}Z"
OPEN = '#EXT-X-DATERANGE:ID="{}",CLASS="{}",START-DATE="2026-01-01T00:00:{}Z",END-ON-NEXT=YES'
STITCHED = "twitch-stitched-ad"
CUE = (
    '<EventStream schemeIdUri="urn:scte:scte35:2013:xml"><Event presentationTime="{}"><Signal>'
    '<SegmentationDescriptor segmentationEventId="{}" segmentationTypeId="48" segmentationDuration="360000"/>'
    "</Signal></Event></EventStream>"
)
SET = (
    '<AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$Number$" duration="4"/>'
    '<Representation id="1"/></AdaptationSet>'
)


def of_playlist(data: bytes, policy: AdPolicy, limits: Limits = DEFAULT) -> Treated:
    treatment = Treatment(policy=policy, rules=NAMED)
    return treat_hls(data, treatment, shipped(*NAMED), base=None, limits=limits)


def of_mpd(data: bytes, policy: AdPolicy, limits: Limits = DEFAULT) -> Treated:
    treatment = Treatment(policy=policy, rules=NAMED)
    return treat_dash(data, treatment, shipped(*NAMED), base=None, limits=limits)


def test_a_date_range_that_ends_on_the_next_one_of_its_class_ends_there() -> None:
    ad = OPEN.format("ad", STITCHED, "04")
    other = OPEN.format("o", "chapter", "08")
    after = (
        f'#EXT-X-DATERANGE:ID="b",CLASS="{STITCHED}",START-DATE="2026-01-01T00:00:12Z",DURATION=4'
    )
    segments = [DATE.format("00"), "4", "4", "4", "4", "4", "4"]

    assert breaks(media(ad, other, after, *segments), shipped("twitch")) == [(1, 3)]
    assert breaks(media(ad, other, *segments), shipped("twitch")) == [(1, 5)]


def test_a_date_behind_the_last_segment_is_not_said_again_where_nothing_goes() -> None:
    data = media("4", "#EXT-X-CUE-OUT:4", "4", "#EXT-X-CUE-IN", "4", DATE.format("20"))
    treated = of_playlist(data, AdPolicy.GAP)

    assert treated.removed == 1
    assert treated.body.count(b"PROGRAM-DATE-TIME") == 1


@pytest.mark.parametrize("tight", [{"bytes": 200}, {"lines": 12}])
def test_comments_that_make_a_playlist_too_large_are_left_out(tight: dict[str, int]) -> None:
    data = media("4", "#EXT-X-CUE-OUT:4", "4", "#EXT-X-CUE-IN", "4")
    treated = of_playlist(data, AdPolicy.EXPLAIN, replace(DEFAULT, **tight))

    assert treated.body == data
    assert treated.warnings == (UNTOLD,)
    assert len(treated.found.certain) == 1


def test_comments_that_make_an_mpd_too_large_are_left_out() -> None:
    data = mpd(f'<Period duration="PT4S">{CUE.format(0, 1)}{SET}</Period>')
    treated = of_mpd(data, AdPolicy.EXPLAIN, replace(DEFAULT, bytes=len(data) + 10))

    assert treated.body == data
    assert treated.warnings == (UNTOLD,)


def test_parts_of_periods_with_one_id_have_short_names_of_their_own() -> None:
    count = 200
    period = f'<Period id="a" duration="PT100S">{CUE.format(4, 1)}{SET}</Period>'
    treated = of_mpd(mpd(period * count), AdPolicy.STRIP)
    names = re.findall(rb'<Period [^>]*\bid="([^"]*)"', treated.body)

    assert treated.removed == count
    assert names.count(b"a") == count
    assert len(set(names)) == count + 1
    assert max(map(len, names)) <= len("a.k200")


def test_breaks_in_periods_that_are_mostly_something_else_do_not_multiply_it() -> None:
    cues = "".join(CUE.format(16 * n + 4, n) for n in range(20))
    period = f'<Period duration="PT1000S">{cues}{SET}<!--{"x" * 100_000}--></Period>'
    data = mpd(period * 20)
    treated = of_mpd(data, AdPolicy.STRIP)

    assert 0 < treated.removed < 400
    assert len(treated.body) <= DEFAULT.bytes
    assert treated.warnings


def test_an_mpd_of_too_many_periods_stays_as_it_is_and_says_so() -> None:
    periods = f'<Period duration="PT4S">{CUE.format(0, 1)}{SET}</Period><Period duration="PT4S">{SET}</Period>'
    few, many = mpd(periods), mpd(periods + '<Period duration="PT1S"/>' * MOST_PERIODS)

    assert of_mpd(few, AdPolicy.STRIP).removed == 1
    treated = of_mpd(many, AdPolicy.STRIP)
    assert treated.body == many
    assert any(MANY in warning for warning in treated.warnings)


def test_what_stands_in_a_query_is_not_told() -> None:
    signal = Text(kind="query", pattern=Pattern("ad=1"), weight=60, family="place")
    data = media("#EXTINF:4,", "a.ts?ad=1&token=s3cret", "4")
    [one] = found(data, rules(signal)).certain

    assert (one.first_index, one.last_index) == (0, 0)
    assert "s3cret" not in "".join(one.sentences)


def test_a_pattern_that_would_match_everything_by_mistake_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    head = 'schema = 1\nname = "mine"\nversion = 1\nabout = "Mine."\n'
    file.write_text(head + "[[signal]]\nkind = 'title'\npattern = ''\nweight = 60\n")

    with pytest.raises(BadRuleFile, match="everything"):
        read(file)
