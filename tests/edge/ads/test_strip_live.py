from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from config.launch.embedded.valkey import embedded_valkey
from config.runtime.redis import open_redis
from config.settings.shared import RedisSettings
from tests.edge.ads.edges import MakeEdge, playlist
from tests.edge.ads.player import Player
from tests.edge.ads.stream import Stream, live_origin

BREAKS = ((20, 27), (40, 41), (60, 75))
LAST = 95


def content(stream: Stream, first: int, last: int) -> list[int]:
    return [number for number in range(first, last + 1) if not stream.is_ad(number)]


@pytest.mark.parametrize("has_redis", [True, False], ids=["redis", "memory"])
async def test_exactly_the_content_is_told_of_in_order_over_several_breaks(
    an_edge: MakeEdge, redis_settings: RedisSettings, has_redis: bool
) -> None:
    stream, player = Stream(breaks=BREAKS), Player()
    async with live_origin(stream) as origin:
        async with an_edge(origin.url, redis=redis_settings if has_redis else None) as edge:
            for last in range(12, LAST + 1):
                await origin.go(last)
                told = player.take(await playlist(edge))
                assert not told.has_ads
                assert told.targets == 2
    assert player.played == content(stream, 1, LAST)


async def test_a_break_leaves_one_discontinuity_where_its_sides_meet(an_edge: MakeEdge) -> None:
    stream, player = Stream(breaks=((20, 22),)), Player()
    async with live_origin(stream) as origin, an_edge(origin.url) as edge:
        for last in range(15, 40):
            await origin.go(last)
            player.take(await playlist(edge))
    seams = [player.seams[msn] for msn in sorted(player.seams)]
    before = len(content(stream, player.played[0], 19))
    assert {seam - seams[0] for seam in seams[:before]} == {0}
    assert {seam - seams[0] for seam in seams[before:]} == {1}


async def test_two_edges_with_one_redis_give_every_segment_one_name(
    an_edge: MakeEdge, redis_settings: RedisSettings
) -> None:
    stream = Stream(breaks=BREAKS)
    one, two, roaming = Player(), Player(), Player()
    async with live_origin(stream) as origin:
        async with (
            an_edge(origin.url, redis=redis_settings) as first,
            an_edge(origin.url, redis=redis_settings) as second,
        ):
            for last in range(12, LAST + 1):
                await origin.go(last)
                if last % 5:
                    one.take(await playlist(first))
                if last % 3:
                    two.take(await playlist(second))
                roaming.take(await playlist(second if last % 2 else first))
    assert roaming.played == content(stream, 1, LAST)
    for msn in one.names.keys() & two.names.keys():
        assert one.names[msn] == two.names[msn]
        assert one.seams[msn] == two.seams[msn]


async def test_edges_that_meet_a_version_at_once_agree(
    an_edge: MakeEdge, redis_settings: RedisSettings
) -> None:
    stream = Stream(breaks=((16, 19),))
    async with live_origin(stream) as origin:
        async with (
            an_edge(origin.url, redis=redis_settings) as first,
            an_edge(origin.url, redis=redis_settings) as second,
        ):
            for last in range(12, 30):
                await origin.go(last)
                one, two = await asyncio.gather(playlist(first), playlist(second))
                assert one == two


async def test_a_restart_changes_no_name(an_edge: MakeEdge, redis_settings: RedisSettings) -> None:
    stream, player = Stream(breaks=BREAKS), Player()
    async with live_origin(stream) as origin:
        for begin in range(12, LAST, 7):  # also in the middle of breaks
            async with an_edge(origin.url, redis=redis_settings) as edge:
                for last in range(begin, min(begin + 7, LAST)):
                    await origin.go(last)
                    assert not player.take(await playlist(edge)).has_ads
    assert {number for number in player.played if not stream.is_ad(number)} == set(
        content(stream, 1, LAST - 1)
    )


async def test_an_edge_goes_on_while_redis_is_away_and_teaches_it_when_it_is_back_empty(
    an_edge: MakeEdge, tmp_path: Path
) -> None:
    stream, player, later = Stream(breaks=BREAKS), Player(), Player()
    folder = tmp_path / "valkey"
    async with live_origin(stream) as origin, contextlib.AsyncExitStack() as stack:
        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate({"url": url})
            edge = await stack.enter_async_context(an_edge(origin.url, redis=redis))
            for last in range(12, 30):
                await origin.go(last)
                player.take(await playlist(edge))
        for last in range(30, 50):  # a whole break long
            await origin.go(last)
            player.take(await playlist(edge))
        async with embedded_valkey(folder) as again:
            assert again == url
            await asyncio.sleep(0.6)  # what failed is left alone for half a second
            for last in range(50, 66):
                await origin.go(last)
                player.take(await playlist(edge))
            other = await stack.enter_async_context(an_edge(origin.url, redis=redis))
            for last in range(66, LAST + 1):
                await origin.go(last)
                player.take(await playlist(edge))
                later.take(await playlist(other))
    assert player.played == content(stream, 1, LAST)
    for msn in later.names.keys() & player.names.keys():
        assert later.names[msn] == player.names[msn]


async def test_an_edge_that_begins_without_its_redis_marks_gaps_and_never_goes_back(
    an_edge: MakeEdge, tmp_path: Path
) -> None:
    stream, player = Stream(breaks=BREAKS), Player()
    folder = tmp_path / "valkey"
    async with live_origin(stream) as origin:
        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate({"url": url})
        async with an_edge(origin.url, redis=redis) as edge:
            for last in range(12, 35):
                await origin.go(last)
                told = player.take(await playlist(edge))
                assert not told.has_ads
                assert told.first == last - 11
            async with embedded_valkey(folder):
                await asyncio.sleep(0.6)
                player.seams.clear()  # a record begins: numbers of discontinuities move forward once
                for last in range(35, LAST + 1):
                    await origin.go(last)
                    told = player.take(await playlist(edge))
                    assert not told.has_ads
    numbers = [number for number in player.played if not stream.is_ad(number)]
    assert numbers == content(stream, 1, LAST)
    assert not [number for number in player.played if number in range(60, 76)]  # cut again


async def test_an_edge_that_was_cut_off_at_first_does_not_go_back_to_lower_numbers(
    an_edge: MakeEdge, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    stream, at_home, player = Stream(breaks=BREAKS), Player(), Player()
    assert redis_settings.url is not None
    socket = Path(urlsplit(redis_settings.url.get_secret_value()).path)
    line = tmp_path / "line.sock"  # nothing is there yet
    cut_off = redis_settings.model_copy(update={"url": SecretStr(f"unix://{line}")})
    async with live_origin(stream) as origin:
        async with (
            an_edge(origin.url, redis=redis_settings) as home,
            an_edge(origin.url, redis=cut_off) as away,
        ):
            for last in range(12, 35):
                await origin.go(last)
                at_home.take(await playlist(home))
                player.take(await playlist(away))
            line.symlink_to(socket)
            await asyncio.sleep(0.6)
            player.seams.clear()  # the record's begin, as everybody's moves forward
            at_home.seams.clear()
            at_home.names.clear()
            for last in range(35, LAST + 1):
                await origin.go(last)
                player.take(await playlist(away))
                at_home.take(await playlist(home))
    for msn in at_home.names.keys() & player.names.keys():
        assert at_home.names[msn] == player.names[msn]


async def test_workers_that_share_nothing_mark_gaps(an_edge: MakeEdge) -> None:
    stream, player = Stream(breaks=BREAKS), Player()
    async with live_origin(stream) as origin, an_edge(origin.url, workers=2) as edge:
        for last in range(12, 50):
            await origin.go(last)
            told = player.take(await playlist(edge))
            assert not told.has_ads
            assert told.numbers == list(range(last - 11, last + 1))
    assert player.played == list(range(1, 50))


async def test_renditions_stay_in_step_when_only_one_of_them_says_where_breaks_are(
    an_edge: MakeEdge, redis_settings: RedisSettings
) -> None:
    stream = Stream(breaks=BREAKS, marked=frozenset({"v0"}))
    players = {name: Player() for name in ("v0", "v1", "a0")}
    async with live_origin(stream) as origin:
        await origin.go(12)
        async with (
            an_edge(origin.url, redis=redis_settings) as first,
            an_edge(origin.url, redis=redis_settings) as second,
        ):
            await playlist(first, "/cdn/live/master.m3u8")  # the other edge hears of it by Redis
            for last in range(12, LAST + 1):
                await origin.go(last)
                for name, player in players.items():
                    edge = second if (last + len(name)) % 2 else first
                    assert not player.take(await playlist(edge, f"/cdn/live/{name}.m3u8")).has_ads
    for player in players.values():
        assert player.played == content(stream, 1, LAST)
        assert player.seams == players["v0"].seams


async def test_a_follower_that_nobody_led_in_this_process_is_led_all_the_same(
    an_edge: MakeEdge,
) -> None:
    stream, player = Stream(breaks=BREAKS, marked=frozenset({"v0"})), Player()
    async with live_origin(stream) as origin, an_edge(origin.url) as edge:
        await playlist(edge, "/cdn/live/master.m3u8")
        for last in range(12, 40):
            await origin.go(last)
            player.take(await playlist(edge, "/cdn/live/v1.m3u8"))
    assert player.played == content(stream, 1, 39)
    assert "/live/v0.m3u8" in origin.asked


async def test_a_record_that_any_viewer_can_make_is_kept_for_minutes_and_one_in_use_ever_longer(
    an_edge: MakeEdge, redis_settings: RedisSettings
) -> None:
    stream = Stream(breaks=BREAKS)
    async with (
        live_origin(stream) as origin,
        an_edge(origin.url, redis=redis_settings) as edge,
        open_redis(redis_settings) as client,
    ):
        await origin.go(12)
        for number in range(5):
            await playlist(edge, f"/cdn/live/v0.m3u8?x={number}")
        keys = set(await client.keys("kawa:{ads:*"))
        assert len(keys) == 5
        assert all([0 < await client.ttl(key) <= 6 * 60 for key in keys])
        lives = []
        for last in range(13, 60):
            await origin.go(last)
            await playlist(edge)
            (key,) = set(await client.keys("kawa:{ads:*")) - keys
            lives.append(await client.ttl(key))
        assert lives[0] <= 6 * 60
        assert lives[-1] > 30 * 60
