from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.manifests.ads.evidence import Break, Found
from edge.manifests.ads.hls.annotate import LEAD, annotate
from edge.manifests.ads.hls.segments import index
from edge.manifests.edits import apply_edits
from tests.manifests.ads.effective import lines_of, read
from tests.manifests.ads.made import Made, made

LINES = [
    "#EXTM3U",
    '#EXT-X-DATERANGE:ID="i",CLASS="com.apple.hls.interstitial"',
    "#EXTINF:4,",
    "a",
    "#EXT-X-CUE-OUT:4",
    "#EXTINF:4,",
    "ad",
    "#EXT-X-CUE-IN",
    "#EXTINF:4,",
    "b",
]


def found_break(first: int, last: int, **more: Any) -> Break:
    known: dict[str, Any] = {
        "seconds": Decimal("4.000"),
        "score": 60,
        "signals": ("cue",),
        "sentences": ("line 5: EXT-X-CUE-OUT opens a break of 4 s",),
        "rule": "scte35@1",
    }
    return Break(first_index=first, last_index=last, **(known | more))


def annotated(data: bytes, found: Found) -> bytes:
    return apply_edits(data, annotate(data, index(data), found))


def test_a_break_is_told_before_and_behind() -> None:
    data = "\n".join(LINES).encode()

    lines = lines_of(annotated(data, Found(breaks=[found_break(1, 1)])))

    assert lines == [
        *LINES[:4],
        "## kawa-ads: break 1: segments 1 to 1, 4 s, score 60, rule scte35@1",
        "## kawa-ads: signals: cue",
        "## kawa-ads: line 5: EXT-X-CUE-OUT opens a break of 4 s",
        *LINES[4:7],
        "## kawa-ads: break 1 ends",
        *LINES[7:],
    ]


def test_what_is_not_acted_upon_is_told_as_such() -> None:
    data = "\n".join(LINES).encode()
    found = Found(
        breaks=[found_break(2, 2, ambiguous=True)],
        interstitials=["i"],
        announced=["a break of 30 s"],
        left={"event:7": "it has no end"},
    )

    told = [line for line in lines_of(annotated(data, found)) if line.startswith(LEAD)]

    assert told == [
        "## kawa-ads: interstitial i",
        "## kawa-ads: break 1: segments 2 to 2, 4 s, score 60, rule scte35@1"
        ", ambiguous: left as it is",
        "## kawa-ads: signals: cue",
        "## kawa-ads: line 5: EXT-X-CUE-OUT opens a break of 4 s",
        "## kawa-ads: break 1 ends",
        "## kawa-ads: announced: a break of 30 s",
        "## kawa-ads: left: event:7: it has no end",
    ]


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\n#EXT-X-ENDLIST", "\x01\\\0", "{$a}", "\u2028", "x" * 9999]
)
def test_nothing_of_the_origin_becomes_a_line(text: str) -> None:
    data = "\n".join(LINES).encode()

    output = annotated(data, Found(breaks=[found_break(0, 0, sentences=(text,))]))

    assert read(output).segments == read(data).segments
    assert not read(output).ended
    assert not any(code in output for code in (b"\\", b"{$", b"\0", b"\x01"))
    assert max(map(len, lines_of(output))) < 1100


@given(made(), st.data())
@settings(max_examples=60)
def test_to_players_it_is_nothing(made: Made, draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, made.total - 1))
    found = Found(breaks=[found_break(first, draw.draw(st.integers(first, made.total - 1)))])

    output = annotated(made.data, found)

    assert vars(read(output)) == vars(read(made.data))
    assert [line for line in lines_of(output) if not line.startswith(LEAD)] == lines_of(made.data)
    assert output.endswith((b"\n", b"\r")) == made.data.endswith((b"\n", b"\r"))


def test_where_nothing_is_found_the_same_object_stays() -> None:
    data = "\n".join(LINES).encode()

    assert annotated(data, Found()) is data
