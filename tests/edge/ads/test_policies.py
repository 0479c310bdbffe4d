from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config.runtime.processes import WrongUse
from config.settings.load import Settings
from edge import metrics
from edge.app import build_app
from edge.processes.reload import check
from tests.edge.ads.edges import MakeEdge, playlist
from tests.edge.ads.player import read
from tests.edge.ads.stream import MASTER, LiveOrigin, Stream, live_origin

Mint = Callable[..., str]
STREAM = Stream(breaks=((20, 23),), window=20)
URL = "/cdn/live/v0.m3u8"


async def settled(origin: LiveOrigin, last: int = 30) -> bytes:
    await origin.go(last)
    return STREAM.playlist("v0", last)


async def test_off_gives_the_same_bytes_as_an_edge_that_knows_no_rules(an_edge: MakeEdge) -> None:
    async with live_origin(STREAM) as origin:
        source = await settled(origin)
        async with (
            an_edge(origin.url, ads="off") as with_rules,
            an_edge(origin.url, ads="off", ads_rules=[]) as without,
            an_edge(origin.url, ads="strip", ads_rules=[]) as nameless,
        ):
            bodies = {
                await playlist(edge, f"{URL}{query}")
                for edge in (with_rules, without, nameless)
                for query in ("", "?unknown=1")
            }
    (body,) = bodies
    own = b"#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12\n"
    assert body.replace(own, b"") == source  # what the edge offers itself, and nothing else


async def test_explain_adds_comments_and_changes_nothing(an_edge: MakeEdge) -> None:
    async with live_origin(STREAM) as origin:
        await settled(origin)
        async with (
            an_edge(origin.url, ads="off") as plain,
            an_edge(origin.url, ads="explain") as edge,
        ):
            before, body = await playlist(plain), await playlist(edge)
    comments = [line for line in body.splitlines(keepends=True) if line.startswith(b"## kawa-ads:")]
    assert b"scte35@" in b"".join(comments)
    assert (
        b"".join(line for line in body.splitlines(keepends=True) if line not in comments) == before
    )


async def test_gap_keeps_every_number_and_marks_the_ads(an_edge: MakeEdge) -> None:
    async with live_origin(STREAM) as origin, an_edge(origin.url, ads="gap") as edge:
        await settled(origin)
        told = read(await playlist(edge))
    assert told.numbers == list(range(11, 31))
    assert told.first == 11
    assert [_number(uri) for _, _, uri, gap in told.segments if gap] == [20, 21, 22, 23]


@pytest.mark.parametrize("workers", [1, 4])
async def test_gap_follows_the_leading_rendition(an_edge: MakeEdge, workers: int) -> None:
    stream = Stream(breaks=((20, 23),), window=20, marked=frozenset({"v0"}))
    async with (
        live_origin(stream) as origin,
        an_edge(origin.url, ads="gap", workers=workers) as edge,
    ):
        await origin.go(30)
        await playlist(edge, "/cdn/live/master.m3u8")
        told = read(await playlist(edge, "/cdn/live/a0.m3u8"))
    assert [_number(uri) for _, _, uri, gap in told.segments if gap] == [20, 21, 22, 23]


async def test_the_multivariant_playlist_stays_as_it_is(an_edge: MakeEdge) -> None:
    async with live_origin(STREAM) as origin, an_edge(origin.url) as edge:
        assert await playlist(edge, "/cdn/live/master.m3u8") == MASTER


async def test_a_whole_playlist_is_cut_the_same_everywhere_and_without_state(
    an_edge: MakeEdge,
) -> None:
    async with live_origin(STREAM) as origin:
        body = Stream(breaks=((4, 6), (12, 15)), window=40).playlist("v0", 20)
        origin.files["/live/v0.m3u8"] = body + b"#EXT-X-ENDLIST\n"
        async with an_edge(origin.url) as first, an_edge(origin.url, workers=4) as second:
            one, two = await playlist(first), await playlist(second)
    assert one == two
    assert read(one).ended
    assert read(one).numbers == [*range(4), *range(7, 12), *range(16, 21)]


@pytest.mark.parametrize("workers", [1, 4])
async def test_a_whole_rendition_without_markers_is_cut_like_the_one_that_leads(
    an_edge: MakeEdge, workers: int
) -> None:
    stream = Stream(breaks=((4, 6), (12, 15)), window=40, marked=frozenset({"v0"}))
    async with live_origin(stream) as origin, an_edge(origin.url, workers=workers) as edge:
        for name in ("v0", "v1"):
            body = stream.playlist(name, 20) + b"#EXT-X-ENDLIST\n"
            origin.files[f"/live/{name}.m3u8"] = body
        await playlist(edge, "/cdn/live/master.m3u8")
        told = read(await playlist(edge, "/cdn/live/v1.m3u8"))
    assert told.ended
    assert told.numbers == [*range(4), *range(7, 12), *range(16, 21)]


async def test_a_delta_update_of_the_origin_is_left_alone(an_edge: MakeEdge) -> None:
    async with live_origin(STREAM) as origin, an_edge(origin.url) as edge:
        lines = STREAM.playlist("v0", 30).replace(
            b"#EXT-X-PROGRAM", b"#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-PROGRAM", 1
        )
        origin.files["/live/v0.m3u8"] = lines
        assert await playlist(edge) == lines


async def test_interstitials_go_where_the_setting_says_so(an_edge: MakeEdge) -> None:
    tag = (
        b'#EXT-X-DATERANGE:ID="i1",CLASS="com.apple.hls.interstitial",'
        b'START-DATE="2026-05-01T12:00:30Z",DURATION=10,X-ASSET-URI="https://ads.example/a.m3u8"\n'
    )
    stream = Stream(window=20)
    async with live_origin(stream) as origin:
        origin.files["/live/v0.m3u8"] = stream.playlist("v0", 30) + tag
        settings = {"unlisted": "leave", "ads_rules": []}
        async with (
            an_edge(origin.url, ads_interstitials=True, **settings) as edge,
            an_edge(origin.url, **settings) as other,
        ):
            assert b"EXT-X-DATERANGE" not in await playlist(edge)
            assert tag in await playlist(other)


async def test_breaks_are_dealt_with_once_for_a_version_however_many_ask(
    an_edge: MakeEdge, mint: Mint
) -> None:
    removed = metrics.ADS_REMOVED.labels("gap")
    async with live_origin(STREAM) as origin:
        await settled(origin)
        edge = {"manifest_max_age": 60}
        async with an_edge(origin.url, ads="gap", edge=edge) as client:
            before = removed._value.get()
            paths = [URL, f"/f/height:..720{URL}", f"{URL}?_HLS_skip=YES"]
            await asyncio.gather(*(playlist(client, path) for path in paths * 5))
            for path in paths * 3:
                await playlist(client, path)
    assert removed._value.get() - before == 4


# --- grants


async def test_a_grant_says_what_its_viewer_gets(an_edge: MakeEdge, mint: Mint) -> None:
    async with live_origin(STREAM) as origin:
        await settled(origin)
        async with an_edge(origin.url, public=False, ads="off") as edge:
            told = {
                ads: read(await playlist(edge, f"/t/{mint('/cdn/', ads=ads)}{URL}"))
                for ads in (None, "off", "explain", "gap", "strip")
            }
    assert told[None].has_ads
    assert told["off"].has_ads
    assert told["explain"].has_ads
    assert not told["gap"].has_ads
    assert not told["strip"].has_ads


async def test_a_viewer_without_ads_and_one_with_them_are_never_mixed_up(
    an_edge: MakeEdge, mint: Mint
) -> None:
    async with live_origin(STREAM) as origin:
        await settled(origin)
        cached = {"manifest_max_age": 60}
        async with an_edge(origin.url, public=False, ads="gap", edge=cached) as edge:
            for _ in range(3):  # also when the answers lie ready
                off = await playlist(edge, f"/t/{mint('/cdn/', ads='off')}{URL}")
                own = await playlist(edge, f"/t/{mint('/cdn/')}{URL}")
                assert read(off).has_ads
                assert not read(own).has_ads


@pytest.mark.parametrize(
    ("debug", "field", "told"),
    [(True, "ads", True), (True, "other", False), (True, "", False), (False, "ads", False)],
)
async def test_an_operator_is_told_what_was_done_and_nobody_else(
    an_edge: MakeEdge, mint: Mint, debug: bool, field: str, told: bool
) -> None:
    async with live_origin(STREAM) as origin:
        await settled(origin)
        async with an_edge(origin.url, public=False, ads="gap") as edge:
            path = f"/t/{mint('/cdn/', debug=debug)}{URL}"
            _, headers, _ = await edge.ask(path, **({"Kawa_Debug": field} if field else {}))
    if told:
        assert headers["Kawa-Ads"] == 'policy=gap; rules="scte35"; breaks=1; removed=4'
    else:
        assert "Kawa-Ads" not in headers


# --- rules


def settings_with(tmp_path: Path, **edge: object) -> Settings:
    origin = {"kind": "folder", "folder": tmp_path / "films", "public": True, "ads": "strip"}
    rules = edge.pop("ads_rules", [])
    return Settings.model_validate(
        {
            "var_dir": tmp_path / "var",
            "edge": {"origins": {"films": origin | {"ads_rules": rules}}} | edge,
        }
    )


@pytest.mark.parametrize("begin", [build_app, lambda settings: check(settings, Path(), number=1)])
def test_a_rule_that_is_not_there_refuses_the_start(
    tmp_path: Path, begin: Callable[[Settings], object]
) -> None:
    settings = settings_with(tmp_path, ads_rules=["scte35", "no-such"])
    with pytest.raises(WrongUse, match=r"edge\.origins\.films\.ads_rules: .*no-such.*scte35"):
        begin(settings)


def test_a_broken_rule_file_refuses_the_start_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "mine.toml").write_text('schema = 1\nname = "mine"\nversion = 1\nthreshhold = 50\n')
    settings = settings_with(tmp_path, ads={"rules": folder})
    with pytest.raises(WrongUse, match=re.escape(str(folder / "mine.toml"))):
        build_app(settings)


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("", [20, 21, 22, 23]),
        ('[match]\norigins = ["c?n"]\n', [20, 21, 22, 23]),
        ('[match]\nurl = "/live/v[0-9]"\n', [20, 21, 22, 23]),
        ('[match]\norigins = ["vod-*"]\n', []),
        ('[match]\nurl = "/vod/"\n', []),
    ],
)
async def test_an_operators_own_rule_finds_what_no_shipped_one_does_where_it_is_meant_to(
    an_edge: MakeEdge, tmp_path: Path, match: str, found: list[int]
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "mine.toml").write_text(
        f'schema = 1\nname = "mine"\nversion = 3\nabout = "By path."\nthreshold = 50\n{match}'
        "[[signal]]\nkind = \"path\"\npattern = '(^|/)ad[0-9]+'\nweight = 60\n"
    )
    stream = Stream(breaks=((20, 23),), window=20, marked=frozenset())
    async with live_origin(stream) as origin:
        await origin.go(30)
        edge = {"ads": {"rules": folder}}
        async with an_edge(origin.url, ads="gap", ads_rules=["mine"], edge=edge) as client:
            told = read(await playlist(client))
    assert [_number(uri) for _, _, uri, gap in told.segments if gap] == found


def _number(uri: str) -> int:
    return int("".join(letter for letter in uri.rpartition("/")[2] if letter.isdigit()))
