from __future__ import annotations

from functools import cache

import pytest

from edge.manifests.ads.evidence import Found
from edge.manifests.ads.hls.find import find
from edge.manifests.ads.rules import NO_RULES
from edge.manifests.errors import ManifestError
from tests.manifests import corpus
from tests.manifests.ads import truth
from tests.manifests.ads.truth import Score, members

NAMES = [f"hls/{path.name}" for path in corpus.hls()]
EVERY = pytest.mark.parametrize("name", NAMES)


@cache
def found(name: str) -> Found:
    return truth.look(name, truth.shipped())[1]


def taken(name: str) -> list[tuple[int, int]]:
    return [
        (one.first_index, one.last_index)
        for one in found(name).certain
        if one.first_index is not None and one.last_index is not None
    ]


@EVERY
def test_every_break_is_found_to_the_segment(name: str) -> None:
    true = truth.truths()[name]

    assert [run for run in taken(name) if not members([run]) <= true.ambiguous] == list(true.breaks)


@EVERY
def test_no_segment_of_the_programme_is_taken_for_an_ad(name: str) -> None:
    true = truth.truths()[name]

    assert members(taken(name)) <= true.ads | true.ambiguous


@EVERY
def test_breaks_that_players_insert_are_listed(name: str) -> None:
    assert sorted(found(name).interstitials) == sorted(truth.truths()[name].interstitials)


@EVERY
def test_without_a_rule_there_is_no_break(name: str) -> None:
    assert find(truth.read(name), NO_RULES)[1].breaks == ()


@EVERY
def test_a_break_says_why_in_whole_sentences(name: str) -> None:
    for one in found(name).breaks:
        assert one.sentences
        assert one.signals
        assert "@" in one.rule
        assert 0 < one.score <= 100


def test_all_breaks_of_the_corpus_are_found_and_nothing_else() -> None:
    score = Score()
    for name in NAMES:
        score += truth.scored(name, truth.shipped())

    assert (score.breaks_hit, score.breaks_missed, score.breaks_wrong) == (47, 0, 0)
    assert (score.hit, score.missed, score.wrong) == (218, 0, 0)


def test_every_rule_alone_takes_nothing_of_the_programme() -> None:
    for rule in truth.shipped().items:
        alone = type(truth.shipped()).of([rule])
        assert sum(truth.scored(name, alone).wrong for name in NAMES) == 0


def with_ends(data: bytes, end: bytes) -> bytes:
    return end.join(data.replace(b"\r\n", b"\n").split(b"\n"))


@EVERY
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_line_ends_change_no_decision(name: str, end: bytes) -> None:
    data = truth.read(name)
    _, other = find(with_ends(data, end), truth.shipped())

    assert [(one.first_index, one.last_index, one.ambiguous) for one in other.breaks] == [
        (one.first_index, one.last_index, one.ambiguous) for one in found(name).breaks
    ]


@EVERY
def test_a_playlist_cut_anywhere_is_read_all_the_same(name: str) -> None:
    data = truth.read(name)
    for stop in range(0, len(data), max(1, len(data) // 40)):
        try:
            segments, some = find(data[:stop], truth.shipped())
        except ManifestError:
            continue
        assert all(one.last_index is not None for one in some.breaks)
        assert all((one.last_index or 0) < len(segments) for one in some.breaks)


def named(part: str) -> str:
    return next(name for name in NAMES if part in name)


# What real manifests do to a naive reader, line by line of the list of traps


def test_trap_1_starts_of_programs_and_chapters_are_no_ads() -> None:
    assert found(named("DATERANGE_ENDDATE_SCTECMD")).breaks == ()
    assert found(named("OATCLS_ELEMENTAL_PLAYLIST")).breaks == ()


def test_trap_2_a_stitched_break_without_markers_is_known_by_where_its_media_are() -> None:
    (one,) = found(named("4-personalized-media")).certain
    assert (one.rule.split("@")[0], one.signals[0]) == ("mediatailor", "path")


def test_trap_2_content_that_alternates_between_hosts_stays() -> None:
    for name in NAMES:
        if not truth.truths()[name].breaks:
            assert all("host" not in one.signals for one in found(name).certain)


def test_trap_3_the_map_of_the_programme_may_stand_inside_the_break() -> None:
    assert taken(named("hls_cmaf_2__test-video")) == [(0, 5)]
    assert taken(named("hls_subs5_preroll__level_0")) == [(0, 13)]


def test_trap_4_uris_repeat_so_positions_count() -> None:
    assert taken(named("06_x_oatcls")) == [(1, 5), (7, 11)]


def test_trap_5_tags_between_extinf_and_uri_count_for_that_uri() -> None:
    assert taken(named("CUE_OUT_PLAYLIST")) == [(1, 2)]


def test_trap_6_values_of_cue_out_come_in_every_form() -> None:
    assert taken(named("NO_DURATION")) == [(0, 1)]
    assert taken(named("WITH_DURATION")) == [(0, 1)]
    assert taken(named("media-playlist-with-cues.m3u8")) == [(2, 5)]
    assert taken(named("MEDIACONVERT")) == [(1, 1)]
    assert taken(named("CONT_ALT")) == [(0, 3)]
    assert taken(named("CUE_OUT_INVALID")) == []


def test_trap_7_date_ranges_stand_anywhere_and_repeat() -> None:
    assert taken(named("trailing-scte35-daterange")) == []
    assert taken(named("multiple-dateranges")) == [(0, 0)]
    assert len(found(named("lit20.m3u8")).interstitials) == 3


def test_trap_8_only_titles_and_dates_tell() -> None:
    assert taken(named("playlist.rs__lit12")) == [(1, 2)]
    assert taken(named("playlist.rs__lit16")) == [(0, 1)]
    assert taken(named("playlist.rs__lit23")) == [(1, 2)]
    assert found(named("playlist.rs__lit24")).announced


def test_trap_9_curly_quotes_are_quotes() -> None:
    assert taken(named("SCTE-35_04")) == [(1, 2)]
    assert taken(named("SCTE-35_05")) == [(1, 2)]


def test_trap_10_comments_before_the_first_tag_move_nothing() -> None:
    assert taken(named("8.10-EXT-X-DATERANGE")) == [(2, 3)]


def test_trap_12_a_variable_is_no_cue() -> None:
    assert found(named("m3u8-parser.ts__lit72.m3u8")).certain == ()
