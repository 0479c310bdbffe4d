from __future__ import annotations

import pytest

from edge.manifests.errors import BadReference, ManifestError, UnlistedHost
from edge.manifests.hls.rewrite import rewrite, rewrite_scanned
from edge.manifests.hls.scan import scan
from edge.manifests.places import Kind
from tests.manifests.hls_player import BASE, context, master, media, rewritten

SEGMENTS = [
    pytest.param("s1.ts", "s1.ts", id="relative"),
    pytest.param("x/s1.ts?a=/../b#c", "x/s1.ts?a=/../b#c", id="relative with query and fragment"),
    pytest.param("../s1.ts", "../s1.ts", id="up, but not out of the origin"),
    pytest.param("../../s1.ts", "../../s1.ts", id="up to the origin's top"),
    pytest.param("./s%20%2F1.ts", "./s%20%2F1.ts", id="percent-encoding"),
    pytest.param("s,1$Number$.ts", "s,1$Number$.ts", id="comma and template"),
    pytest.param("1:2.ts", "1:2.ts", id="colon after a digit"),
    pytest.param("https://cdn.example.com/vod/a/b/s1.ts", "./s1.ts", id="absolute, same folder"),
    pytest.param("https://cdn.example.com/vod/a/b/1:2.ts", "./1:2.ts", id="absolute, like a scheme"),
    pytest.param("https://cdn.example.com/vod/a/b/", "./", id="absolute, the folder itself"),
    pytest.param("https://cdn.example.com/vod/a/b//s1.ts", ".//s1.ts", id="absolute, empty segment"),
    pytest.param("https://cdn.example.com/vod/a/s1.ts", "../s1.ts", id="absolute, folder above"),
    pytest.param("https://cdn.example.com/vod/c/s1.ts", "../../c/s1.ts", id="absolute, other folder"),
    pytest.param("https://cdn.example.com/vod/a/b/../s1.ts", "../s1.ts", id="absolute with dots"),
    pytest.param("HTTPS://CDN.example.com:443/vod/c/s1.ts", "../../c/s1.ts", id="other spelling"),
    pytest.param("https://live.example.com:8443/s1.ts?x#y", "../../../live/s1.ts?x#y", id="other origin"),
    pytest.param("https://live.example.com:8443", "../../../live/", id="host without a path"),
    pytest.param("//cdn.example.com/vod/c/s1.ts", "../../c/s1.ts", id="no scheme"),
    pytest.param("/vod/a/s1.ts", "../s1.ts", id="rooted"),
    pytest.param("/vod/a/b/s1.ts?u=https://x/", "./s1.ts?u=https://x/", id="rooted with a URL in the query"),
    pytest.param("http://[2001:DB8::1]:80/s1.ts", "../../../six/s1.ts", id="ipv6"),
    pytest.param("data:video/mp2t;base64,AA==", "data:video/mp2t;base64,AA==", id="data"),
    pytest.param("urn:x:y", "urn:x:y", id="urn"),
    pytest.param("  /vod/a/s1.ts \t", "  ../s1.ts \t", id="blanks around"),
    pytest.param("?s=1", "?s=1", id="query only"),
    pytest.param("%2e%2e/s1.ts", "%2e%2e/s1.ts", id="encoded dots within the origin"),
    pytest.param("httpx/s1.ts", "httpx/s1.ts", id="a name like a scheme"),
]  # fmt: skip


@pytest.mark.parametrize(("uri", "expected"), SEGMENTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_segment_leads_through_the_edge(uri: str, expected: str, end: str) -> None:
    data = end.join(
        ["#EXTM3U", "#EXT-X-TARGETDURATION:6", "#EXTINF:6,", uri, "#EXTINF:6,", "t.ts", ""]
    )
    wanted = end.join(
        ["#EXTM3U", "#EXT-X-TARGETDURATION:6", "#EXTINF:6,", expected, "#EXTINF:6,", "t.ts", ""]
    )

    assert rewrite(data.encode(), context()).output == wanted.encode()
    assert rewrite_scanned(scan(data.encode()), context()).output == wanted.encode()


KEPT = {"", "skd://asset", "data:text/plain;base64,QUJD", "urn:uuid:1", "blob:x", "k.bin"}


@pytest.mark.parametrize("uri", sorted(KEPT))
def test_keys_that_no_server_answers_stay(uri: str) -> None:
    line = f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{uri}",KEYFORMAT="com.apple.streamingkeydelivery"'

    assert rewritten(media(line)) == [line]


FAR = "https://live.example.com:8443/x/y"
NEAR = "../../../live/x/y"
TAGS = [
    ("media", '#EXT-X-KEY:METHOD=AES-128,URI="{}",IV=0x1', Kind.KEY),
    ("media", '#EXT-X-MAP:URI="{}",BYTERANGE="7@0"', Kind.INIT),
    ("media", '#EXT-X-PART:DURATION=1,URI="{}",INDEPENDENT=YES', Kind.PART),
    ("media", '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{}"', Kind.PART),
    ("media", '#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="{}"', Kind.INIT),
    ("media", '#EXT-X-RENDITION-REPORT:URI="{}",LAST-MSN=1', Kind.RENDITION_REPORT),
    ("media", '#EXT-X-DATERANGE:ID="a, b",CLASS="c",X-ASSET-URI="{}"', Kind.ASSET),
    ("media", '#EXT-X-DATERANGE:ID="a",X-ASSET-LIST="{}", X-RESTRICT="SKIP,JUMP"', Kind.ASSET_LIST),
    ("media", '#EXT-X-DATERANGE:ID="a",CLASS="com.apple.hls.preload",X-URI="{}"', Kind.ASSET),
    ("media", "#EXT-X-PREFETCH:{}", Kind.SEGMENT),
    ("media", "#EXT-X-TWITCH-PREFETCH:{}", Kind.SEGMENT),
    ("media", "#UPLYNK-KEY:{}", Kind.KEY),
    ("master", '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n",URI="{}"', Kind.CHILD_PLAYLIST),
    ("master", '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="{}"', Kind.CHILD_PLAYLIST),
    ("master", '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,CODECS="jpeg",URI="{}"', Kind.CHILD_PLAYLIST),
    ("master", '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="{}"', Kind.KEY),
    ("master", '#EXT-X-SESSION-DATA:DATA-ID="d",URI="{}"', Kind.SESSION_DATA),
    ("master", '#EXT-X-CONTENT-STEERING:SERVER-URI="{}",PATHWAY-ID="A"', Kind.STEERING),
    ("master", "#EXT-X-STREAM-INF:BANDWIDTH=1\n{}", Kind.CHILD_PLAYLIST),
    ("media", "#EXTINF:1,\n{}", Kind.SEGMENT),
    ("media", "#EXT-X-IMAGES-ONLY\n#EXTINF:1,\n{}", Kind.IMAGE),
    ("media", "#EXT-X-KEY:METHOD=AES-128,URI={},IV=0x1", Kind.KEY),  # unquoted
    ("media", "#EXT-X-MAP: URI = {} , X=1", Kind.INIT),
    ("media", "#EXT-X-MAP:URI=“{}”,X=1", Kind.INIT),  # a word processor's quotes
    ("media", '#EXT-X-MAP:X="unfinished,URI="{}"', None),
    ("media", '#EXT-X-MAP:BYTERANGE="1@0",URI="{}', Kind.INIT),  # no closing quote
    ("media", '#EXT-X-MAP:URI=" {} "', Kind.INIT),
    ("media", '#EXT-X-MAP:URI="{0}",URI="{0}"', Kind.INIT),  # which one counts is the player's choice
]  # fmt: skip


@pytest.mark.parametrize(("kind", "line", "points_to"), TAGS)
def test_every_tag_that_carries_a_uri_is_known(
    kind: str, line: str, points_to: Kind | None
) -> None:
    make = media if kind == "media" else master
    result = rewrite(make(line.format(FAR)), context())

    if points_to is None:
        assert result.output == make(line.format(FAR))
        return
    assert result.output == make(line.format(NEAR))
    assert {place.kind for place in result.places} == {points_to}
    assert {result.output[p.start : p.stop] for p in result.places} == {NEAR.encode()}


@pytest.mark.parametrize(
    "line",
    [
        '#EXT-X-CUSTOM:URI="https://elsewhere.example/x"',
        "#EXT-X-CUSTOM-URI:https://elsewhere.example/x",
        "# a comment with https://elsewhere.example/x",
        '#EXT-X-DATERANGE:ID="a",X-COM-BEACON="https://elsewhere.example/x"',
        '#EXT-X-DATERANGE:ID="a",X-URI="https://elsewhere.example/x"',
        '#EXT-X-MEDIA:NAME="URI=https://elsewhere.example/x"',
        "#EXTINF:6,https://elsewhere.example/x",
        "#UPLYNK-KEY:0123456789abcdef",
        "#UPLYNK-SEGMENT:https://elsewhere.example/x",
    ],
)
def test_what_is_no_uri_of_the_playlist_stays(line: str) -> None:
    assert rewritten(media(line, "#EXTINF:6,", "s.ts")) == [line, "#EXTINF:6,", "s.ts"]


def test_a_rendition_report_leads_where_the_rendition_leads() -> None:
    report = (
        '#EXT-X-RENDITION-REPORT:URI="/vod/a/audio/a.m3u8?_HLS_msn=4&x=1&_HLS_part=2",LAST-MSN=4'
    )

    assert rewritten(media(report)) == [
        '#EXT-X-RENDITION-REPORT:URI="../audio/a.m3u8?x=1",LAST-MSN=4'
    ]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("v.m3u8?_HLS_msn=1&_HLS_part=2&_HLS_skip=YES", "v.m3u8"),
        ("v.m3u8?a=1&_HLS_skip=v2&b=2#f", "v.m3u8?a=1&b=2#f"),
        ("v.m3u8?_HLS_interstitial_id=mid&_HLS_msn=3", "v.m3u8?_HLS_interstitial_id=mid"),
        ("https://live.example.com:8443/v.m3u8?_HLS_msn=1", "../../../live/v.m3u8"),
        ("v.m3u8?x_HLS_msn=1", "v.m3u8?x_HLS_msn=1"),
        ("?_HLS_msn=1", "./media.m3u8"),
    ],
)
def test_delivery_directives_do_not_travel_into_children(uri: str, expected: str) -> None:
    assert rewritten(master("#EXT-X-STREAM-INF:BANDWIDTH=1", uri))[1] == expected


def test_the_players_own_query_is_not_copied_into_children() -> None:
    lines = ["#EXT-X-STREAM-INF:BANDWIDTH=1", "/vod/v.m3u8"]
    query = {"token": "secret", "_HLS_msn": "3", "api_password": "x"}

    assert rewritten(master(*lines), query=query)[1] == "../../v.m3u8"
    assert rewritten(master(*lines), base=BASE + "?token=s&_HLS_msn=1")[1] == "../../v.m3u8"


@pytest.mark.parametrize("uri", ["https://evil.example:81/x/s.ts", "//evil.example:81/s.ts"])
def test_a_host_that_no_origin_covers_is_refused_by_name(uri: str) -> None:
    with pytest.raises(UnlistedHost, match=r"evil\.example:81") as caught:
        rewrite(media("#EXTINF:1,", uri), context())

    assert caught.value.host == "evil.example:81"


def test_a_password_in_a_refused_url_is_not_told() -> None:
    with pytest.raises(UnlistedHost) as caught:
        rewrite(media("#EXTINF:1,", "https://user:secret@evil.example/s.ts"), context())

    assert "secret" not in str(caught.value)


def test_an_unlisted_host_may_be_left_with_its_scheme() -> None:
    lines = [
        "#EXTINF:1,",
        "//evil.example/s.ts",
        "#EXTINF:1,",
        "/elsewhere/s.ts",
        '#EXT-X-MAP:URI="x.mp4"',
    ]
    result = rewrite(media(*lines), context(unlisted="leave"))

    assert result.output == media(
        "#EXTINF:1,",
        "https://evil.example/s.ts",
        "#EXTINF:1,",
        "https://cdn.example.com/elsewhere/s.ts",
        '#EXT-X-MAP:URI="x.mp4"',
    )
    assert [result.output[p.start : p.stop] for p in result.places] == [b"x.mp4"]


def test_an_unlisted_host_may_be_carried() -> None:
    lines = [
        "#EXTINF:1,",
        "https://evil.example/a/1.ts#f",
        "#EXTINF:1,",
        "https://evil.example/a/2.ts",
    ]
    carried: list[str] = []

    def carry(url: str) -> str:
        carried.append(url)
        return f"/x/{len(url)}"

    assert rewritten(media(*lines), unlisted="carry", carry=carry) == [
        "#EXTINF:1,",
        "../../../x/27#f",
        "#EXTINF:1,",
        "../../../x/27",
    ]
    assert carried == ["https://evil.example/a/1.ts", "https://evil.example/a/2.ts"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("../../../s.ts", "https://cdn.example.com/s.ts"),
        ("x/../../../../s.ts", "https://cdn.example.com/s.ts"),
        ("%2e%2e/../%2E./s.ts", "https://cdn.example.com/s.ts"),
    ],
)
def test_a_relative_uri_that_climbs_out_of_its_origin_is_resolved(uri: str, expected: str) -> None:
    data = media("#EXTINF:1,", uri)

    assert rewritten(data, unlisted="leave")[1] == expected
    with pytest.raises(UnlistedHost):
        rewrite(data, context())


@pytest.mark.parametrize(
    "uri",
    [
        r"\\evil.example\s.ts",
        r"/\evil.example/s.ts",
        "ht\ttp://evil.example/s.ts",
        "\x01http://evil.example/s.ts",
        "http:evil.example/s.ts",
        "https:///s.ts",
        "a/.\t./s.ts",
    ],
)
def test_what_a_browser_would_read_as_another_host_is_refused(uri: str) -> None:
    with pytest.raises(BadReference):
        rewrite(media("#EXTINF:1,", uri), context())


def test_after_a_redirect_into_another_folder_relative_uris_are_rewritten() -> None:
    lines = ["#EXTINF:1,", "s.ts", '#EXT-X-MAP:URI="../i.mp4"', "#EXTINF:1,", "?q"]
    moved = "https://cdn.example.com/vod/c/d/e/other.m3u8"

    assert rewritten(media(*lines), base=moved) == [
        "#EXTINF:1,",
        "../../c/d/e/s.ts",
        '#EXT-X-MAP:URI="../../c/d/i.mp4"',
        "#EXTINF:1,",
        "../../c/d/e/other.m3u8?q",
    ]


def test_after_a_redirect_to_another_origin_relative_uris_lead_there() -> None:
    assert rewritten(
        media("#EXTINF:1,", "s.ts"), base="https://live.example.com:8443/a/b/m.m3u8"
    ) == [
        "#EXTINF:1,",
        "../../../live/a/b/s.ts",
    ]


def test_an_origin_may_stand_behind_two_hosts() -> None:
    origins = type(context().origins)(
        (("vod", "https://a.example/"), ("vod", "https://b.example/x/"))
    )
    answer = rewritten(
        media("#EXTINF:1,", "https://a.example/a/b/1.ts", "#EXTINF:1,", "2.ts"),
        origins=origins,
        base="https://b.example/x/a/b/m.m3u8",
    )

    assert answer == ["#EXTINF:1,", "./1.ts", "#EXTINF:1,", "2.ts"]


def test_edits_tell_line_tag_and_kind() -> None:
    result = rewrite(media(f'#EXT-X-KEY:METHOD=AES-128,URI="{FAR}"', "#EXTINF:1,", FAR), context())

    assert [(edit.where, edit.why) for edit in result.edits] == [
        ("line 3, EXT-X-KEY URI", "key"),
        ("line 5, URI", "segment"),
    ]


MIXED = [
    ["https://cdn.example.com/vod/a/1.ts", "https://cdn.example.com/vod/a/b/2.ts"],
    ["https://cdn.example.com/vod/a/b/1.ts", "https://cdn.example.com/vod/a/b/c/2.ts", "3.ts"],
    ["https://cdn.example.com/vod/a/b/1.ts", "", "https://cdn.example.com/vod/a/b/2:3.ts"],
    ["/vod/1.ts", "//cdn.example.com/vod/2.ts", "/vod/a/3.ts", "/vod/a/b/4.ts", "/vod/a/b/c/5.ts"],
    [f"https://live.example.com:8443/{n}/s.ts" for n in range(12)],
    ["https://live.example.com:8443/1.ts", "https://live.example.com:8443//2.ts"],
    ["https://live.example.com:8443/x/1.ts", "https://live.example.com:8443/x/../2.ts"],
    ["https://live.example.com:8443/x/1.ts", "https://live.example.com:8443/x/"],
    ["https://live.example.com:8443/x/1.ts", "\x01.ts", "/vod/2.ts"],
    ["/vod/1.ts", "/vod/..", "/vod/a/b"],
    ["/vod/a/b/1.ts", "/vod/a/b/http1.ts", "http2.ts", "/vod/a/b/#x"],
]


@pytest.mark.parametrize("uris", MIXED)
def test_many_folders_in_one_playlist_come_out_as_one_by_one(uris: list[str]) -> None:
    lines = [line for uri in uris for line in ("#EXTINF:1,", uri)]
    for data in (media(*lines), media(*lines)[:-1]):
        try:
            careful = rewrite_scanned(scan(data), context()).output
        except ManifestError as error:
            with pytest.raises(type(error)):
                rewrite(data, context())
            continue
        assert rewrite(data, context()).output == careful
