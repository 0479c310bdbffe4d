from __future__ import annotations

import re
from collections.abc import Callable

from tests.edge.carry.conftest import OpenStage
from tests.edge.carry.hosts import Stage, carried

Mint = Callable[..., str]

HEAD = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="http://www.w3.org/1999/xlink" '
MPD = (
    HEAD
    + """type="dynamic" publishTime="2026-01-01T00:00:00Z" availabilityStartTime="2026-01-01T00:00:00Z"
 profiles="urn:mpeg:dash:profile:isoff-live:2011">
<Location>{far}/live/new.mpd</Location>
<PatchLocation ttl="60">{far}/live/patch.mpp</PatchLocation>
<ContentSteering defaultServiceLocation="a">{far}/steer</ContentSteering>
<BaseURL>{far}/deep/er/</BaseURL>
<Period id="0"><AdaptationSet mimeType="video/mp4">
<SegmentTemplate media="$RepresentationID$/$Number%05d$.m4s" initialization="/init/$RepresentationID$.mp4"
 duration="6" startNumber="1"/>
<Representation id="v" bandwidth="1"/><Representation id="w" bandwidth="2"><BaseURL>sub/</BaseURL></Representation>
</AdaptationSet></Period>
<Period id="1" xlink:href="{far}/period.xml" xlink:actuate="onLoad"/>
</MPD>"""
)
PERIOD = (
    b'<Period xmlns="urn:mpeg:dash:schema:mpd:2011" id="1"><AdaptationSet mimeType="video/mp4">'
    b'<SegmentTemplate media="ad-$Number$.m4s" duration="6"/><Representation id="ad" bandwidth="1"/>'
    b"</AdaptationSet></Period>"
)


def attribute(mpd: bytes, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', mpd.decode())
    assert found is not None
    return found[1]


def text(mpd: bytes, element: str) -> str:
    found = re.search(rf"<{element}[^>]*>([^<]*)</{element}>", mpd.decode())
    assert found is not None
    return found[1]


async def test_an_mpd_whose_base_is_elsewhere_plays_its_templates_through_the_edge(
    stage: Stage, mint: Mint
) -> None:
    stage.via.files["/show/m.mpd"] = MPD.format(far=stage.far.url).encode()
    stage.far.files |= {
        "/deep/er/v/00007.m4s": b"seven",
        "/deep/er/sub/w/00008.m4s": b"eight",
        "/init/v.mp4": b"init",
        "/live/new.mpd": b"<MPD/>",
    }
    token = mint("/cdn/show/")
    document = f"/t/{token}/cdn/show/m.mpd"
    status, _, mpd = await stage.play(document)
    assert status == 200
    assert stage.far.host.encode() not in mpd.replace(carried(stage.far.url).encode(), b"")
    beginning = "../.." + carried(stage.far.url)
    assert text(mpd, "BaseURL") == f"{beginning}deep/er/"
    assert text(mpd, "Location") == f"{beginning}live/new.mpd"
    assert text(mpd, "PatchLocation") == f"{beginning}live/patch.mpp"
    assert text(mpd, "ContentSteering") == f"{beginning}steer"
    assert attribute(mpd, "xlink:href") == f"{beginning}period.xml"
    assert attribute(mpd, "media") == "$RepresentationID$/$Number%05d$.m4s"
    base = f"/t/{token}" + carried(f"{stage.far.url}/deep/er/")
    assert (await stage.play(base, "v/00007.m4s"))[::2] == (200, b"seven")
    assert (await stage.play(base, "sub/w/00008.m4s"))[::2] == (200, b"eight")
    init = attribute(mpd, "initialization").replace("$RepresentationID$", "v")
    assert (await stage.play(base, init))[::2] == (200, b"init")
    assert (await stage.play(document, text(mpd, "Location")))[0] == 200


async def test_a_remote_period_on_a_carried_host_is_put_into_the_document(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(xlink="resolve") as stage:
        stage.via.files["/show/m.mpd"] = MPD.format(far=stage.far.url).encode()
        stage.far.files["/period.xml"] = PERIOD
        status, _, mpd = await stage.play(f"/t/{mint('/cdn/')}/cdn/show/m.mpd")
        assert status == 200
        assert b"ad-$Number$.m4s" in mpd
        assert b"xlink:href" not in mpd


async def test_a_carried_mpd_is_rewritten_in_its_turn(stage: Stage, mint: Mint) -> None:
    token = mint("/cdn/show/", "/two/")
    mpd = MPD.format(far=stage.far.url).replace(
        '<Period id="0">', f'<Period id="0"><BaseURL>{stage.other.url}/deep/</BaseURL>'
    )
    stage.far.files["/live/new.mpd"] = mpd.encode()
    stage.other.files["/deep/v/00001.m4s"] = b"one"
    document = f"/t/{token}" + carried(f"{stage.far.url}/live/new.mpd")
    status, _, body = await stage.play(document)
    assert status == 200
    assert b"://127" not in body
    period = re.findall(r"<BaseURL>([^<]*)</BaseURL>", body.decode())
    assert period[0] == "../deep/er/"
    base = f"/t/{token}" + carried(f"{stage.far.url}/deep/er/")
    assert (await stage.play(base, f"{period[1]}v/00001.m4s"))[::2] == (200, b"one")
