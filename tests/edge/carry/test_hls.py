from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.edge.carry.conftest import OpenStage
from tests.edge.carry.hosts import Stage, carried

Mint = Callable[..., str]

MASTER = """#EXTM3U
#EXT-X-DEFINE:NAME="sig",VALUE="s1"
#EXT-X-CONTENT-STEERING:SERVER-URI="{far}/steer.json",PATHWAY-ID="."
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="E",DEFAULT=YES,URI="{far}/a/en.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"
{far}/v/hi.m3u8?token=theirs&f=1
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
lo.m3u8
"""
MEDIA = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-DEFINE:IMPORT="sig"
#EXT-X-KEY:METHOD=AES-128,URI="../keys/k.bin"
#EXT-X-MAP:URI="/init.mp4",BYTERANGE="4@0"
#EXTINF:4,
1.ts
#EXTINF:4,
{same}/v/2.ts?x=1
#EXTINF:4,
{other}/deep/3.ts
#EXTINF:4,
{third}/4.ts
#EXTINF:4,
5.ts?k={{$sig}}
#EXT-X-ENDLIST
"""


def fill(stage: Stage) -> None:
    stage.via.files["/show/master.m3u8"] = MASTER.format(far=stage.far.url).encode()
    media = MEDIA.format(
        same=stage.far.url, other=stage.other.url, third="https://Third.example:443"
    )
    stage.far.files |= {
        "/v/hi.m3u8?token=theirs&f=1": media.encode(),
        "/keys/k.bin": b"k" * 16,
        "/init.mp4": b"init",
        "/v/1.ts": b"one",
        "/v/2.ts?x=1": b"two",
        "/v/5.ts?k=s1": b"five",
    }
    stage.other.files["/deep/3.ts"] = b"three"


def uris(playlist: bytes) -> list[str]:
    text = playlist.decode()
    quoted = re.findall(r'URI="([^"]*)"', text)
    return quoted + [line for line in text.splitlines() if line and not line.startswith("#")]


async def test_a_host_that_no_origin_covers_is_played_through_the_edge(
    stage: Stage, mint: Mint
) -> None:
    fill(stage)
    token = mint("/cdn/show/", "/two/")
    document = f"/t/{token}/cdn/show/master.m3u8"
    status, _, master = await stage.play(document)
    assert status == 200
    assert stage.far.url.encode() not in master
    assert token.encode() not in master
    steer, audio, high, low = uris(master)
    beginning = ".." + carried(stage.far.url + "/")
    assert (steer, audio) == (f"../{beginning}steer.json", f"../{beginning}a/en.m3u8")
    assert high == f"../{beginning}v/hi.m3u8?token=theirs&f=1"
    assert low == "lo.m3u8"

    child = f"/t/{token}" + carried(f"{stage.far.url}/v/hi.m3u8?token=theirs&f=1")
    status, headers, media = await stage.play(document, high)
    assert (status, headers["Content-Type"]) == (200, "application/vnd.apple.mpegurl")
    assert "private" in headers["Cache-Control"]
    key, init, first, second, third, fourth, fifth = uris(media)
    assert (key, first) == ("../keys/k.bin", "1.ts")
    assert not any("//" in uri for uri in uris(media))
    wanted = {key: b"k" * 16, init: b"init", first: b"one", second: b"two", third: b"three"}
    for reference, body in wanted.items():
        assert (await stage.play(child, reference))[::2] == (200, body)
    assert (await stage.play(child, fifth.replace("{$sig}", "s1")))[::2] == (200, b"five")
    assert fourth.endswith("/https/third.example/4.ts")
    assert stage.other.asked == ["/deep/3.ts"]


async def test_what_a_carried_host_sends_is_kept_and_ranges_are_cut_from_it(
    stage: Stage, mint: Mint
) -> None:
    stage.far.files["/a.ts"] = bytes(range(100))
    path = f"/t/{mint('/cdn/')}" + carried(f"{stage.far.url}/a.ts")
    assert (await stage.play(path))[2] == bytes(range(100))
    status, headers, body = await stage.play(path, Range="bytes=10-19")
    assert (status, body) == (206, bytes(range(10, 20)))
    assert "hit" in headers["Cache-Status"]
    assert stage.far.asked == ["/a.ts"]


async def test_the_host_is_told_nothing_that_is_the_viewers_or_the_origins(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(shield_key="k" * 40) as stage:
        stage.far.files["/a.ts"] = b"a"
        path = f"/t/{mint('/cdn/')}" + carried(f"{stage.far.url}/a.ts")
        status, _, _ = await stage.play(path, Cookie="c=1", Referer="https://site.example/")
        assert status == 200
    (headers,) = stage.far.headers
    told = {name.lower() for name in headers}
    assert told == {"host", "user-agent", "accept-encoding", "kawa-carried"}
    assert headers["Host"] == stage.far.host


async def test_a_public_origin_carries_without_a_token_and_its_hosts_may_have_tokens(
    open_stage: OpenStage,
) -> None:
    async with open_stage(public=True) as stage:
        fill(stage)
        _, _, master = await stage.play("/cdn/show/master.m3u8")
        high = uris(master)[2]
        for _ in range(3):  # also by way of the hot lane
            status, headers, media = await stage.play("/cdn/show/master.m3u8", high)
            assert (status, b"keys/k.bin" in media) == (200, True)
            assert "public" in headers["Cache-Control"]
        assert stage.far.asked == ["/v/hi.m3u8?token=theirs&f=1"]


async def test_players_that_cannot_follow_get_the_token_behind_that_of_the_host(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(edge={"entry": "in-place"}) as stage:
        fill(stage)
        token = mint("/cdn/")
        document = "/cdn/show/master.m3u8"
        _, _, master = await stage.play(f"{document}?token={token}")
        high = uris(master)[2]
        assert high.endswith(f"?token=theirs&f=1&token={token}")
        status, _, media = await stage.play(document, high)
        assert status == 200
        assert stage.far.asked == ["/v/hi.m3u8?token=theirs&f=1"]
        child = carried(f"{stage.far.url}/v/hi.m3u8")
        assert (await stage.play(child, uris(media)[2]))[::2] == (200, b"one")


async def test_an_entry_with_a_token_in_a_field_is_sent_to_the_path_form(
    stage: Stage, mint: Mint
) -> None:
    fill(stage)
    token = mint("/cdn/")
    path = carried(f"{stage.far.url}/v/hi.m3u8?a=1&f=1")
    status, headers, _ = await stage.play(path, Authorization=f"Bearer {token}")
    assert status == 302
    assert headers["Location"] == f"/t/{token}{path}"


async def test_relative_references_start_where_a_redirect_led(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(redirects=1) as stage:
        stage.far.moved["/old/m.m3u8"] = "/new/m.m3u8"
        stage.far.files["/new/m.m3u8"] = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n"
        stage.far.files["/new/1.ts"] = b"one"
        path = f"/t/{mint('/cdn/')}" + carried(f"{stage.far.url}/old/m.m3u8")
        status, _, media = await stage.play(path)
        assert status == 200
        assert (await stage.play(path, uris(media)[0]))[::2] == (200, b"one")


async def test_a_steering_manifest_of_a_carried_host_names_that_host_as_a_path(
    stage: Stage, mint: Mint
) -> None:
    stage.far.files["/steer.json"] = (
        b'{"VERSION":1,"TTL":30,"RELOAD-URI":"%s/again.json","PATHWAY-PRIORITY":["."]}'
        % stage.far.url.encode()
    )
    path = f"/t/{mint('/cdn/')}" + carried(f"{stage.far.url}/steer.json")
    status, _, body = await stage.play(path)
    assert status == 200
    assert b"://" not in body
    assert b'"again.json"' in body or b'"./again.json"' in body


async def test_more_hosts_than_the_setting_allows_are_refused_by_name(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(carried_hosts=3) as stage:
        for count, expected in ((3, 200), (4, 502)):
            lines = [
                f"#EXTINF:4,\nhttp://h{n}.example/{m}.ts" for m in (1, 2) for n in range(count)
            ]
            text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + "\n".join(lines) + "\n"
            stage.via.files[f"/{count}.m3u8"] = text.encode()
            status, _, body = await stage.play(f"/t/{mint('/cdn/')}/cdn/{count}.m3u8")
            assert status == expected
        assert b"too-many-hosts" in body


@pytest.mark.parametrize(
    "url", ["http://user:pw@far.example/a.ts", "http://a..b/a.ts", "http://../a"]
)
async def test_a_host_that_cannot_be_carried_refuses_the_manifest_and_shows_no_secret(
    stage: Stage, mint: Mint, url: str
) -> None:
    stage.via.files["/m.m3u8"] = f"#EXTM3U\n#EXTINF:4,\n{url}\n".encode()
    status, _, body = await stage.play(f"/t/{mint('/cdn/')}/cdn/m.m3u8")
    assert (status, b"bad-reference" in body, b"pw" in body) == (502, True, False)


async def test_bytes_that_are_no_text_survive_in_carried_uris(stage: Stage, mint: Mint) -> None:
    stage.via.files["/m.m3u8"] = (
        b"#EXTM3U\n#EXTINF:4,\n%s/\xff\xfe/1.ts?\xe9=1\n" % stage.far.url.encode()
    )
    status, _, body = await stage.play(f"/t/{mint('/cdn/')}/cdn/m.m3u8")
    assert status == 200
    assert (
        body.splitlines()[-1] == b".." + carried(stage.far.url).encode() + b"\xff\xfe/1.ts?\xe9=1"
    )


async def test_a_clone_on_a_host_that_no_origin_covers_is_written_out_as_paths(
    stage: Stage, mint: Mint
) -> None:
    stage.via.files["/show/master.m3u8"] = (
        b'#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="%s/steer.json"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID="v"\nv.m3u8\n' % stage.far.url.encode()
    )
    stage.far.files["/steer.json"] = (
        b'{"VERSION":1,"TTL":30,"PATHWAY-PRIORITY":["b","."],"PATHWAY-CLONES":[{"BASE-ID":".",'
        b'"ID":"b","URI-REPLACEMENT":{"HOST":"third.example"}}]}'
    )
    token = mint("/cdn/")
    document = f"/t/{token}/cdn/show/master.m3u8"
    _, _, master = await stage.play(document)
    status, _, body = await stage.play(document, uris(master)[0])
    assert status == 200
    (clone,) = json.loads(body)["PATHWAY-CLONES"]
    uri = clone["URI-REPLACEMENT"]["PER-VARIANT-URIS"]["v"]
    # Players resolve it against nothing, so it is whole, with this viewer's token.
    assert uri.startswith("http://127.0.0.1:")
    assert uri.endswith(f"/t/{token}" + carried("http://third.example/show/v.m3u8"))


async def test_an_interstitial_elsewhere_is_whole_and_leads_through_the_edge(
    stage: Stage, mint: Mint
) -> None:
    stage.via.files["/m.m3u8"] = (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n"
        b'#EXT-X-DATERANGE:ID="a",CLASS="com.apple.hls.interstitial",'
        b'START-DATE="2026-01-01T00:00:00Z",X-ASSET-URI="%s/ad.m3u8"\n#EXTINF:4,\n1.ts\n'
        % stage.far.url.encode()
    )
    token = mint("/cdn/")
    status, _, body = await stage.play(f"/t/{token}/cdn/m.m3u8")
    assert status == 200
    path = f"/t/{token}" + carried(f"{stage.far.url}/ad.m3u8")
    found = re.search(r'X-ASSET-URI="http://127\.0\.0\.1:\d+([^"]*)"', body.decode())
    assert found is not None
    assert found[1] == path
