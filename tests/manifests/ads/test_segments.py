from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.manifests.ads.hls.segments import Segments, index
from edge.manifests.errors import ManifestError
from edge.manifests.hls.blocking import seconds_of
from edge.manifests.hls.scan import Playlist, scan
from tests.manifests import corpus
from tests.manifests.ads.playlists import media

PIECES = st.sampled_from(
    [
        "#EXTM3U", "\n", "\r\n", "\r", " ", "\t", "#EXTINF:4.5,ti,tle", "#EXTINF 3", "#EXTINF:", "#EXTINFX:3",
        "a.ts", "#EXT-X-DISCONTINUITY", "#EXT-X-CUE-OUT:30", "#EXT-X-CUE-OUT-CONT:1/2", "#UPLYNK-SEGMENT:x",
        "#UPLYNK", "# c", "#EXT-X-KEY:METHOD=NONE", "\ufeff", "\x0b", "#", "#EXT-X-STREAM-INF:", "#EXT-X-ENDLIST",
        "\xa0", "#EXT-X-MEDIA-SEQUENCE:3", "7,", "#EXTINF:2,\nb.ts\n", "\u2026",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode())
DATED = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:"


def assert_agrees(data: bytes) -> None:
    try:
        playlist = scan(data)
    except ManifestError as error:
        with pytest.raises(type(error)):
            index(data)
        return
    segments = index(data)
    assert segments.is_media == (playlist.kind == "media")
    assert_same_uris(playlist, segments)
    assert_same_tags(playlist, segments)
    assert_same_lines(playlist, segments)


def assert_same_uris(playlist: Playlist, segments: Segments) -> None:
    uris = [line for line in playlist.lines if line.role == "uri"]
    assert [segments.uri(place) for place in range(len(segments))] == [
        playlist.value(line) for line in uris
    ]
    assert [segments.uri_span(place) for place in range(len(segments))] == [
        (line.value_start, line.value_stop) for line in uris
    ]
    assert [uri.rstrip(b" \t") for uri in segments.uris()] == [
        playlist.data[line.value_start : line.value_stop] for line in uris
    ]
    ends = [segments.head_end, *(line.end for line in uris)]
    assert [segments.block(place) for place in range(len(segments))] == list(pairwise(ends))
    assert segments.tail == (ends[-1], len(playlist.data))


def assert_same_tags(playlist: Playlist, segments: Segments) -> None:
    number, length = 0, Decimal(0)
    tags, seconds, discontinuities = [], [], set()
    for line in playlist.lines:
        if line.role == "uri":
            seconds.append(length)
            number, length = number + 1, Decimal(0)
        elif line.tag is not None:
            tags.append((number, line.tag, line.start, line.value_start, line.stop))
            if line.tag == "EXTINF":
                length = seconds_of(playlist.value(line))
            elif line.tag == "EXT-X-DISCONTINUITY":
                discontinuities.add(number)
    assert [tuple(tag) for tag in segments.tags(*{tag[1] for tag in tags})] == tags
    assert [segments.seconds(place) for place in range(number)] == seconds
    assert segments.all_seconds() == seconds
    assert segments.discontinuities == discontinuities - {number}


def assert_same_lines(playlist: Playlist, segments: Segments) -> None:
    starts = [line.start for line in playlist.lines]
    assert segments.head_end in {*starts, playlist.lines[-1].end}
    numbered = list(enumerate(starts, start=1))
    random.Random(len(starts)).shuffle(numbered)
    assert all(segments.line_of(start) == number for number, start in numbered)


@given(TEXTS)
@example(b"\xef\xbb\xbf#EXTINF:3,\n a.ts \t\r\n")
@example(b"#EXTINF:3,\r#EXTINF:4,\ra.ts\r\r\nb.ts")
@settings(max_examples=400)
def test_segments_are_those_of_the_scanner(data: bytes) -> None:
    assert_agrees(data)


@pytest.mark.parametrize("path", corpus.hls(), ids=corpus.ids(corpus.hls()))
def test_segments_are_those_of_the_scanner_in_the_corpus(path: Path) -> None:
    assert_agrees(path.read_bytes())


def test_the_head_ends_before_the_first_tag_of_the_first_segment() -> None:
    data = b"# by hand\n#EXTM3U\n#EXT-X-VERSION:3\n\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\na.ts\n"

    assert data[index(data).head_end :].startswith(b"#EXT-X-KEY")


def test_titles_are_what_stands_behind_the_comma() -> None:
    segments = index(media("#EXTINF:4, Amazon , Inc ", "a.ts", "#EXTINF:4,", "b.ts", "c.ts"))

    assert [segments.title(place) for place in range(3)] == ["Amazon , Inc", "", ""]
    assert segments.titles() == b"Amazon , Inc "


def test_a_tag_with_too_many_attributes_has_none() -> None:
    segments = index(media("#EXT-X-DATERANGE:" + "A=1," * 300, "4"))
    (tag,) = segments.tags("EXT-X-DATERANGE")

    assert segments.attributes(tag) == {}


def test_a_window_has_the_header_and_the_end() -> None:
    data = media(
        "#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-DISCONTINUITY-SEQUENCE:2", "#EXT-X-DISCONTINUITY", "4", "5.005",
        "#EXT-X-DISCONTINUITY", '#EXT-X-PART:DURATION=1,URI="p.mp4"', '#EXT-X-PART:DURATION=1,URI="q.mp4"',
    )  # fmt: skip
    window = index(data).window("pdt")

    assert (window.first, window.discontinuity_sequence, len(window)) == (7, 2, 2)
    assert list(window.seconds) == [Decimal(4), Decimal("5.005")]
    assert (window.seconds[-1], window.seconds[0:1]) == (Decimal("5.005"), [Decimal(4)])
    assert window.discontinuities == {0}
    assert (window.parts, window.target_seconds) == (2, Decimal(10))
    assert not window.ended
    assert not window.whole
    with pytest.raises(IndexError):
        window.seconds[2]


@pytest.mark.parametrize(
    ("tags", "whole"),
    [
        (["4", "#EXT-X-ENDLIST"], True),
        (["#EXT-X-MEDIA-SEQUENCE:1", "4", "#EXT-X-ENDLIST"], False),
        (["#EXT-X-PLAYLIST-TYPE:EVENT", "4"], True),
        (["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-MEDIA-SEQUENCE:1", "4"], True),
        (["4"], False),
    ],
)
def test_a_window_is_whole_when_nothing_has_left_it(tags: list[str], *, whole: bool) -> None:
    assert index(media(*tags)).window("pdt").whole is whole


def test_a_window_of_a_delta_update_begins_behind_what_is_skipped() -> None:
    data = media("#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-SKIP:SKIPPED-SEGMENTS=3", "4")

    assert index(data).window("pdt").first == 10


def starts(*tags: str) -> list[int | None]:
    found = index(media(*tags)).window("pdt").starts
    return [None if start is None else start - 1767225600000 for start in found]


def test_dates_go_on_forwards_and_backwards() -> None:
    assert starts("4", f"{DATED}10Z", "4", "5", f"{DATED}20Z", "1") == [6000, 10000, 14000, 20000]


def test_dates_do_not_go_on_over_a_discontinuity() -> None:
    known = starts("4", f"{DATED}10Z", "4", "#EXT-X-DISCONTINUITY", "4", "#EXT-X-DISCONTINUITY", "4",
                   f"{DATED}50Z", "4")  # fmt: skip

    assert known == [6000, 10000, None, 46000, 50000]


def test_dates_have_zones_or_are_in_utc_and_what_is_no_date_is_none() -> None:
    assert starts(f"{DATED}10", "4", f"{DATED}20+01:00", "4", f"{DATED}99Z", "4") == [
        10000,
        20000 - 3600000,
        24000 - 3600000,
    ]


def test_of_two_dates_for_one_segment_the_last_counts() -> None:
    assert starts(f"{DATED}10Z", f"{DATED}11Z", "4") == [11000]


def test_two_sides_follow_one_another_when_their_dates_say_so() -> None:
    data = media(f"{DATED}10Z", "4", "30", f"{DATED}14.05Z", "4", "4", f"{DATED}40Z", "4")

    assert index(data).window("pdt").contiguous(0, 2)
    assert not index(data).window("pdt").contiguous(1, 4)
    assert not index(data).window("never").contiguous(0, 2)


def test_a_date_that_is_only_derived_joins_nothing() -> None:
    data = media(f"{DATED}10Z", "4", "0", "4")

    assert not index(data).window("pdt").contiguous(0, 2)


def numbered(*lines: str) -> bytes:
    return ("#EXTM3U\n#EXT-X-TARGETDURATION:10\n" + "\n".join(lines)).encode()


@pytest.mark.parametrize(
    ("lines", "follow"),
    [
        (["a/s_09.ts?t=1", "ad.ts", "a/s_10.ts?t=1"], True),
        (["a/s_9.ts", "ad.ts", "a/s_11.ts"], False),
        (["a/s_9.ts", "ad.ts", "b/s_10.ts"], False),
        (["s9.ts", '#EXT-X-MAP:URI="x"', "ad.ts", "s10.ts"], False),
        (['#EXT-X-MAP:URI="m"', "s9.ts", '#EXT-X-MAP:URI="x"', "ad.ts", '#EXT-X-MAP:URI="m"', "s10.ts"], True),
        (['#EXT-X-KEY:METHOD=AES-128,URI="k"', "s9.ts", "#EXT-X-KEY:METHOD=NONE", "ad.ts", "s10.ts"], False),
        (["s.ts", "ad.ts", "s.ts"], False),
    ],
)  # fmt: skip
def test_two_sides_follow_one_another_when_their_numbers_say_so(
    lines: list[str], *, follow: bool
) -> None:
    assert index(numbered(*lines)).window("numbers").contiguous(0, 2) is follow
