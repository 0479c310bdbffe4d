from __future__ import annotations

import pytest

from edge.manifests.errors import (
    LineTooLong,
    NotAManifest,
    TooLarge,
    TooManyAttributes,
    TooManyLines,
    TooManyUris,
)
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.hls.scan import Line, Playlist, attribute_list, scan
from edge.manifests.limits import Limits
from tests.manifests.hls_player import context, media


def lines(data: bytes) -> list[tuple[str, str | None, str]]:
    playlist = scan(data)
    return [(line.role, line.tag, playlist.value(line)) for line in playlist.lines]


def test_every_kind_of_line_end_is_one() -> None:
    data = b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,\na.ts\r#EXTINF:2,x\r\r\n\nb.ts"

    assert lines(data) == [
        ("tag", "EXTM3U", ""),
        ("tag", "EXTINF", "1,"),
        ("uri", None, "a.ts"),
        ("tag", "EXTINF", "2,x"),
        ("blank", None, ""),
        ("blank", None, ""),
        ("uri", None, "b.ts"),
    ]


def test_tags_comments_uris_and_blanks_are_told_apart() -> None:
    data = b"# hello\n#EXTM3U \n  #EXT-X-GAP\n#WV-ECM:AA==\n#JUST a comment\n \t\n u v.ts \n#\n"

    assert lines(data) == [
        ("comment", None, "# hello"),
        ("tag", "EXTM3U", " "),
        ("tag", "EXT-X-GAP", ""),
        ("tag", "WV-ECM", "AA=="),
        ("comment", None, "#JUST a comment"),
        ("blank", None, ""),
        ("uri", None, "u v.ts"),
        ("comment", None, "#"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('A=1,B="x,y",C=0xAF', {"A": "1", "B": "x,y", "C": "0xAF"}),
        (',BANDWIDTH=1, NAME = "x" ,Z=2x3 ', {"BANDWIDTH": "1", "NAME": "x", "Z": "2x3"}),
        ('URI=a.ts?b=c,"d",E=', {"URI": "a.ts?b=c", "E": ""}),
        ("CUE=”/DA+…Q==”,ID=”p,I”", {"CUE": "/DA+…Q==", "ID": "p,I"}),
        ('A="never ends, B=1', {"A": "never ends, B=1"}),
        ("A=1,A=2", {"A": "2"}),
        ("30", {}),
        ("", {}),
        ("=1,,=", {}),
        ('A="x"y,B=2', {"A": "x", "B": "2"}),
    ],
)
def test_attributes_are_read_as_leniently_as_players_read_them(
    value: str, expected: dict[str, str]
) -> None:
    data = f"#EXTM3U\n#EXT-X-THING:{value}\n".encode()
    playlist = scan(data)
    found = playlist.attributes(playlist.lines[1])

    assert {name: attribute.value for name, attribute in found.items()} == expected
    for attribute in found.values():
        assert data[attribute.start : attribute.stop].decode() == attribute.value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8", "master"),
        ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n"', "master"),
        ("#EXT-X-TARGETDURATION:6", "media"),
        ("#EXTINF:6,\ns.ts", "media"),
        ('#EXT-X-SESSION-DATA:DATA-ID="x",VALUE="y"\n#EXTINF:6,\ns.ts', "media"),
        ("s.ts", "media"),
    ],
)
def test_a_playlist_is_what_its_tags_make_it(body: str, kind: str) -> None:
    assert scan(f"#EXTM3U\n{body}\n".encode()).kind == kind


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", b"hello", b"<MPD/>", b"\xef\xbb\xbf <?xml?>", b"#EXTM3U\n\0", "#EXTM3U\n".encode("utf-16"),
     b"# only a comment\nx.ts\n", b'{"VERSION":1}', bytes(range(256))],
)  # fmt: skip
def test_what_is_no_playlist_is_refused(data: bytes) -> None:
    with pytest.raises(NotAManifest):
        scan(data)
    with pytest.raises(NotAManifest):
        rewrite(data, context())


LIMITS = Limits(bytes=2000, lines=50, line_bytes=300, attributes=8, uris=10)


@pytest.mark.parametrize(
    ("lines_", "error"),
    [
        pytest.param(["#" * 250] * 9, TooLarge, id="bytes"),
        pytest.param(["#"] * 49, TooManyLines, id="lines"),
        pytest.param(["#EXTINF:1," + "x" * 300], LineTooLong, id="line"),
        pytest.param(["x" * 301], LineTooLong, id="uri"),
        pytest.param(
            ["#EXT-X-KEY:" + "A=1," * 8 + 'URI="/vod/k"'], TooManyAttributes, id="attributes"
        ),
        pytest.param(["x.ts?{$}"] * 11, TooManyUris, id="uris"),
    ],
)
def test_passing_a_limit_is_an_error_of_its_own(lines_: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        rewrite(media(*lines_), context(), LIMITS)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_what_just_keeps_the_limits_is_accepted(end: str) -> None:
    limits = Limits(bytes=2000, lines=20, line_bytes=120, attributes=2, uris=10)
    data = end.join(
        [*media().decode().splitlines(), "x" * 119, '#EXT-X-MAP:A=1,URI="i"', *["#"] * 15]
    )
    assert len(data.splitlines()) == 20

    assert rewrite(data.encode(), context(), limits).output == data.encode()
    with pytest.raises(TooManyLines):
        rewrite((data + end + "#").encode(), context(), limits)


def test_an_edge_case_of_line_length_counts_bytes_without_the_line_end() -> None:
    limits = Limits(line_bytes=64)
    fits = media("x" * 64, "y" * 64)

    assert scan(fits, limits).lines[2].stop - scan(fits, limits).lines[2].start == 64
    with pytest.raises(LineTooLong):
        scan(media("x" * 65, "y"), limits)


def test_attribute_lists_are_linear_even_when_nothing_matches() -> None:
    data = b"=" * 60_000
    steps = attribute_list(data, 0, len(data), limit=10)

    assert steps == []


def test_a_playlist_made_by_hand_answers_like_a_scanned_one() -> None:
    data = b'#EXT-X-MAP:URI="i.mp4"'
    line = Line("tag", 0, len(data), len(data), "EXT-X-MAP", 11, len(data))

    assert Playlist(data=data, kind="media", lines=(line,)).attributes(line)["URI"].value == "i.mp4"
