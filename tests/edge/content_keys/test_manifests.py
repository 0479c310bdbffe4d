from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pytest

from edge.manifests.dash.scan import scan
from edge.manifests.limits import Limits
from tests.edge.client import Client
from tests.edge.origins import Origin

Mint = Callable[..., str]

CLEAR_KEY = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
WIDEVINE = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
MPD = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:d="https://dashif.org/CPS" type="static"
 profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period id="0"><BaseURL>media/</BaseURL>
<AdaptationSet mimeType="video/mp4"><ContentProtection schemeIdUri="{scheme}">
<d:Laurl>{url}</d:Laurl></ContentProtection>
<SegmentTemplate media="$Number$.m4s" initialization="init.mp4" duration="6"/><Representation id="v" bandwidth="1"/>
</AdaptationSet></Period></MPD>"""


def laurl_of(body: bytes) -> str:
    found = next(ET.fromstring(body).iter("{https://dashif.org/CPS}Laurl"))
    return (found.text or "").strip()


@pytest.fixture
def put(title: Path, upstream: Origin) -> Callable[..., None]:
    def write(url: str, *, scheme: str = CLEAR_KEY) -> None:
        text = MPD.format(scheme=scheme, url=url)
        (title / "dash.mpd").write_text(text)
        upstream.files["/title/dash.mpd"] = text.encode()
        upstream.headers = {"Content-Type": "application/dash+xml"}

    return write


@pytest.mark.parametrize(
    "written", ["key/license", "./key/license", "<![CDATA[key/license]]>", " key/license\n"]
)
async def test_a_licence_server_beside_the_manifest_is_named_whole(
    client: Client, mint: Mint, put: Callable[..., None], written: str
) -> None:
    put(written)
    token = mint()
    status, headers, body = await client.ask(f"/t/{token}/vod/title/dash.mpd")

    assert status == 200
    assert laurl_of(body) == f"{client.base}/t/{token}/vod/title/key/license"
    assert headers["Cache-Control"] == "private, no-store"
    assert b"<BaseURL>media/</BaseURL>" in body
    assert scan(body, Limits()).root.name == "MPD"


async def test_a_filter_stays_in_front_of_it(
    client: Client, mint: Mint, put: Callable[..., None]
) -> None:
    put("key/license")
    token = mint()
    _, _, body = await client.ask(f"/t/{token}/f/bandwidth:..9/vod/title/dash.mpd")
    assert laurl_of(body).startswith(f"{client.base}/t/{token}/f/")
    assert laurl_of(body).endswith("/vod/title/key/license")


async def test_a_licence_server_on_the_origins_own_host_is_led_through_the_edge(
    client: Client, mint: Mint, put: Callable[..., None], upstream: Origin
) -> None:
    put(f"{upstream.url}/title/key/license?a=1&amp;b=2")
    token = mint("/up/title/")
    _, _, body = await client.ask(f"/t/{token}/up/title/dash.mpd")
    assert laurl_of(body).partition("?")[0] == f"{client.base}/t/{token}/up/title/key/license"
    assert laurl_of(body).endswith("?a=1&b=2")


@pytest.mark.parametrize(
    ("scheme", "url"),
    [
        (CLEAR_KEY, "https://licences.example/x"),
        (CLEAR_KEY, "https://licences.example/key/license"),
        (CLEAR_KEY, "licences"),
        (WIDEVINE, "key/license"),
        (CLEAR_KEY, ""),
    ],
)
async def test_others_licence_servers_stay_as_they_are(
    client: Client, mint: Mint, put: Callable[..., None], scheme: str, url: str
) -> None:
    put(url, scheme=scheme)
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/dash.mpd")
    assert (status, laurl_of(body)) == (200, url)
    assert headers["Cache-Control"].startswith("private, max-age=")


async def test_keys_of_a_playlist_are_asked_for_below_the_players_token(
    client: Client, mint: Mint, upstream: Origin
) -> None:
    upstream.files["/title/hls.m3u8"] = (
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n"
        f'#EXT-X-KEY:METHOD=AES-128,URI="{upstream.url}/title/key/m1.0"\n#EXTINF:6,\n0.ts\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="/title/key/m1.1"\n#EXTINF:6,\n1.ts\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="key/m2.0"\n#EXTINF:6,\n2.ts\n#EXT-X-ENDLIST\n'
    ).encode()
    token = mint("/up/title/")
    path = f"/t/{token}/up/title/hls.m3u8"
    _, _, body = await client.ask(path)

    assert token.encode() not in body
    uris = re.findall(r'URI="([^"]+)"', body.decode())
    asked = [urljoin(path, uri) for uri in uris]
    assert asked == [f"/t/{token}/up/title/key/{name}" for name in ("m1.0", "m1.1", "m2.0")]
    for target in asked:
        status, _, key = await client.ask(target)
        assert (status, len(key)) == (200, 16)


async def test_a_licence_server_of_a_packager_that_needs_no_edge_stays(
    client: Client, mint: Mint, put: Callable[..., None], upstream: Origin
) -> None:
    put(f"{upstream.url}/clearkey")
    _, _, body = await client.ask(f"/t/{mint('/up/title/')}/up/title/dash.mpd")
    assert laurl_of(body) == f"{upstream.url}/clearkey"
