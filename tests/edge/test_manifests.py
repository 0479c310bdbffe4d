from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.client import Client
from tests.edge.origins import Origin, polite_origin

Mint = Callable[..., str]

MASTER = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",LANGUAGE="ja",NAME="J",DEFAULT=YES,AUTOSELECT=YES,URI="/show/ja.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",LANGUAGE="en",NAME="E",AUTOSELECT=YES,URI="en.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"
{other}/v/1080.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"
v/720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"
v/360.m3u8?sig=1
"""
MEDIA = b"".join(
    (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n",
        *(b"#EXTINF:4,\nsegment-%d.ts\n" % number for number in range(40)),
        b"#EXT-X-ENDLIST\n",
    )
)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with polite_origin() as origin:
        yield origin


@pytest.fixture
async def other() -> AsyncIterator[Origin]:
    async with polite_origin() as origin:
        yield origin


def with_origins(settings: Settings, **changes: object) -> Settings:
    return Settings.model_validate({"var_dir": settings.var_dir, "edge": changes})


@pytest.fixture
async def client(
    settings: Settings,
    key_set: KeySet,
    origin: Origin,
    other: Origin,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Client]:
    changes = getattr(request, "param", {})
    changed = with_origins(
        settings,
        origins={
            "cdn": {"kind": "http", "url": origin.url},
            "two": {"kind": "http", "url": other.url + "/deep"},
        },
        **{"manifest_max_age": 60} | changes,
    )
    origin.files["/show/master.m3u8"] = MASTER.replace(b"{other}", other.url.encode() + b"/deep")
    origin.files["/show/v/720.m3u8"] = MEDIA
    server = TestServer(build_app(changed, key_set=key_set))
    async with (
        server,
        ClientSession(connector=TCPConnector(force_close=True), auto_decompress=False) as session,
    ):
        yield Client(session, server)


async def test_uris_become_relative_and_hold_no_token(client: Client, mint: Mint) -> None:
    token = mint("/")
    status, headers, body = await client.ask(f"/t/{token}/cdn/show/master.m3u8")
    assert status == 200
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    lines = body.decode().splitlines()
    assert lines[4] == "../../two/v/1080.m3u8"
    assert lines[6] == "v/720.m3u8"
    assert lines[8] == "v/360.m3u8?sig=1"
    assert re.search(r'URI="(\./)?ja\.m3u8"', lines[1])
    assert token not in body.decode()


async def test_a_filter_in_the_path_chooses_and_is_inherited(client: Client, mint: Mint) -> None:
    path = f"/t/{mint('/')}/f/height:..720~alang:en/cdn/show/master.m3u8"
    _, _, body = await client.ask(path)
    text = body.decode()
    assert re.findall(r"RESOLUTION=\d+x(\d+)", text) == ["720", "360"]
    assert 'LANGUAGE="en"' in text
    assert 'LANGUAGE="ja"' not in text


async def test_a_filter_in_the_query_moves_into_the_path_with_the_token(
    client: Client, mint: Mint
) -> None:
    token = mint("/")
    status, headers, _ = await client.ask(f"/cdn/show/master.m3u8?x=1&f.height=..720&token={token}")
    assert status == 302
    assert headers["Location"] == f"/t/{token}/f/height:..720p/cdn/show/master.m3u8?x=1" or headers[
        "Location"
    ].startswith(f"/t/{token}/f/height:..720")
    assert headers["Location"].endswith("/cdn/show/master.m3u8?x=1")


async def test_a_grants_limit_is_a_filter_that_nobody_lifts(client: Client, mint: Mint) -> None:
    token = mint("/", max_height=720)
    for path in (
        f"/t/{token}/cdn/show/master.m3u8",
        f"/t/{token}/f/height:1080../cdn/show/master.m3u8",
    ):
        _, headers, body = await client.ask(path)
        heights = [int(h) for h in re.findall(rb"RESOLUTION=\d+x(\d+)", body)]
        assert heights
        assert max(heights) <= 720
    assert "height" in headers["Kawa-Filter-Given-Up"]


@pytest.mark.parametrize(
    ("words", "named"),
    [("colour:red", "colour"), ("height:tall", "tall"), ("height", "height"), ("height:..", "..")],
)
async def test_a_bad_filter_is_named(client: Client, mint: Mint, words: str, named: str) -> None:
    status, _, body = await client.ask(f"/t/{mint('/')}/f/{words}/cdn/show/master.m3u8")
    assert (status, json.loads(body)["error"]) == (400, "bad-filter")
    assert named in json.loads(body)["message"]


async def test_a_thousand_viewers_cost_the_origin_one_request(
    client: Client, mint: Mint, origin: Origin
) -> None:
    origin.gate = asyncio.Event()
    viewers = [
        asyncio.create_task(client.ask(f"/t/{mint('/', session=f's{n}')}/cdn/show/v/720.m3u8"))
        for n in range(50)
    ]
    while not origin.asked:
        await asyncio.sleep(0)
    origin.gate.set()
    answers = await asyncio.gather(*viewers)

    assert {status for status, _, _ in answers} == {200}
    assert {body for _, _, body in answers} == {MEDIA}
    assert len(origin.asked) == 1


async def test_a_viewer_who_leaves_does_not_cancel_the_others(
    client: Client, mint: Mint, origin: Origin
) -> None:
    origin.gate = asyncio.Event()
    first = asyncio.create_task(client.ask(f"/t/{mint('/')}/cdn/show/v/720.m3u8"))
    while not origin.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(client.ask(f"/t/{mint('/')}/cdn/show/v/720.m3u8"))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    origin.gate.set()

    assert (await second)[0] == 200
    assert len(origin.asked) == 1


async def test_a_form_is_compressed_and_has_its_own_validator(client: Client, mint: Mint) -> None:
    path = f"/t/{mint('/')}/cdn/show/v/720.m3u8"
    _, plain, body = await client.ask(path, Accept_Encoding="identity")
    _, packed, small = await client.ask(path, Accept_Encoding="deflate, gzip;q=0.5")
    assert gzip.decompress(small) == body == MEDIA
    assert packed["Content-Encoding"] == "gzip"
    _, packed_well, smaller = await client.ask(path, Accept_Encoding="gzip, br")
    assert brotli.decompress(smaller) == MEDIA
    assert packed_well["Content-Encoding"] == "br"
    assert len(smaller) < len(small)
    assert plain["ETag"] != packed["ETag"]
    assert plain["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in (await client.ask(path, Accept_Encoding="gzip;q=0"))[1]

    for etag, encoding in ((plain["ETag"], "identity"), (packed["ETag"], "gzip")):
        status, _, nothing = await client.ask(path, Accept_Encoding=encoding, If_None_Match=etag)
        assert (status, nothing) == (304, b"")
    other = await client.ask(path, Accept_Encoding="gzip", If_None_Match=plain["ETag"])
    assert other[0] == 200


@pytest.mark.parametrize("client", [{"manifest_max_age": 0}], indirect=True)
async def test_the_last_good_copy_is_served_while_the_origin_fails(
    client: Client, mint: Mint, origin: Origin
) -> None:
    path = f"/t/{mint('/')}/cdn/show/v/720.m3u8"
    assert (await client.ask(path))[2] == MEDIA
    origin.status = 500
    assert (await client.ask(path))[2] == MEDIA
    origin.status = 200
    origin.files["/show/v/720.m3u8"] = b"<html>Sorry</html>"
    assert (await client.ask(path))[2] == MEDIA
    origin.files["/show/v/720.m3u8"] = MEDIA + b"# later\n"
    assert (await client.ask(path))[2] == MEDIA + b"# later\n"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html></html>", id="a page"),
        pytest.param(b"\x00\x01\x02", id="bytes"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><MPD/>', id="entities"),
        pytest.param(b"#EXTM3U\n#EXTINF:4,\nhttp://nowhere.example/1.ts\n", id="an unlisted host"),
    ],
)
async def test_what_players_cannot_use_is_the_origins_fault(
    client: Client, mint: Mint, origin: Origin, body: bytes
) -> None:
    origin.files["/show/bad.m3u8"] = body
    status, _, answer = await client.ask(f"/t/{mint('/')}/cdn/show/bad.m3u8")
    assert (status, json.loads(answer)["error"]) == (502, "bad-manifest")


@pytest.mark.parametrize("client", [{"entry": "in-place"}], indirect=True)
async def test_players_that_follow_no_redirect_get_the_token_in_every_uri(
    client: Client, mint: Mint
) -> None:
    token = mint("/")
    status, headers, body = await client.ask(f"/cdn/show/master.m3u8?token={token}")
    assert (status, headers["Cache-Control"]) == (200, "private, no-store")
    lines = body.decode().splitlines()
    assert lines[4] == f"../../two/v/1080.m3u8?token={token}"
    assert lines[8] == f"v/360.m3u8?sig=1&token={token}"
    child = f"/cdn/show/v/720.m3u8?token={token}"
    _, _, body = await client.ask(child)
    assert body.decode().splitlines()[4] == f"segment-0.ts?token={token}"


async def test_a_playlist_without_a_name_is_known_by_its_type(
    client: Client, mint: Mint, origin: Origin
) -> None:
    origin.files["/show/live"] = MEDIA.replace(b"segment", b"/show/segment")
    origin.headers["Content-Type"] = "application/x-mpegURL"
    _, headers, body = await client.ask(f"/t/{mint('/')}/cdn/show/live")
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert body.replace(b"./segment", b"segment") == MEDIA


LIVE = b"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" id="a" type="dynamic" publishTime="2026-01-01T00:00:00Z">
<Period id="1"><AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$Number$.m4s" initialization="i.mp4"/>
<Representation id="v" bandwidth="1"/></AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize("client", [{"entry": "in-place"}], indirect=True)
async def test_a_live_mpd_has_the_token_in_every_uri_where_it_cannot_be_inherited(
    client: Client, mint: Mint, origin: Origin
) -> None:
    token = mint("/")
    origin.files["/show/live.mpd"] = LIVE
    _, _, body = await client.ask(f"/cdn/show/live.mpd?token={token}")
    assert f'media="$Number$.m4s?token={token}"'.encode() in body
    assert b"PatchLocation" not in body
    _, _, body = await client.ask(f"/t/{token}/cdn/show/live.mpd")
    assert b'media="$Number$.m4s"' in body
    assert b"PatchLocation" in body


async def test_json_that_is_no_document_of_ours_passes_as_it_is(
    client: Client, mint: Mint, origin: Origin
) -> None:
    origin.headers["Content-Type"] = "application/json"
    for body in (b'[{"t": 1}]', b'{"thumbnails": ["https://nowhere.example/1.jpg"]}'):
        origin.files["/show/t.json"] = body
        path = f"/t/{mint('/')}/cdn/show/t.json?{len(body)}"
        assert (await client.ask(path))[2] == body
