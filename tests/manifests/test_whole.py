from __future__ import annotations

import json

import pytest

from edge.manifests.pipeline import Format, produce
from edge.manifests.places import Kind, with_query_token
from edge.manifests.whole import made_whole, whole_places
from tests.manifests.hls_player import context, master, media

PUBLIC = "https://edge.example:8443/t/TOKEN/f/height:..720"
AD = '#EXT-X-DATERANGE:ID="{}",CLASS="com.apple.hls.interstitial",START-DATE="2026-01-01T00:00:00Z",{}'


def asset(uri: str, number: int = 1) -> str:
    return AD.format(number, f'X-ASSET-URI="{uri}"')


def whole(data: bytes, public: str = PUBLIC) -> bytes:
    produced = produce(data, context(unlisted="leave"))
    return made_whole(
        produced.output,
        produced.places(),
        format_=produced.format,
        document=context().document,
        public=public,
    )[0]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("ad.m3u8", f"{PUBLIC}/vod/a/b/ad.m3u8"),
        ("../ad.m3u8?x=1#f", f"{PUBLIC}/vod/a/ad.m3u8?x=1#f"),
        ("https://live.example.com:8443/ad.m3u8", f"{PUBLIC}/live/ad.m3u8"),
        ("https://cdn.example.com/vod/a/b/%41/d.m3u8", f"{PUBLIC}/vod/a/b/%41/d.m3u8"),
        ("https://left.example/ad.m3u8", "https://left.example/ad.m3u8"),
        ("data:application/x,1", "data:application/x,1"),
    ],
)
def test_the_asset_of_an_interstitial_is_named_by_an_absolute_uri(uri: str, expected: str) -> None:
    assert f'X-ASSET-URI="{expected}"'.encode() in whole(media(asset(uri), "s.ts"))


def test_nothing_else_in_a_playlist_becomes_absolute() -> None:
    tags = (
        AD.format(2, 'X-ASSET-LIST="list.json"'),
        '#EXT-X-MAP:URI="i.mp4"',
        "#EXTINF:6,",
        "s.ts",
    )
    data = media(asset("ad.m3u8"), *tags)

    assert whole(data) == data.replace(b'"ad.m3u8"', f'"{PUBLIC}/vod/a/b/ad.m3u8"'.encode())


def test_an_asset_list_is_read_as_json_and_written_as_json() -> None:
    data = b'{"ASSETS": [{"URI": "a\\/\\u00e9.m3u8" }, {"URI":"https:\\/\\/left.example\\/"}, {"URI":"q?a=\\"1"}]}'

    output = whole(data)

    assert [one["URI"] for one in json.loads(output)["ASSETS"]] == [
        f"{PUBLIC}/vod/a/b/a/é.m3u8",
        "https://left.example/",
        f'{PUBLIC}/vod/a/b/q?a="1',
    ]
    assert b'"https:\\/\\/left.example\\/"' in output


def test_only_documents_with_such_uris_have_to_be_finished_for_each_viewer() -> None:
    def kinds(data: bytes) -> set[Kind]:
        return {place.kind for place in whole_places(produce(data, context()))}

    assert kinds(media("s.ts", '#EXT-X-MAP:URI="i.mp4"')) == set()
    assert kinds(master("#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8")) == set()
    assert kinds(media(AD.format(1, 'X-ASSET-LIST="list.json"'))) == set()
    assert kinds(media(asset("ad.m3u8"))) == {Kind.ASSET}
    assert kinds(b'{"ASSETS": [{"URI": "a.m3u8"}]}') == {Kind.ASSET}
    assert kinds(b'{"RELOAD-URI": "r.json"}') == set()
    assert kinds(b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>x/</BaseURL></MPD>') == set()


def test_the_places_move_along_so_that_a_token_can_follow() -> None:
    produced = produce(media(asset("ad.m3u8"), asset("b.m3u8?x=1", 2), "s.ts"), context())
    output, places = made_whole(
        produced.output,
        produced.places(),
        format_=Format.HLS,
        document=context().document,
        public="http://[::1]:80",
    )

    tokened = with_query_token(output, places, "T", xml=False)

    assert b'"http://[::1]:80/vod/a/b/ad.m3u8?token=T"' in tokened
    assert b'"http://[::1]:80/vod/a/b/b.m3u8?x=1&token=T"' in tokened
    assert b"\ns.ts?token=T" in tokened


@pytest.mark.parametrize(
    "public",
    ["", "edge.example", "//edge.example", "ftp://e", 'http://e"', "http://e\n", "http://e/{$x}", "http://e/?", "http://e/#",
     "http://e/\\", "http://u@e", "http://[x]", "http://e:x", "http://e/ "],
)  # fmt: skip
def test_what_is_no_beginning_of_a_url_is_not_written_into_a_manifest(public: str) -> None:
    with pytest.raises(ValueError, match="not the beginning of a URL"):
        whole(media(asset("ad.m3u8")), public)


def test_a_token_does_not_go_to_a_foreign_host_that_a_variable_names() -> None:
    data = media(
        '#EXT-X-DEFINE:NAME="cdn",VALUE="https://left.example"',
        '#EXT-X-DEFINE:NAME="own",VALUE="c"',
        "#EXTINF:6,",
        "{$cdn}/s.ts",
        "#EXTINF:6,",
        "{$own}/s.ts",
    )
    produced = produce(data, context(unlisted="leave"))

    tokened = with_query_token(produced.output, produced.places(), "T", xml=False)

    assert b"{$cdn}/s.ts\n" in tokened
    assert b"{$own}/s.ts?token=T\n" in tokened
