from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.paths import checked_path
from edge.manifests.errors import BadFilter
from edge.manifests.filters.filter import KEYS, MAX_CHARS, Filter, combine, from_grant
from edge.manifests.filters.grammar import parse_filter, parse_query
from tests.manifests.filter_strategies import FEW, filters


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("height:..720", "height:..720", id="one clause"),
        pytest.param("HEIGHT:..720P", "height:..720", id="case and the p of 720p"),
        pytest.param("alang:en~height:720", "alang:en~height:720", id="two clauses"),
        pytest.param("height:720~alang:en", "alang:en~height:720", id="clauses in one order"),
        pytest.param("height:1080,720", "height:720,1080", id="numbers in one order"),
        pytest.param("height:480..720,600..1080", "height:480..1080", id="overlapping ranges"),
        pytest.param("height:..719,720", "height:..720", id="ranges side by side"),
        pytest.param("height:!720,1080", "height:1080,!720", id="wanted before refused"),
        pytest.param("bandwidth:1.5M..3500k", "bandwidth:1500000..3500000", id="powers of 1000"),
        pytest.param("bandwidth:..2g", "bandwidth:..2000000000", id="giga"),
        pytest.param("fps:59.940,60.0", "fps:59.94,60", id="trailing zeros"),
        pytest.param("channels:1,2,3,8", "channels:1..3,8", id="whole numbers join"),
        pytest.param("vcodec:h265,avc1,h264", "vcodec:avc,hevc", id="codecs by any name"),
        pytest.param("vcodec:!dvh1", "vcodec:!dv", id="codec by its code"),
        pytest.param("acodec:mp4a,eac3,ac3", "acodec:aac,ac-3,ec-3", id="audio codecs"),
        pytest.param("range:hlg,pq", "range:hdr", id="hdr is both"),
        pytest.param("range:!hdr", "range:sdr", id="not hdr is sdr"),
        pytest.param("range:hdr10", "range:pq", id="hdr10 is pq"),
        pytest.param("range:sdr,hdr", "", id="every range is no condition"),
        pytest.param("type:!text,!image,!trick", "type:audio,video", id="the shorter spelling"),
        pytest.param("type:video,audio,trick,image", "type:!text", id="all but one"),
        pytest.param("type:!iframe", "type:!trick", id="iframe is trick"),
        pytest.param("alang:JPN,en_US,!en-GB", "alang:en-us,ja,!en-gb", id="languages"),
        pytest.param("alang:chi,zho,fre,ger", "alang:de,fr,zh", id="three letters become two"),
        pytest.param("default:ja,en,jpn", "default:ja,en", id="preference keeps its order"),
        pytest.param("tdefault:OFF", "tdefault:off", id="no default text"),
        pytest.param("order:up~first:720p", "order:up~first:720", id="arrangement"),
        pytest.param("first:low", "first:low", id="lowest first"),
        pytest.param(
            "limit-height:720~limit-bandwidth:3M~limit-lang:en,ja",
            "limit-lang:en,ja~limit-height:720~limit-bandwidth:3000000",
            id="limits",
        ),
    ],
)
def test_a_filter_has_one_normal_form(text: str, normal: str) -> None:
    parsed = parse_filter(text, limits=True)

    assert str(parsed) == normal
    assert parse_filter(normal, limits=True) == parsed
    assert bool(parsed) == bool(normal)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("heigth:720", ["'heigth'", "height"], id="unknown key, and those there are"),
        pytest.param("height", ["'height'"], id="no value"),
        pytest.param("height:", ["height", "missing"], id="empty value"),
        pytest.param("height:720,", ["height", "missing"], id="empty item"),
        pytest.param("height:!", ["height", "missing"], id="refusing nothing"),
        pytest.param("~height:720", ["''"], id="empty clause"),
        pytest.param("height:72O", ["height", "'72o'"], id="a letter for a digit"),
        pytest.param("height:..", ["height", "'..'", "bound"], id="no bound"),
        pytest.param("height:1080..480", ["height", "'1080..480'", "backwards"], id="backwards"),
        pytest.param("height:0", ["height", "'0'"], id="zero"),
        pytest.param("height:720.5", ["height", "'720.5'"], id="half a line"),
        pytest.param("height:720k", ["height", "'720k'"], id="unit of another key"),
        pytest.param("bandwidth:1.2345M", ["bandwidth", "'1.2345m'"], id="too many digits"),
        pytest.param("height:720~height:480", ["height", "twice"], id="a key twice"),
        pytest.param("vcodec:h267", ["vcodec", "'h267'", "hevc"], id="unknown codec"),
        pytest.param("vcodec:aac", ["vcodec", "'aac'"], id="an audio codec for video"),
        pytest.param("vcodec:avc,!h264", ["vcodec", "'avc'"], id="wanted and refused"),
        pytest.param("range:xdr", ["range", "'xdr'", "sdr"], id="unknown range"),
        pytest.param("type:video,!video", ["type", "nothing"], id="nothing is left"),
        pytest.param("alang:*", ["alang", "'*'"], id="a star is no language"),
        pytest.param("alang:e", ["alang", "'e'"], id="one letter is no language"),
        pytest.param("alang:english1", ["alang", "'english1'"], id="a digit in a language"),
        pytest.param("order:sideways", ["order", "'sideways'"], id="unknown order"),
        pytest.param("first:720..", ["first", "'720..'"], id="a range cannot be first"),
        pytest.param("default:!en", ["default", "'!en'"], id="a default cannot be refused"),
        pytest.param("limit-height:720", ["limit-height", "grant"], id="a viewer sets no limit"),
        pytest.param("height:720;480", ["height", "'720;480'"], id="a character of no value"),
        pytest.param("fps:30000/1001", ["fps", "'30000/1001'"], id="a slash"),
        pytest.param("alang:" + "a" * 600, [str(MAX_CHARS)], id="too long"),
        pytest.param("height:" + ",".join(map(str, range(1, 200, 2))), ["64"], id="too many"),
    ],
)
def test_what_is_wrong_is_named(text: str, names: list[str]) -> None:
    with pytest.raises(BadFilter) as caught:
        parse_filter(text)

    assert caught.value.code == "bad-filter"
    for name in names:
        assert name in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_limit_is_one_number() -> None:
    with pytest.raises(BadFilter, match=r"limit-height: '\.\.720'"):
        parse_filter("limit-height:..720", limits=True)


@FEW
@given(filters())
def test_what_is_printed_is_read_back(value: Filter) -> None:
    assert parse_filter(str(value), limits=True) == value
    assert str(parse_filter(str(value), limits=True)) == str(value)


@FEW
@given(filters())
def test_what_is_printed_can_stand_in_a_path_and_in_a_query(value: Filter) -> None:
    if value:
        assert checked_path(str(value)) == str(value)
        assert re.fullmatch(r"[a-z0-9.,!:~-]+", str(value))


@FEW
@given(st.text(max_size=80) | st.from_regex(r"[a-z-]{4,9}:[a-z0-9.,!-]{1,20}", fullmatch=True))
def test_any_text_is_a_filter_or_a_named_error(text: str) -> None:
    try:
        value = parse_filter(text)
    except BadFilter as error:
        message = str(error)
    else:
        message = str(value)
        assert parse_filter(message) == value
    assert message or not text


@FEW
@given(st.sampled_from(sorted(KEYS)), st.text(alphabet="0123456789.,!kmgp-enhdrjatp", max_size=24))
def test_any_value_of_a_key_is_read_or_refused_by_name(key: str, text: str) -> None:
    try:
        value = parse_filter(f"{key}:{text}", limits=True)
    except BadFilter as error:
        message = str(error)
    else:
        message = str(value) or f"{key}: everything"
        assert parse_filter(str(value), limits=True) == value
    assert message.startswith(f"{key}:")


@pytest.mark.parametrize(
    ("query", "normal"),
    [
        pytest.param([("f", "height:..720~alang:ja")], "alang:ja~height:..720", id="whole"),
        pytest.param(
            [("f.height", "..720"), ("f.alang", "ja")], "alang:ja~height:..720", id="keys"
        ),
        pytest.param(
            [("f", "height:..720"), ("f.alang", "ja")], "alang:ja~height:..720", id="both"
        ),
        pytest.param([("height", "x"), ("_HLS_msn", "7"), ("token", "t")], "", id="not ours"),
        pytest.param([("F.height", "720")], "", id="names of a query are exact"),
    ],
)
def test_a_query_carries_a_filter(query: list[tuple[str, str]], normal: str) -> None:
    assert str(parse_query(query)) == normal


@pytest.mark.parametrize(
    ("query", "name"),
    [
        pytest.param([("f.heigth", "720")], "'heigth'", id="unknown key"),
        pytest.param([("f", "height:x")], "'x'", id="bad value"),
        pytest.param([("f", "height:1"), ("f.height", "2")], "twice", id="a key in both"),
        pytest.param([("f", "a" * 2000)], str(MAX_CHARS), id="too long"),
    ],
)
def test_a_bad_filter_in_a_query_is_named(query: list[tuple[str, str]], name: str) -> None:
    with pytest.raises(BadFilter, match=re.escape(name)):
        parse_query(query)


def test_the_limits_of_a_grant_are_a_filter() -> None:
    value = from_grant(max_height=720, max_bitrate=3_000_000, languages=("jpn", "en"))

    assert str(value) == "limit-lang:en,ja~limit-height:720~limit-bandwidth:3000000"
    assert parse_filter(str(value), limits=True) == value


def test_a_grant_without_limits_is_no_filter() -> None:
    assert not from_grant(max_height=None, max_bitrate=None, languages=())
    assert not from_grant(max_height=None, max_bitrate=None, languages=("*",))


def test_a_limit_of_nothing_is_still_a_limit() -> None:
    assert from_grant(max_height=0, max_bitrate=None, languages=()).limit_height == 1


def test_a_grant_with_a_language_that_is_none_is_refused() -> None:
    with pytest.raises(BadFilter, match="limit-lang"):
        from_grant(max_height=None, max_bitrate=None, languages=("ja", "no such language"))


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        pytest.param("height:..1080", "height:480..", "height:480..1080", id="ranges meet"),
        pytest.param("height:..480", "height:720..", "height:720..", id="the second counts"),
        pytest.param("height:720", "height:!1080", "height:720,!1080", id="refusals add up"),
        pytest.param("vcodec:avc,hevc", "vcodec:hevc,av1", "vcodec:hevc", id="families meet"),
        pytest.param("vcodec:avc", "vcodec:!avc", "vcodec:!avc", id="a refusal beats a wish"),
        pytest.param("vcodec:!avc", "vcodec:avc", "vcodec:avc", id="a wish beats a refusal"),
        pytest.param("alang:en,ja", "alang:en-gb", "alang:en-gb", id="the narrower language"),
        pytest.param("type:!text", "type:!image", "type:!image,!text", id="types"),
        pytest.param(
            "limit-height:2160", "limit-height:720", "limit-height:720", id="the tighter limit"
        ),
        pytest.param(
            "limit-height:480", "limit-height:720", "limit-height:480", id="a viewer may want less"
        ),
        pytest.param("limit-lang:fr", "limit-lang:ja,en", "limit-lang:en,ja", id="not more"),
        pytest.param("limit-lang:en-gb", "limit-lang:en", "limit-lang:en-gb", id="less"),
        pytest.param("first:low~order:up", "first:high", "order:up~first:high", id="arrangement"),
    ],
)
def test_two_filters_combine(first: str, second: str, both: str) -> None:
    combined = combine(parse_filter(first, limits=True), parse_filter(second, limits=True))

    assert str(combined) == both


@FEW
@given(filters(), filters())
def test_a_combination_is_a_filter_like_any_other(first: Filter, second: Filter) -> None:
    try:
        both = combine(first, second)
    except BadFilter:  # only when it becomes too long
        assert len(str(first)) + len(str(second)) > MAX_CHARS / 2
        return
    assert parse_filter(str(both), limits=True) == both
    assert combine(both, second) == both
    assert combine(first, Filter()) == combine(Filter(), first) == first


@FEW
@given(filters(), filters())
def test_no_filter_widens_a_limit(first: Filter, second: Filter) -> None:
    limits = from_grant(max_height=720, max_bitrate=2_000_000, languages=("en", "ja"))

    both = combine(combine(first, second), limits)

    assert both.limit_height is not None
    assert both.limit_height <= 720
    assert both.limit_bandwidth is not None
    assert both.limit_bandwidth <= 2_000_000
    assert both.limit_lang
    assert all(tag.split("-")[0] in ("en", "ja") for tag in both.limit_lang)
