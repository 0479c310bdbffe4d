from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from tests.live.clocks import ManualClock
from tests.live.media import Media
from tests.live.reading import end_of, read, references
from tests.live.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = "height:..200"
PLAYLIST = "/one/ll/small.m3u8"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_viewers_who_wait_for_the_same_part_cost_one_request(
    held: Stage, clock: ManualClock
) -> None:
    path = held.path(PLAYLIST)
    number, parts = end_of((await held.get(path)).decode())
    already = len(held.origin.asked_for("/ll/small.m3u8"))
    others = _running()
    waiting = [
        asyncio.create_task(held.get(f"{path}?_HLS_msn={number}&_HLS_part={parts}"))
        for _ in range(20)
    ]
    await until(lambda: _running() - others == 20)
    await until(lambda: held.origin.asked_for("_HLS_msn"))
    assert not any(task.done() for task in waiting)

    clock.advance(0.3)
    bodies = set(await asyncio.gather(*waiting))

    assert len(bodies) == 1
    assert end_of(bodies.pop().decode()) > (number, parts)
    assert held.origin.asked_for("/ll/small.m3u8")[already:] == [
        f"/ll/small.m3u8?_HLS_msn={number}&_HLS_part={parts}"
    ]


async def test_a_late_viewer_is_answered_from_what_the_others_waited_for(
    held: Stage, clock: ManualClock
) -> None:
    path = held.path(PLAYLIST)
    number, parts = end_of((await held.get(path)).decode())
    asked = f"{path}?_HLS_msn={number}&_HLS_part={parts}"
    first = asyncio.create_task(held.get(asked))
    await until(lambda: held.origin.asked_for("_HLS_msn"))
    clock.advance(0.3)
    body = await first

    before = len(held.origin.asked)
    assert await held.get(asked) == body
    assert len(held.origin.asked) == before


@pytest.mark.parametrize(
    ("segments", "part"), [(3, None), (1000, None), (0, 40), (10**12, 0)], ids=str
)
async def test_what_is_too_far_ahead_is_refused_without_waiting(
    held: Stage, segments: int, part: int | None
) -> None:
    path = held.path(PLAYLIST)
    number, _ = end_of((await held.get(path)).decode())
    asked = f"{path}?_HLS_msn={number + segments}" + ("" if part is None else f"&_HLS_part={part}")

    status, _, body = await held.client.ask(asked)

    assert (status, json.loads(body)["error"]) == (400, "blocked-too-far")
    assert not held.origin.asked_for("_HLS_")


@pytest.mark.parametrize("name", ["master.m3u8", "small.m3u8", "sound.m3u8"])
@pytest.mark.parametrize("query", ["_HLS_msn=3&_HLS_part=1", "_HLS_skip=YES", "_HLS_msn=4"])
async def test_directives_are_not_in_any_child(held: Stage, name: str, query: str) -> None:
    body = await held.get(held.path(f"/one/ll/{name}") + f"?{query}&own=1")
    assert references(body.decode())
    assert b"_HLS_" not in body


@pytest.mark.parametrize("form", ["ll", "hls"])
async def test_a_delta_update_made_here_says_the_same_as_the_whole(
    held: Stage, clock: ManualClock, form: str
) -> None:
    path = held.path(f"/one/{form}/small.m3u8")
    text = (await held.get(path)).decode()
    assert "CAN-SKIP-UNTIL=6" in text
    known = read(text)
    for _ in range(3):
        clock.advance(1)
        delta = (await held.get(path + "?_HLS_skip=YES")).decode()
        whole = read((await held.get(path)).decode())
        known = read(delta, before=known)
        assert known.sequence == whole.sequence
        assert known.segments == whole.segments
        assert known.rest == whole.rest
        # The window of the plain stream is as long as the skip boundary, so that nothing can be left out.
        assert (known.skipped > 3) == (form == "ll")
    assert not held.origin.asked_for("_HLS_skip")


async def test_a_delta_update_can_be_waited_for(held: Stage, clock: ManualClock) -> None:
    path = held.path(PLAYLIST)
    known = read((await held.get(path)).decode())
    number = known.sequence + len(known.segments)
    waiting = asyncio.create_task(held.get(f"{path}?_HLS_msn={number}&_HLS_skip=YES"))
    await until(lambda: held.origin.asked_for("_HLS_msn"))
    clock.advance(1)

    delta = read((await waiting).decode(), before=known)

    assert delta.skipped
    assert number in delta.segments
    assert delta.segments == read((await held.get(path)).decode()).segments


@pytest.mark.parametrize("form", ["ll", "hls"])
async def test_the_media_sequence_goes_with_the_origin_and_never_back(
    held: Stage, clock: ManualClock, form: str
) -> None:
    path = held.path(f"/one/{form}/small.m3u8", filter_=SMALL)
    seen = []
    for step in range(24):
        clock.advance(0.4)
        held.origin.lag = 2.5 if step % 3 == 2 else 0  # as if a slower node had answered
        playlist = read((await held.get(path)).decode())
        seen.append((playlist.sequence, max(playlist.segments)))
    assert seen == sorted(seen)
    assert seen[-1][0] - seen[0][0] >= 8


async def test_children_inherit_token_and_filter(held: Stage, media: Media) -> None:
    path = held.path("/one/ll/master.m3u8", filter_=SMALL)
    text = (await held.get(path)).decode()
    assert re.findall(r"RESOLUTION=(\S+?),", text) == ["320x180"]
    prefix = held.path("", filter_=SMALL)
    children = [held.child(path, reference) for reference in references(text)]
    assert children == [f"{prefix}/one/ll/small.m3u8", f"{prefix}/two/ll/sound.m3u8"]
    for child in children:
        track = media.tracks["sound" if "sound" in child else "small"]
        for reference in references((await held.get(child)).decode()):
            target = held.child(child, reference)
            assert target.startswith(prefix + "/")
            if target.endswith("/init.mp4"):
                assert await held.get(target) == track.init
            elif number := re.search(r"/(\d+)\.m4s$", target):
                assert await held.get(target) == track.segments[int(number[1])].whole.data
    assert not held.origin.asked_for("/large")


def _running() -> float:
    return REGISTRY.get_sample_value("edge_requests_running") or 0
