from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.manifests.ads.world.lives import Kind, Step
from tests.manifests.ads.world.markers import SPELLINGS
from tests.manifests.ads.world.player import Violation
from tests.manifests.ads.world.runs import run
from tests.manifests.ads.world.traits import Traits
from tests.manifests.ads.world.world import World

RELOADS = 1000
_USUAL: tuple[Kind, ...] = ("goes on", "goes on", "reload", "reload", "reload", "player moves")


def _steps(*rare: Kind) -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.builds(
            Step,
            st.sampled_from((*_USUAL, *rare)),
            player=st.integers(0, 1),
            grid=st.integers(0, 2),
            lag=st.integers(0, 2),
            leader_lag=st.integers(0, 1),
        ),
        max_size=60,
    )


# Two losses at once leave nothing by which some promises could be kept.
STEPS = st.one_of(
    _steps("edge restarts"),
    _steps("redis emptied"),
    _steps("redis away", "redis back"),
    _steps("origin restarts", "edge restarts"),
)
TRAITS = st.builds(
    Traits,
    sides=st.sampled_from(["both", "none", "before", "behind"]),
    keys=st.sampled_from(["none", "numbered", "formats"]),
    ranges=st.sampled_from(["none", "shared"]),
    dates=st.sampled_from(["each", "some"]),
    parts=st.sampled_from([1, 3]),
    longest=st.sampled_from([2, 4]),
    count=st.just(12),
)


@pytest.mark.parametrize("name", SPELLINGS)
def test_players_of_a_live_stream_are_told_nothing_that_contradicts_what_they_were_told(
    name: str,
) -> None:
    count = run(name, RELOADS, most=1)
    assert not count.violations, count.violations[0]
    assert count.reloads >= RELOADS
    assert count.breaks > 10


async def _lived(world: World, steps: Sequence[Step]) -> None:
    await world.open()
    # On to where the first break comes into sight.
    world.go_on(max(world.packager.show.stretches[1].start * world.traits.parts - world.tick, 0))
    for step in steps:
        if not world.is_over:
            await step.happen(world)


@settings(max_examples=100, deadline=None)
@given(traits=TRAITS, steps=STEPS, seed=st.integers(0, 20))
@pytest.mark.parametrize("name", ["cue-cont", "daterange"])
def test_whatever_happens_in_whatever_order_no_promise_is_broken(
    name: str, traits: Traits, steps: list[Step], seed: int
) -> None:
    world = World(SPELLINGS[name], traits, seed)
    try:
        asyncio.run(_lived(world, steps))
    except Violation:
        note(world.account())
        raise
