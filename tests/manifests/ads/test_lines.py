from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.manifests.ads.hls.lines import Tag
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.limits import DEFAULT

NAMES = ("EXT-X-KEY", "EXT-X-CUE-OUT", "EXT-X-DATERANGE", "EXTM3U", "VENDOR-AD")
LINES = (
    b"#EXTM3U",
    b"#EXTINF:4,",
    b"#EXTINF",
    b"#EXTINFO:1",
    b"#EXTI:2",
    b"#EXT-X-KEY:METHOD=NONE",
    b" \t#EXT-X-KEY:METHOD=NONE",
    b"#EXT-X-KEYS:1",
    b"#EXT-X-CUE-OUT",
    b"#EXT-X-CUE-OUT-CONT:4",
    b"#EXT-X-DATERANGE:ID=\xff",
    b"#VENDOR-AD:1",
    b"#VENDOR-AD",
    b"# a comment #EXT-X-KEY:METHOD=NONE",
    b"a.ts",
    b"  a.ts#EXT-X-KEY:",
    b"",
)
ENDS = (b"\n", b"\r\n", b"\r")


@st.composite
def playlists(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)), max_size=24))
    mark = draw(st.sampled_from((b"", b"\xef\xbb\xbf")))
    return mark + b"".join(line + end for line, end in lines) + draw(st.sampled_from((b"", b"a")))


def searched(segments: Segments, *names: str) -> list[Tag]:
    """Those that are looked for on all lines, as long as nothing has been asked of all the playlist."""
    return list(segments.tags_between(segments.begin, len(segments.data), *names))


@given(playlists(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
@example(b"#EXTM3U\n#VENDOR-AD:1\n#VENDOR-AD\n", ["VENDOR-AD"])
@example(b" #EXT-X-KEY:METHOD=NONE\r\na.ts\r\n#EXT-X-KEY:METHOD=NONE", ["EXT-X-KEY"])
def test_tags_are_the_same_by_index_and_by_search(data: bytes, names: list[str]) -> None:
    wanted = searched(Segments(data, DEFAULT), *names)
    indexed = Segments(data, DEFAULT)
    assert list(indexed.tags(*NAMES)) == searched(Segments(data, DEFAULT), *NAMES)
    assert list(indexed.tags(*names)) == wanted
    for tag in wanted:
        assert list(indexed.tags_between(tag.start, len(data), *names)) == [
            other for other in wanted if other.start >= tag.start
        ]
        assert list(indexed.tags_between(indexed.begin, tag.start, *names)) == [
            other for other in wanted if other.start < tag.start
        ]


@pytest.mark.parametrize("is_indexed", [False, True])
@given(data=playlists(), name=st.sampled_from(NAMES))
def test_the_first_and_the_last_tag_are_those_of_all(
    data: bytes,
    name: str,
    *,
    is_indexed: bool,
) -> None:
    wanted = searched(Segments(data, DEFAULT), name)
    segments = Segments(data, DEFAULT)
    if is_indexed:
        list(segments.tags(*NAMES))
    assert segments.last(segments.begin, len(data), name) == (wanted[-1] if wanted else None)
    assert segments.first(name) == (wanted[0] if wanted else None)
    for before, tag in pairwise(wanted):
        assert segments.last(segments.begin, tag.start, name) == before
