from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.hls.texts import matching
from edge.manifests.ads.matching import MOST_TEXT_BYTES, Pattern
from edge.manifests.ads.rules import Change, Plain, Rules, Shape, Text, TextKind
from tests.manifests.ads.playlists import breaks, found, media, rules

BASE = "https://user@cdn.example.com:8443/vod/media.m3u8?token=1"


def text(kind: TextKind, pattern: str, weight: int = 50) -> Text:
    return Text(kind=kind, pattern=Pattern(pattern), weight=weight, family="place")


def by(kind: TextKind, pattern: str) -> Rules:
    return rules(text(kind, pattern))


def of(*uris: str) -> bytes:
    return media(*(line for uri in uris for line in ("#EXTINF:4,", uri)))


PATTERNS = [
    "^a",
    "b$",
    "^$",
    "a.c",
    r"\bad\b",
    "(?i)AD",
    r"\Aad\z",
    "x|y",
    "[^a]b",
    "ad(/|$)",
    "(^|/)ad",
]
TEXTS = st.lists(st.text("abcxyAD/ \t", max_size=6).map(str.encode), min_size=1, max_size=40)


@given(TEXTS, st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
def test_patterns_asked_of_many_texts_at_once_say_what_they_say_of_each(
    texts: list[bytes], sources: list[str]
) -> None:
    patterns = [Pattern(source) for source in sources]

    assert matching(b"\n".join(texts), *patterns) == [
        [place for place, text in enumerate(texts) if pattern.found_in(text)]
        for pattern in patterns
    ]


def test_texts_of_many_bundles_keep_their_positions_and_what_is_too_long_matches_nothing() -> None:
    texts = [b"x" * 90] * 400
    for place in (3, 200, 399):
        texts[place] = b"/ad/" + b"x" * 80
    texts[100] = b"/ad/" + b"x" * MOST_TEXT_BYTES

    assert matching(b"\n".join(texts), Pattern("/ad/")) == [[3, 200, 399]]


def test_a_title_is_what_stands_behind_the_comma() -> None:
    data = media("#EXTINF:4, Amazon|1", "a.ts", "#EXTINF:4,live", "Amazon.ts", "#EXTINF:4,", "c.ts")

    assert breaks(data, by("title", "^Amazon")) == [(0, 0)]


def test_a_path_is_seen_as_it_is_written_and_without_its_host() -> None:
    data = of(
        "https://ads.example/spot/1.ts?x=/y/",
        "/spot/2.ts",
        "../spot/3.ts",
        "spot/4.ts",
        "5.ts#/spot/",
    )

    assert breaks(data, by("path", "/spot/")) == [(0, 2)]
    assert breaks(data, by("path", "^/spot/")) == [(0, 1)]
    assert breaks(data, by("path", r"^https://ads\.example/spot/1\.ts$")) == [(0, 0)]
    assert breaks(data, by("path", "/y/")) == []


def test_a_query_is_what_stands_behind_the_question_mark() -> None:
    data = of("1.ts?ad=1#x", "2.ts?b=2", "3.ts", "4.ts?c=4&ad=1")

    assert breaks(data, by("query", "(^|&)ad=1$")) == [(0, 0), (3, 3)]
    assert breaks(of("1.ts", "2.ts"), by("query", "ad")) == []


@pytest.mark.parametrize("uris", [("1.ts", "2.ts"), ("1.ts", "https://other.example/2.ts")])
def test_a_host_is_the_playlists_own_where_none_is_written(uris: tuple[str, str]) -> None:
    own = by("host", r"^cdn\.example\.com$")

    last = 1 if uris[1] == "2.ts" else 0
    assert [
        (one.first_index, one.last_index) for one in found(of(*uris), own, base=BASE).breaks
    ] == [(0, last)]
    assert found(of(*uris), own).breaks == ()


def test_a_host_is_without_user_and_port_in_small_letters() -> None:
    data = of(
        "https://u:p@ADS.example:99/1.ts", "//ads.example/2.ts", "https://ads.example.net/3.ts"
    )

    assert breaks(data, by("host", r"^ads\.example$")) == [(0, 1)]


def test_variables_are_replaced_before_a_pattern_sees_a_text() -> None:
    data = media('#EXT-X-DEFINE:NAME="where",VALUE="spot"', '#EXT-X-DEFINE:QUERYPARAM="token"',
                 "#EXTINF:4,", "{$where}/1.ts", "#EXTINF:4,{$where}", "{$token}/2.ts",
                 "#EXTINF:4,", "{$none}/spot/3.ts")  # fmt: skip

    assert breaks(data, by("path", "^spot/")) == [(0, 0)]
    assert breaks(data, by("title", "^spot$")) == [(1, 1)]
    assert breaks(data, by("path", "spot|none")) == [(0, 0)]
    (one,) = found(data, by("path", "^1/2"), base=BASE).breaks
    assert (one.first_index, one.last_index) == (1, 1)


WEAK = (
    Plain(kind="minor-host", weight=20, family="place"),
    Plain(kind="uri-word", weight=15, family="place"),
    Shape(changes=frozenset({"discontinuity"}), max_seconds=9, weight=10),  # type: ignore[arg-type]
)
BESIDE = of("1.ts", "2.ts", "3.ts", "https://x.example/ads/4.ts").replace(
    b"#EXTINF:4,\nhttps", b"#EXT-X-DISCONTINUITY\n#EXTINF:4,\nhttps"
)


def test_weak_signals_never_decide_without_a_named_one() -> None:
    assert breaks(BESIDE, rules(*WEAK)) == []
    assert breaks(BESIDE, rules(*WEAK, threshold=30)) == [(3, 3)]
    (one,) = found(BESIDE, rules(*WEAK, text("host", "^x", 40), threshold=50)).breaks
    assert (one.score, one.signals) == (50, ("host", "shape", "minor-host", "uri-word"))


def shaped(change: Change) -> Rules:
    return rules(
        Shape(changes=frozenset({change}), max_seconds=9, weight=50),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("discontinuity", "#EXT-X-DISCONTINUITY", "#EXT-X-DISCONTINUITY"),
        ("map", '#EXT-X-MAP:URI="ad"', '#EXT-X-MAP:URI="m"'),
        ("key", "#EXT-X-KEY:METHOD=AES-128,URI=k", "#EXT-X-KEY:METHOD=NONE"),
    ],
)
def test_a_short_run_that_something_sets_apart_on_both_sides(
    change: Change, before: str, after: str
) -> None:
    data = media("4", "4", "4", before, "4", "4", after, "4", "4", "4")

    assert breaks(data, shaped(change)) == [(3, 4)]
    assert breaks(media("4", "4", "4"), shaped(change)) == []


def test_a_run_of_other_files_or_behind_a_cut_has_a_shape() -> None:
    files = of("1.ts", "2.ts", "3.ts", "4.mp4", "5.ts", "6.ts", "7.ts")
    assert breaks(files, shaped("codec")) == [(3, 3)]

    cut = media("4", "4", "3", "4", "3", "4", "4", "4")
    assert breaks(cut, shaped("grid")) == [(3, 4)]
