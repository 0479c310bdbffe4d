from __future__ import annotations

from collections.abc import Mapping

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.live.sessions.film import LARGE
from tests.live.sessions.runs import STALL_MS, WAYS, Run, run_all
from tests.live.sessions.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The player's own clock says when it waits and plays; Chromium may tell the page and the player some frames apart.
TOLD_MS = 100
# What requests alone show: when they come, within the rounding of buffers to 100 ms; with many at once, the edge knows
# the second of a request only.
CONCLUDED_MS = 1000
# A page that waits for less is not what the test did, and nobody but the element itself can know of it.
SHORT_MS = 500
# The page starts its clock before the player has loaded anything.
START_MS = 1000
# Buffers are given in units of 100 ms, of one type; the page looks every 50 ms.
BUFFER_MS = 250
LATELY_MS = 3000
LARGEST_BYTES = 25_000
MOST_LEFT = 2
# Throughput is given in units of 100 kbit/s.
RATE_KBPS = 100

SHAKA = [name for name in WAYS if name.startswith("shaka")]
EVENTS = [name for name, way in WAYS.items() if way.events and way.engine != "shaka"]


REQUESTS = [name for name in WAYS if name not in EVENTS and name not in SHAKA]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(shared: Stage, browser: Browser) -> Mapping[str, Run]:
    return await run_all(shared, browser)


# Shaka asks for one segment of HLS twice, and the browser may have kept it: what it shows of that is not certain.
BROWSED = [name for name in WAYS if not name.startswith("shaka-hls")]


@pytest.mark.parametrize("name", BROWSED)
async def test_no_more_was_counted_than_the_browser_may_have_got(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    assert run.seen.errors == ()
    # A player may leave while something comes: the browser lists none of it then, and the kernel may have had it all.
    assert abs(run.edge.counted.requests - len(run.seen.media)) <= MOST_LEFT
    assert abs(run.edge.counted.bytes - listed_bytes(run)) <= MOST_LEFT * LARGEST_BYTES
    left = run.seen.left
    assert {one.status for one in run.seen.media if one not in left} == {200}
    assert len(left) <= MOST_LEFT
    assert run.edge.start.device == "desktop"
    assert run.edge.revision == 1


async def test_what_sessions_were_given_is_what_the_browser_lists(runs: Mapping[str, Run]) -> None:
    exact = [
        name
        for name in BROWSED
        if runs[name].edge.counted.requests == len(runs[name].seen.media)
        and runs[name].edge.counted.bytes == listed_bytes(runs[name])
        and runs[name].edge.counted.manifests
        == sum(one.name.endswith((".m3u8", ".mpd")) for one in runs[name].seen.media)
    ]
    assert len(exact) >= len(BROWSED) * 0.7, exact


def listed_bytes(run: Run) -> int:
    return sum(one.bytes for one in run.seen.media)


async def test_most_stalls_of_a_player_that_says_nothing_of_them_are_found_and_none_invented(
    runs: Mapping[str, Run],
) -> None:
    of_shaka = [runs[name] for name in SHAKA]
    assert all(one.edge.quality.stalls <= len(one.seen.stalls) for one in of_shaka)
    found = [one for one in of_shaka if one.edge.quality.stalls > 0]
    assert len(found) >= len(of_shaka) * 0.6
    assert all(one.edge.quality.is_estimate for one in found)
    near = [
        one
        for one in found
        if abs(one.edge.quality.stall_ms - sum(one.seen.stalls)) <= CONCLUDED_MS
    ]
    assert len(near) >= len(found) * 0.6


@pytest.mark.parametrize("name", EVENTS)
async def test_a_stall_that_a_player_tells_of_is_the_one_that_the_page_saw(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    assert max(run.seen.stalls) >= STALL_MS
    assert run.edge.quality.stalls == len(run.seen.stalls)
    assert abs(run.edge.quality.stall_ms - sum(run.seen.stalls)) <= TOLD_MS
    assert run.edge.quality.errors == 0


async def test_a_stall_that_requests_alone_tell_of_is_found_and_nearly_as_long(
    runs: Mapping[str, Run],
) -> None:
    # One that a busy machine cuts in two, or joins with a short one, is counted as the requests show it.
    asked = [runs[name] for name in REQUESTS]
    for run in asked:
        assert max(run.seen.stalls) >= STALL_MS
        assert 1 <= run.edge.quality.stalls <= len(run.seen.stalls) + 1
        assert run.edge.quality.errors == 0
    near = [run for run in asked if is_near(run)]
    assert len(near) >= len(asked) * 0.7


def is_near(run: Run) -> bool:
    long = [ms for ms in run.seen.stalls if ms >= SHORT_MS]
    quality = run.edge.quality
    return quality.stalls == len(long) and abs(quality.stall_ms - sum(long)) <= CONCLUDED_MS


async def test_players_that_tell_of_their_states_leave_nothing_to_be_estimated(
    runs: Mapping[str, Run],
) -> None:
    told = [runs[name] for name in EVENTS]
    for run in told:
        assert run.edge.quality.lost == 0
        assert run.edge.quality.reports == run.edge.quality.due
        assert {one.status for one in run.seen.posts} <= {204, 0}  # 0: it was on its way at the end
    whole = [
        run
        for run in told
        if not run.edge.quality.is_estimate and run.edge.quality.reports == len(run.seen.posts)
    ]
    assert len(whole) >= len(told) - 1  # of one, the last post may be counted on one side only


@pytest.mark.parametrize("name", EVENTS)
async def test_start_up_takes_as_long_for_the_edge_as_for_the_page(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    assert run.edge.quality.startup_ms > 0
    assert abs(run.edge.quality.startup_ms - run.seen.startup) <= START_MS


@pytest.mark.parametrize("name", WAYS)
async def test_the_buffer_is_one_that_the_page_had_lately(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    asked_at = max(one.at for one in run.seen.loads)
    lately = [one.ahead for one in run.seen.samples if one.at >= asked_at - LATELY_MS]
    assert min(lately) - BUFFER_MS <= run.edge.quality.buffer_ms <= max(lately) + BUFFER_MS


@pytest.mark.parametrize("name", WAYS)
async def test_bit_rates_are_those_of_the_renditions_that_were_played(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    quality = run.edge.quality
    assert quality.played_kbps in run.seen.rates
    if run.way.engine != "hls":  # it does not say what else there is
        assert quality.top_kbps == LARGE // 1000


@pytest.mark.parametrize("name", [name for name in WAYS if name.startswith("hls")])
async def test_throughput_is_between_what_the_player_measured(
    runs: Mapping[str, Run], name: str
) -> None:
    run = runs[name]
    measured = [one.kbps for one in run.seen.samples if one.kbps > 0]
    least, most = min(measured) - RATE_KBPS, min(max(measured), 1_000_000) + RATE_KBPS
    assert least <= run.edge.quality.throughput_kbps <= most


@pytest.mark.parametrize("name", SHAKA)
async def test_shakas_own_account_is_the_edges(runs: Mapping[str, Run], name: str) -> None:
    run = runs[name]
    assert run.edge.quality.throughput_kbps == 0  # it does not say
    assert run.seen.own["stalled"] > run.edge.quality.stall_ms - CONCLUDED_MS
