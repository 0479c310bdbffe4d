from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import m3u8
import pytest

from edge.manifests.errors import BadDirective
from edge.manifests.hls.blocking import (
    Directives,
    Position,
    directives_of,
    is_absurd,
    last_position,
)
from edge.manifests.hls.dateranges import DateRangeHistory
from edge.manifests.hls.delta import advertise_skip, make_delta
from edge.manifests.hls.scan import scan
from tests.manifests import corpus

HEAD = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24,PART-HOLD-BACK=1
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:100
"""


def live(
    count: int, *, before: dict[int, str] | None = None, tail: str = "", head: str = HEAD
) -> bytes:
    """Segments of four seconds, with more lines before some of them."""
    lines = [head]
    for number in range(100, 100 + count):
        lines.append((before or {}).get(number, ""))
        lines.append(f"#EXTINF:4.0,\ns{number}.mp4\n")
    return "".join([*lines, tail]).encode()


def body(data: bytes | None) -> list[str]:
    assert data is not None
    return data.decode().split("#EXT-X-MEDIA-SEQUENCE:100\n")[1].splitlines()


def test_segments_beyond_the_boundary_are_replaced_by_their_number() -> None:
    delta = make_delta(live(9))

    assert body(delta) == [
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
        *[line for n in range(103, 109) for line in ("#EXTINF:4.0,", f"s{n}.mp4")],
    ]
    assert delta is not None
    assert b"#EXT-X-VERSION:9\n" in delta


def test_parts_behind_the_last_segment_count_as_time() -> None:
    tail = '#EXT-X-PART:DURATION=2.0,URI="p0.mp4"\n#EXT-X-PART:DURATION=2.0,URI="p1.mp4"\n'

    assert body(make_delta(live(9, tail=tail)))[0] == "#EXT-X-SKIP:SKIPPED-SEGMENTS=4"


@pytest.mark.parametrize(
    "full",
    [
        pytest.param(live(6), id="all of it within the boundary"),
        pytest.param(live(20, head=HEAD.replace("CAN-SKIP-UNTIL=24,", "")), id="nothing offered"),
        pytest.param(live(20, head=HEAD.replace("=24", "=x")), id="no number"),
        pytest.param(
            live(20, before={100: "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n"}), id="a delta already"
        ),
        pytest.param(
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", id="a multivariant playlist"
        ),
    ],
)
def test_where_nothing_can_be_skipped_the_whole_playlist_is_the_answer(full: bytes) -> None:
    assert make_delta(full) is None


def test_keys_and_maps_in_force_are_said_again_behind_the_hole() -> None:
    before = {
        100: '#EXT-X-MAP:URI="old.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k0"\n#EXT-X-BITRATE:1\n',
        101: '#EXT-X-MAP:URI="new.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k1"\n'
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple"\n',
        102: '#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00Z\n# comment\n',
    }  # fmt: skip

    assert body(make_delta(live(9, before=before)))[:6] == [
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
        '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple"',
        '#EXT-X-MAP:URI="new.mp4"',
        "#EXT-X-BITRATE:1",
        "#EXTINF:4.0,",
    ]


def test_a_key_that_ended_in_the_hole_is_not_said_again() -> None:
    before = {100: '#EXT-X-KEY:METHOD=AES-128,URI="k0"\n', 102: "#EXT-X-KEY:METHOD=NONE\n"}

    assert body(make_delta(live(9, before=before)))[:2] == [
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
        "#EXTINF:4.0,",
    ]


def test_a_byte_range_that_continues_the_hole_gets_its_offset() -> None:
    before = {
        100: "#EXT-X-BYTERANGE:50@1000\n",
        **dict.fromkeys(range(101, 109), "#EXT-X-BYTERANGE:10\n"),
    }

    assert body(make_delta(live(9, before=before)))[1:5] == [
        "#EXT-X-BYTERANGE:10@1070",
        "#EXTINF:4.0,",
        "s103.mp4",
        "#EXT-X-BYTERANGE:10",
    ]


def test_what_belongs_to_the_playlist_stays_where_segments_go() -> None:
    kept = '#EXT-X-DEFINE:NAME="a",VALUE="b"\n#EXT-X-INDEPENDENT-SEGMENTS\n'
    delta = make_delta(live(9, before={101: kept}, tail='#EXT-X-RENDITION-REPORT:URI="a.m3u8"\n'))

    assert body(delta)[:4] == [
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
        '#EXT-X-DEFINE:NAME="a",VALUE="b"',
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXTINF:4.0,",
    ]
    assert body(delta)[-1] == '#EXT-X-RENDITION-REPORT:URI="a.m3u8"'


OLD, NEW = '#EXT-X-DATERANGE:ID="old"', '#EXT-X-DATERANGE:ID="new"'
RANGES = HEAD.replace("=24,", "=24,CAN-SKIP-DATERANGES=YES,")


def test_date_ranges_stay_unless_both_sides_can_do_without() -> None:
    before = {100: OLD + "\n", 101: NEW + "\n"}
    whole = live(9, before=before, head=RANGES, tail=OLD + "\n")
    old = {OLD.encode()}

    assert body(make_delta(whole))[1:3] == [OLD, NEW]
    assert body(make_delta(live(9, before=before), skip="v2", old_dateranges=old, removed=["x"]))[
        :3
    ] == [
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
        OLD,
        NEW,
    ]
    delta = make_delta(whole, skip="v2", old_dateranges=old, removed=["gone", "too"])
    assert body(delta)[:3] == [
        '#EXT-X-SKIP:SKIPPED-SEGMENTS=3,RECENTLY-REMOVED-DATERANGES="gone\ttoo"',
        NEW,
        "#EXTINF:4.0,",
    ]
    assert OLD not in body(delta)
    assert delta is not None
    assert b"#EXT-X-VERSION:10\n" in delta


def test_the_history_of_date_ranges_tells_old_from_new_and_what_left() -> None:
    history = DateRangeHistory()
    boundary = Decimal(24)
    history.observe(scan(live(9, before={100: OLD + "\n"})), at=0)
    history.observe(scan(live(9, before={100: OLD + "\n", 101: NEW + "\n"})), at=20)

    assert history.old(at=20, boundary=boundary) == frozenset()
    assert history.old(at=25, boundary=boundary) == {OLD.encode()}
    history.observe(scan(live(9, before={101: NEW + "\n"})), at=30)
    assert history.old(at=30, boundary=boundary) == frozenset()
    assert history.removed(at=30, boundary=boundary) == ("old",)
    changed = OLD + ',END-DATE="x"\n'
    history.observe(scan(live(9, before={100: changed, 101: NEW + "\n"})), at=31)
    assert history.removed(at=31, boundary=boundary) == ()
    history.observe(scan(live(9)), at=40)
    assert set(history.removed(at=60, boundary=boundary)) == {"old", "new"}
    assert history.removed(at=65, boundary=boundary) == ()


def test_line_ends_of_the_playlist_are_kept() -> None:
    crlf = live(9).replace(b"\n", b"\r\n")
    delta, plain = make_delta(crlf), make_delta(live(9))

    assert delta is not None
    assert plain is not None
    assert delta == plain.replace(b"\n", b"\r\n")
    assert advertise_skip(
        live(9, head=HEAD.replace("CAN-SKIP-UNTIL=24,", "")).replace(b"\n", b"\r\n")
    ).count(b"\r") == crlf.count(b"\r")


def test_a_version_is_added_where_there_is_none() -> None:
    delta = make_delta(live(9, head=HEAD.replace("#EXT-X-VERSION:6\n", "")))

    assert delta is not None
    assert delta.startswith(b"#EXTM3U\n#EXT-X-VERSION:9\n")


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("", "#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24\n"),
        ("#EXT-X-SERVER-CONTROL:A=YES\n", "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24,A=YES\n"),
        ("#EXT-X-SERVER-CONTROL:\n", "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24\n"),
        ("#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=36\n", "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=36\n"),
        ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n"),
    ],
)  # fmt: skip
def test_a_live_playlist_offers_deltas_at_six_target_durations(control: str, expected: str) -> None:
    full = live(9, head=f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{control}")
    offered = advertise_skip(full).decode()

    assert expected in offered
    assert offered.count("SERVER-CONTROL") == expected.count("SERVER-CONTROL")
    assert advertise_skip(offered.encode()) == offered.encode()


def joined(before: bytes, delta: bytes) -> list[Any]:
    """What a player holds after a delta update: the segments it had, then those of the update (section 6.3.7)."""

    def parsed(data: bytes) -> tuple[int, list[Any]]:
        playlist = m3u8.loads(data.decode("utf-8-sig"))
        segments = [
            (
                s.uri,
                s.duration,
                s.byterange,
                s.key and s.key.uri,
                s.init_section and s.init_section.uri,
            )
            for s in playlist.segments
            if s.uri
        ]
        return playlist.media_sequence or 0, segments

    first, held = parsed(before)
    start, new = parsed(delta)
    skip = m3u8.loads(delta.decode("utf-8-sig")).skip
    skipped = skip.skipped_segments if skip else 0
    return held[start - first : start - first + skipped] + new


def is_readable(path: Path) -> bool:
    """Whether the other parser sees a segment in every URI: some files have URIs without a duration."""
    data = path.read_bytes()
    try:
        segments = m3u8.loads(data.decode("utf-8-sig")).segments
    except Exception:  # noqa: BLE001 - whatever it fails with, it does not read the playlist
        return False
    wanted = sum(line.role == "uri" for line in scan(data).lines)
    return bool(wanted) and wanted == sum(bool(s.uri) for s in segments)


LIVE = [path for path in corpus.hls() if is_readable(path)]


@pytest.mark.parametrize("path", LIVE, ids=corpus.ids(LIVE))
def test_a_delta_joined_to_the_last_playlist_is_the_whole_one(path: Path) -> None:
    full = advertise_skip(path.read_bytes())
    for boundary in (b"1", b"10", b"24.5"):
        offered = re.sub(rb"CAN-SKIP-UNTIL=[0-9.]+", b"CAN-SKIP-UNTIL=" + boundary, full)
        delta = make_delta(offered)
        if delta is None:
            continue
        assert len(delta) < len(offered) + 60
        assert last_position(scan(delta)) == last_position(scan(offered))
        assert [s[:2] for s in joined(offered, delta)] == [s[:2] for s in joined(offered, offered)]
        assert [s[3:] for s in joined(offered, delta)] == [s[3:] for s in joined(offered, offered)]


LL = HEAD + '#EXTINF:4,\na\n#EXT-X-PART:DURATION=0.5,URI="p"\n#EXTINF:4,\nb\n'
HINT = '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p2"\n'
PART = '#EXT-X-PART:DURATION=0.5,URI="p"\n'


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (HEAD, (99, None)),
        (LL, (101, None)),
        (LL + PART + PART + HINT, (102, 1)),
        (HEAD + "#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:4,\na\n" + PART, (106, 0)),
        ("#EXTM3U\n#EXTINF:4,\na\n", (0, None)),
        ("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:4,\na\n", (2**64 - 1, None)),
    ],
)
def test_the_last_position_of_a_playlist(text: str, last: tuple[int, int | None]) -> None:
    assert last_position(scan(text.encode())).last == last


@pytest.mark.parametrize(
    ("msn", "part", "has", "absurd"),
    [
        (100, None, True, False),
        (101, 9, True, False),
        (102, None, False, False),
        (102, 0, True, False),
        (102, 1, True, False),
        (102, 2, False, False),
        (102, 7, False, False),
        (102, 8, False, True),
        (103, None, False, False),
        (103, 0, False, False),
        (103, 6, False, True),
        (104, None, False, True),
        (104, 0, False, True),
        (10**19, None, False, True),
    ],
)
def test_a_request_is_answered_waits_or_is_absurd(
    msn: int, part: int | None, has: bool, absurd: bool
) -> None:
    position = last_position(scan((LL + PART + PART).encode()))

    assert position.has(msn, part) == has
    assert is_absurd(msn, part, position) == absurd


def test_an_ended_playlist_answers_everything_at_once() -> None:
    position = last_position(scan((LL + "#EXT-X-ENDLIST\n").encode()))

    assert position.has(10_000, 3)
    assert not is_absurd(10_000, 3, position)


def test_parts_of_a_second_or_more_allow_three_ahead() -> None:
    position = Position(
        msn=5, parts=1, target_duration=Decimal(6), part_target=Decimal(2), ended=False
    )

    assert not is_absurd(6, 3, position)
    assert is_absurd(6, 4, position)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Directives()),
        (
            {"_HLS_msn": "7", "_HLS_part": "0", "_HLS_skip": "v2"},
            Directives(msn=7, part=0, skip="v2"),
        ),
        ({"_HLS_skip": "YES", "x": "1"}, Directives(skip="YES")),
        ({"_HLS_skip": "v3"}, Directives()),
    ],
)
def test_directives_are_read_from_the_query(query: dict[str, str], expected: Directives) -> None:
    assert directives_of(query) == expected


@pytest.mark.parametrize(
    "query",
    [{"_HLS_part": "1"}, {"_HLS_msn": "-1"}, {"_HLS_msn": "x"}, {"_HLS_msn": ""}, {"_HLS_msn": "١"},
     {"_HLS_msn": "1", "_HLS_part": "1.5"}, {"_HLS_msn": "9" * 30}],
)  # fmt: skip
def test_directives_that_make_no_sense_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(BadDirective):
        directives_of(query)
