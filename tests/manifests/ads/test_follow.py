from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.hls.follow import can_follow, follow_whole
from edge.manifests.ads.hls.live import advance, listing
from edge.manifests.ads.hls.numbers import report, tail
from edge.manifests.ads.hls.record import Group
from edge.manifests.ads.hls.runs import AdRun
from edge.manifests.ads.hls.window import Window
from tests.manifests.ads.numbered_edges import Edges
from tests.manifests.ads.numbered_worlds import Scheme, World


def whole_window(lengths: list[Decimal]) -> Window:
    return Window(
        first=0,
        discontinuity_sequence=0,
        seconds=lengths,
        discontinuities=frozenset(),
        starts=[None] * len(lengths),
        ended=True,
        whole=True,
        parts=0,
        target_seconds=max(lengths),
        contiguous=lambda _before, _after: False,
    )


LENGTHS = st.decimals("0.5", "10", places=3)


@given(st.lists(LENGTHS, min_size=1, max_size=40), LENGTHS, st.data())
def test_a_segment_goes_if_its_middle_lies_in_a_break_of_the_leader(
    lengths: list[Decimal], step: Decimal, data: st.DataObject
) -> None:
    leader = whole_window(lengths)
    total = sum(lengths)
    follower = whole_window([step] * (int(total / step) + 1))
    first = data.draw(st.integers(0, len(lengths) - 1))
    last = data.draw(st.integers(first, len(lengths) - 1))
    found = follow_whole(leader, (AdRun(first, last, "k", joined=True),), follower)
    gone = {at for run in found for at in range(run.first, run.last + 1)}
    begin, end = sum(lengths[:first]), sum(lengths[: last + 1])
    for at in range(len(follower)):
        middle = at * step + step / 2
        assert (at in gone) == (begin <= middle and (middle < end or last == len(lengths) - 1))
    assert all(run.joined and run.key == "k" for run in found)


def test_a_rendition_of_another_length_is_not_mapped() -> None:
    leader = whole_window([Decimal(6)] * 100)
    assert can_follow(leader, whole_window([Decimal("5.99")] * 100))
    assert can_follow(leader, whole_window([Decimal(60)] * 10))
    assert not can_follow(leader, whole_window([Decimal(6)] * 90))
    assert not can_follow(leader, replace(leader, whole=False))
    assert can_follow(replace(leader, ended=False), whole_window([Decimal(6)] * 90))


def test_a_follower_lists_nothing_that_the_leader_has_not_decided() -> None:
    world = World(Scheme(grids=(6000, 6000)), 1)
    group: Group | None = None
    for path, version in (("0", 30), ("1", 30)):
        group = advance(
            group,
            path,
            world.window(int(path), version),
            world.runs(int(path), version),
            role="follows" if path == "1" else "leads",
            now_ms=0,
        ).group
    ahead = advance(group, "1", world.window(1, 32), (), role="follows", now_ms=0)
    assert ahead.plan is not None
    assert ahead.plan.held == 2
    assert ahead.waits
    ended = advance(group, "1", world.window(1, 32, ended=True), (), role="follows", now_ms=0)
    assert ended.plan is not None
    assert ended.plan.held == 0


def test_without_a_leader_a_follower_goes_by_its_own_evidence() -> None:
    world = World(Scheme(), 1)
    made = advance(None, "1", world.window(1, 30), (), role="follows", now_ms=0)
    assert made.plan is not None
    assert made.plan.held == 0


@pytest.mark.parametrize("seed", range(8))
def test_what_a_player_waits_for_is_asked_of_the_origin_in_its_own_numbers(seed: int) -> None:
    edges = Edges(World(Scheme(parts=seed % 2 == 1), seed))
    draw = random.Random(seed)
    checked = 0
    for _ in range(150):
        edges.publish()
        output = edges.reload(0, 0, draw.choice([0, 0, 1]))
        memory = edges.memories[0]
        assert output is not None
        assert memory.group is not None
        window = edges.world.window(0, edges.published)
        end = tail(memory.group, "0", window)
        if end is None or memory.group.renditions["0"].decided < end.origin:
            continue
        plan = listing(memory.group, "0", window)
        assert plan is not None
        if output[-1].segment.number == end.origin:
            checked += 1
            assert end.given == output[-1].number
            assert end.asked(end.given + 1) == end.origin + 1
            assert end.in_break or end.asked(end.given + 2) == end.origin + 2
            assert end.parts in (0, window.parts)
    assert checked > 20


@pytest.mark.parametrize("seed", range(8))
def test_a_report_names_a_segment_as_its_own_playlist_does(seed: int) -> None:
    edges = Edges(World(Scheme(), seed))
    told = 0
    for _ in range(120):
        edges.publish()
        edges.reload(0, 1, 0)
        group = edges.memories[0].group
        assert group is not None
        newest = edges.world.window(1, edges.published)
        last = newest.first + len(newest) - 1
        found = report(group, "1", last, 3)
        assert found is not None
        names = edges.viewers.shared.names
        name = names.get((group.era, 1, found[0]))
        if name is not None:
            told += 1
            segment = next(item for item in edges.world.grids[1] if item.name == name)
            assert segment.number <= last
            if found[1] == 3:
                assert segment.number == last
        assert report(group, "unknown", 5, None) is None
        assert report(group, "1", 5, None) is None
    assert told > 60
