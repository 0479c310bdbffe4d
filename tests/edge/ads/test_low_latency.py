from __future__ import annotations

import asyncio
import time

import pytest

from tests.edge.ads.edges import MakeEdge, playlist
from tests.edge.ads.player import Player, read
from tests.edge.ads.stream import PARTS, LiveOrigin, Stream, live_origin

BREAK = ((20, 23),)
URL = "/cdn/live/v0.m3u8"


async def test_blocking_requests_are_in_the_numbers_that_players_know(an_edge: MakeEdge) -> None:
    stream, player = Stream(breaks=BREAK), Player()
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        for last in range(14, 27):
            await origin.go(last)
            player.take(await playlist(edge, URL))
        last = player.newest.last  # four numbers behind the origin's
        assert last == 22

        waiting = asyncio.create_task(playlist(edge, f"{URL}?_HLS_msn={last + 1}"))
        while not any("_HLS_msn=27" in asked for asked in origin.asked):
            await asyncio.sleep(0)
        assert not waiting.done()
        await origin.go(27)
        told = player.take(await waiting)

    assert told.last == last + 1
    assert told.segments[-1][2].endswith("c27.ts")
    assert player.played == [*range(3, 20), *range(24, 28)]


async def test_blocking_for_a_part_waits_for_that_part_of_the_content(an_edge: MakeEdge) -> None:
    stream, player = Stream(breaks=BREAK), Player()
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        for last in range(14, 27):
            await origin.go(last, 1)
            player.take(await playlist(edge, URL))
        last = player.newest.last
        assert len(player.newest.parts) == 1
        url = f"{URL}?_HLS_msn={last + 1}&_HLS_part=1"
        waiting = asyncio.create_task(playlist(edge, url))
        while not any("_HLS_msn=27&_HLS_part=1" in asked for asked in origin.asked):
            await asyncio.sleep(0)
        await origin.go(26, 2)
        told = player.take(await waiting)
    assert [uri.rpartition("/")[2] for uri in told.parts] == ["c27.p0.ts", "c27.p1.ts"]


async def test_in_a_break_a_blocking_request_is_answered_before_players_give_up(
    an_edge: MakeEdge,
) -> None:
    stream, player = Stream(breaks=BREAK), Player()
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        for last in range(14, 22):
            await origin.go(last, 2)
            told = player.take(await playlist(edge, URL))
            assert not told.has_ads
            assert not any("/ad" in uri for uri in (*told.parts, *told.hints))
        assert told.segments[-1][2].endswith("c19.ts")
        began = time.monotonic()
        body = await playlist(edge, f"{URL}?_HLS_msn={told.last + 1}&_HLS_part=0")
        waited = time.monotonic() - began
        again = player.take(body)
    assert again.last == told.last
    assert 0.7 * 0.8 * 2 - 0.1 < waited < 4  # hls.js waits for 0.8 target durations


async def test_the_first_part_behind_a_break_ends_the_wait(an_edge: MakeEdge) -> None:
    stream, player = Stream(breaks=BREAK), Player()
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        for last in range(14, 24):
            await origin.go(last, 0)
            told = player.take(await playlist(edge, URL))
        url = f"{URL}?_HLS_msn={told.last + 1}&_HLS_part=0"
        waiting = asyncio.create_task(playlist(edge, url))
        while not any("_HLS_msn=24&_HLS_part=0" in asked for asked in origin.asked):
            await asyncio.sleep(0)
        await origin.go(23, 1)
        again = player.take(await asyncio.wait_for(waiting, 1.5))
    assert again.parts[0].endswith("c24.p0.ts")


async def test_what_can_never_come_is_refused_by_the_numbers_that_players_know(
    an_edge: MakeEdge,
) -> None:
    stream = Stream(breaks=BREAK)
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        for last in range(14, 27):
            await origin.go(last)
            told = read(await playlist(edge, URL))
        status, _, _ = await edge.ask(f"{URL}?_HLS_msn={told.last + 4}")
    assert status == 400


async def test_reports_are_about_what_the_other_rendition_lists(an_edge: MakeEdge) -> None:
    stream = Stream(breaks=BREAK)
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        await playlist(edge, "/cdn/live/master.m3u8")
        for last in range(14, 30):
            await origin.go(last, 2)
            other = read(await playlist(edge, "/cdn/live/v1.m3u8"))
            told = read(await playlist(edge, URL))
            if not told.reports:
                continue
            (report,) = told.reports.values()
            assert report[0] <= other.last + 1
            if report[1] is not None:
                assert report == (other.last + 1, len(other.parts) - 1)
    assert told.reports  # and not dropped for good
    assert told.reports[next(iter(told.reports))] == (other.last + 1, 1)


async def test_a_delta_update_of_a_stripped_playlist_joins_with_the_one_before(
    an_edge: MakeEdge,
) -> None:
    stream = Stream(breaks=((20, 23),), window=30)
    async with live_origin(stream) as origin, an_edge(origin.url) as edge:
        for last in range(18, 40):
            await origin.go(last)
            whole = read(await playlist(edge))
            delta = read(await playlist(edge, f"{URL}?_HLS_skip=YES"))
            assert delta.first == whole.first
            assert delta.last == whole.last
            kept = [(msn, uri) for msn, _, uri, _ in delta.segments]
            assert [(msn, uri) for msn, _, uri, _ in whole.segments][delta.skipped :] == kept
    assert delta.skipped


@pytest.mark.parametrize("rendition", ["v0", "v1"])  # the one that leads, and one without a marker
async def test_a_player_at_the_live_edge_gets_every_part_of_the_content_once(
    an_edge: MakeEdge, rendition: str
) -> None:
    stream, player = Stream(breaks=BREAK, marked=frozenset({"v0"})), Player()
    url = f"/cdn/live/{rendition}.m3u8"
    async with live_origin(stream, low_latency=True) as origin, an_edge(origin.url) as edge:
        await playlist(edge, "/cdn/live/master.m3u8")
        await origin.go(14)
        told = player.take(await playlist(edge, url))
        moving = asyncio.create_task(_go_on(origin, 15, 30))
        parts: dict[str, None] = {}
        while told.segments[-1][2] != f"{rendition}/c29.ts":
            asked = f"{url}?_HLS_msn={told.last + 1}&_HLS_part={len(told.parts)}"
            told = player.take(await playlist(edge, asked))
            parts |= dict.fromkeys(told.parts)
            assert not any("/ad" in uri for uri in told.parts)
            # A hint promises nothing: that of a rendition without markers may be a part that never comes.
            assert rendition == "v1" or not any("/ad" in uri for uri in told.hints)
        await moving
    assert player.played == [*range(3, 20), *range(24, 30)]
    assert list(parts) == sorted(parts, key=lambda uri: (int(uri[4:].partition(".")[0]), uri))


async def _go_on(origin: LiveOrigin, first: int, last: int) -> None:
    """Part by part, fast enough that a break is over before a player gives up."""
    for number in range(first - 1, last):
        for parts in range(PARTS):
            await origin.go(number, parts)
            await asyncio.sleep(0.02)
