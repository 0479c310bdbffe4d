from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from lxml import etree

from edge.cache.ads.groups import Groups
from edge.cache.ads.store import MemoryStore
from edge.cache.ads.tracker import Tracker
from edge.cache.ads.treated import Behind, Rendition, Version
from edge.manifests.ads import rule_files
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.treated import Treated
from tests.edge.ads.edges import MakeEdge, playlist
from tests.edge.ads.stream import Stream, live_origin

Mint = Callable[..., str]
RULES = ("scte35",)
URL = "/cdn/live/manifest.mpd"
NAMESPACE = "{urn:mpeg:dash:schema:mpd:2011}"


def period(name: str, start: int, seconds: int, *, marker: bool = False) -> str:
    events = (
        '<EventStream schemeIdUri="urn:scte:scte35:2013:xml" timescale="1">'
        f'<Event duration="{seconds}" id="{start}">'
        '<scte35:SpliceInfoSection xmlns:scte35="http://www.scte.org/schemas/35/2016">'
        f'<scte35:SpliceInsert spliceEventId="{start}" outOfNetworkIndicator="true">'
        f'<scte35:BreakDuration autoReturn="true" duration="{seconds * 90000}"/>'
        "</scte35:SpliceInsert></scte35:SpliceInfoSection></Event></EventStream>"
        if marker
        else ""
    )
    return (
        f'<Period id="{name}" start="PT{start}S" duration="PT{seconds}S">{events}'
        '<AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$RepresentationID$/$Number$.m4s" '
        f'initialization="$RepresentationID$/init.mp4" startNumber="{start // 2 + 1}">'
        f'<SegmentTimeline><S t="0" d="2" r="{seconds // 2 - 1}"/></SegmentTimeline></SegmentTemplate>'
        '<Representation id="v" bandwidth="1"/></AdaptationSet></Period>'
    )


def static() -> bytes:
    periods = period("c0", 0, 60) + period("ad", 60, 30, marker=True) + period("c1", 90, 60)
    return (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT150S" '
        f'profiles="urn:mpeg:dash:profile:isoff-live:2011">{periods}</MPD>'
    ).encode()


def dynamic(second: int, *, all_ads: bool = False) -> bytes:
    """The MPD as it is published at a second; a break of thirty seconds begins at the sixtieth."""
    periods = "" if all_ads else period("c0", 0, 60)
    if second >= 60:
        periods += period("ad", 60, 30, marker=True)
    if second >= 90:
        periods += period("c1", 90, 60)
    return published(second, periods)


def published(second: int, periods: str) -> bytes:
    return (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" availabilityStartTime="2026-05-01T12:00:00Z" '
        f'publishTime="2026-05-01T12:{second // 60:02}:{second % 60:02}Z" minimumUpdatePeriod="PT2S" '
        f'profiles="urn:mpeg:dash:profile:isoff-live:2011">{periods}</MPD>'
    ).encode()


def periods_of(body: bytes) -> list[tuple[str | None, str | None]]:
    root = etree.fromstring(body)
    return [(each.get("id"), each.get("start")) for each in root.findall(f"{NAMESPACE}Period")]


async def test_a_static_mpd_is_closed_up(an_edge: MakeEdge) -> None:
    async with live_origin(Stream()) as origin, an_edge(origin.url) as edge:
        origin.files["/live/manifest.mpd"] = static()
        body = await playlist(edge, URL)
    assert periods_of(body) == [("c0", "PT0S"), ("c1", "PT60S")]
    assert etree.fromstring(body).get("mediaPresentationDuration") == "PT120S"


async def test_a_gap_leaves_every_time_as_it_was(an_edge: MakeEdge) -> None:
    async with live_origin(Stream()) as origin, an_edge(origin.url, ads="gap") as edge:
        origin.files["/live/manifest.mpd"] = static()
        assert periods_of(await playlist(edge, URL)) == [("c0", "PT0S"), ("c1", "PT90S")]


async def test_explain_says_why_in_comments(an_edge: MakeEdge) -> None:
    async with live_origin(Stream()) as origin:
        origin.files["/live/manifest.mpd"] = static()
        async with (
            an_edge(origin.url, ads="explain") as edge,
            an_edge(origin.url, ads="off") as off,
        ):
            body, plain = await playlist(edge, URL), await playlist(off, URL)
    comments = re.findall(rb"<!-- kawa-ads: .*?-->", body)
    assert len(comments) == 1
    assert b"scte35@" in comments[0]
    assert body.replace(comments[0], b"") == plain


async def test_a_dynamic_mpd_keeps_its_clock_and_holds_the_last_good_one_when_all_is_ads(
    an_edge: MakeEdge,
) -> None:
    async with live_origin(Stream()) as origin, an_edge(origin.url) as edge:
        told = []
        for second, all_ads in ((50, False), (60, False), (70, True), (90, False)):
            origin.files["/live/manifest.mpd"] = dynamic(second, all_ads=all_ads)
            told.append(periods_of(await playlist(edge, URL)))
    assert told == [
        [("c0", "PT0S")],
        [("c0", "PT0S")],
        [("c0", "PT0S")],
        [("c0", "PT0S"), ("c1", "PT90S")],
    ]


async def test_what_is_held_while_all_is_ads_is_what_players_were_told_last(
    an_edge: MakeEdge,
) -> None:
    async with live_origin(Stream()) as origin, an_edge(origin.url) as edge:
        told = []
        for second, periods in (
            (60, period("c0", 0, 60) + period("ad", 60, 30, marker=True)),
            (100, period("c1", 90, 60)),
            (160, period("ad2", 150, 30, marker=True)),
        ):
            origin.files["/live/manifest.mpd"] = published(second, periods)
            told.append(periods_of(await playlist(edge, URL)))
    assert told == [[("c0", "PT0S")], [("c1", "PT90S")], [("c1", "PT90S")]]


@pytest.mark.parametrize(("minutes", "is_held"), [(9, True), (11, False)])
async def test_an_mpd_from_long_ago_is_not_held(minutes: int, is_held: bool) -> None:
    now, store = 1_790_000_000_000, MemoryStore()
    edge = Tracker(
        store, Groups(store), rules_of=lambda _: rule_files.load().chosen(RULES), clock=lambda: now
    )

    async def told(body: bytes) -> Treated:
        version = Version(rendition=Rendition("cdn", "manifest.mpd"), body=body)
        return await edge.treat(version, Treatment(policy=AdPolicy.STRIP, rules=RULES), ask=nobody)

    content, ads = dynamic(50), dynamic(60, all_ads=True)
    await told(content)
    now += minutes * 60_000
    found = await told(ads)
    assert (found.body, found.is_held) == ((content if is_held else ads), is_held)


async def nobody(_rendition: Rendition, _behind: Behind | None) -> Version | None:
    return None


@pytest.mark.parametrize("first", ["off", "strip"])
async def test_patches_lead_from_what_a_viewer_has_to_what_it_gets(
    an_edge: MakeEdge, mint: Mint, first: str
) -> None:
    policies = [first, "strip" if first == "off" else "off"]
    async with live_origin(Stream()) as origin, an_edge(origin.url, public=False) as edge:
        urls = {name: f"/t/{mint('/cdn/', ads=name)}{URL}" for name in policies}
        origin.files["/live/manifest.mpd"] = dynamic(50)
        for name in policies:
            await playlist(edge, urls[name])
        origin.files["/live/manifest.mpd"] = dynamic(90)
        patches = {
            name: await playlist(edge, f"{urls[name]}?_kawa_patch=2026-05-01T12:00:50Z")
            for name in policies
        }
    assert b"<Patch" in patches["strip"]
    assert b'id="c1"' in patches["strip"]
    assert b"scte35" not in patches["strip"]
    assert b'id="c1"' in patches["off"]
    assert b"scte35" in patches["off"]
