from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifests.ads.numbered_edges import Edges
from tests.manifests.ads.numbered_worlds import Scheme, World

SCHEMES = {
    "both sides": Scheme(),
    "no discontinuities": Scheme(sides="none"),
    "before only": Scheme(sides="before"),
    "behind only": Scheme(sides="behind"),
    "late markers": Scheme(sides="none", late=3),
    "wrong markers": Scheme(sides="both", wrong=True, late=1),
    "noise": Scheme(sides="both", noise=True),
    "long breaks": Scheme(sides="both", longest=20),
    "no dates": Scheme(dated=False, grids=(6000, 6000)),
    "low latency": Scheme(parts=True, late=1),
    "tags dropped with their segments": Scheme(keeps_tag=False),
    "contiguous": Scheme(sides="none", contiguous=True),
    "three grids": Scheme(grids=(6000, 6006, 4000), longest=10),
}
RELOADS = int(os.environ.get("ADS_RELOADS", "3000"))  # by hand: 10000 and more
CHAOS = ("restart", "lose", "cut", "back")


def played(scheme: Scheme, seed: int, *, chaos: float = 0.0) -> Edges:
    """A whole stream, watched on two edges that see versions in any order and skip some."""
    draw = random.Random(seed)
    edges = Edges(World(scheme, seed), strict=True)
    while edges.published < edges.world.versions():
        for _ in range(draw.randint(1, 2)):
            edges.publish()
        if draw.random() < chaos:
            edges.suffer(draw.choice(CHAOS), draw.randint(0, 1))
        for _ in range(draw.randint(1, 6)):
            rendition = draw.randrange(len(scheme.grids))
            edges.reload(draw.randint(0, 1), rendition, draw.choice([0, 0, 0, 1, 2]))
    return edges


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_thousands_of_reloads_on_two_edges_give_each_segment_one_name(scheme: Scheme) -> None:
    seed, seen, refused = 0, 0, 0
    while seen < RELOADS:
        seed += 1
        edges = played(scheme, seed)
        seen, refused = seen + edges.viewers.reloads, refused + edges.refused
    # A process without memory that is given a version from before what others listed has nothing to say.
    assert refused <= seen // 100


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_restarts_islands_and_lost_records_never_take_numbers_back(scheme: Scheme) -> None:
    refused = seen = 0
    for seed in range(100, 103):
        edges = played(scheme, seed, chaos=0.15)
        seen, refused = seen + edges.viewers.reloads, refused + edges.refused
    assert refused <= seen // 50


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(SCHEMES)),
    st.integers(0, 2**16),
    st.lists(
        st.tuples(
            st.sampled_from(["publish", "publish", "reload", "reload", "reload", *CHAOS]),
            st.integers(0, 1),
            st.integers(0, 1),
            st.integers(0, 3),
        ),
        max_size=120,
    ),
)
def test_no_order_of_events_breaks_the_window(
    name: str, seed: int, events: list[tuple[str, int, int, int]]
) -> None:
    edges = Edges(World(SCHEMES[name], seed), strict=False)
    for event, edge, rendition, behind in events:
        if event == "publish":
            edges.publish()
        elif event == "reload":
            edges.reload(edge, rendition, behind)
        else:
            edges.suffer(event, edge)


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "no dates"])
def test_an_event_keeps_every_name_from_its_first_line_to_its_end(dated: bool) -> None:
    for seed in range(4):
        draw = random.Random(seed)
        world = World(Scheme(event=True, late=1, dated=dated), seed)
        edges = Edges(world, published=3)
        while edges.published < 120:
            edges.publish()
            edges.reload(draw.randint(0, 1), draw.randint(0, 1), draw.choice([0, 0, 1]))
        for edge, rendition in ((0, 0), (1, 0), (0, 1), (1, 1)):
            output = edges.reload(edge, rendition, 0, ended=True)
            assert output is not None
            assert output[0].number == world.base
            assert output[0].segment.name.endswith("/0")


@pytest.mark.parametrize("seed", range(6))
def test_an_ended_playlist_comes_through_even_in_the_middle_of_a_break(seed: int) -> None:
    edges = Edges(World(Scheme(longest=20), seed))
    while not edges.world.listed(0, edges.published)[0].name.endswith(f"/{40 + 5 * seed}"):
        edges.publish()
        edges.reload(0, 0, 0)
    memory = edges.memories[0]
    held = dict(memory.held)
    output = edges.reload(0, 0, 0, ended=True)
    assert output
    assert memory.held[0] == (edges.world, edges.published)
    assert held


def in_break(edges: Edges) -> None:
    """Go on until the origin lists nothing but one break, which is not the one where numbering began."""
    for _ in range(60):
        edges.publish()
        edges.reload(0, 0, 0)
    while len({segment.stretch for segment in edges.world.listed(0, edges.published)}) > 1 or not (
        edges.world.stretches[edges.world.listed(0, edges.published)[0].stretch].is_ad
    ):
        edges.publish()
        for edge in (0, 1):
            edges.reload(edge, 0, 0)
            edges.reload(edge, 1, 0)


def test_while_a_break_fills_the_window_the_last_good_version_is_held() -> None:
    edges = Edges(World(Scheme(longest=20, window=6), 3))
    in_break(edges)
    before = edges.viewers.gaps
    output = edges.reload(0, 0, 0)
    assert output is not None
    assert all(not edges.world.stretches[item.segment.stretch].is_ad for item in output)
    assert edges.viewers.gaps == before


def test_who_remembers_nothing_in_a_break_is_given_a_gap_and_the_renditions_stay_in_step() -> None:
    edges = Edges(World(Scheme(longest=20, window=6), 3))
    in_break(edges)
    edges.suffer("restart", 0)
    output = edges.reload(0, 0, 0)
    assert output is not None
    assert [item.is_gap for item in output] == [True]
    for _ in range(60):
        edges.publish()
        for edge in (0, 1):
            edges.reload(edge, 0, 0)
            edges.reload(edge, 1, 0)


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "no dates"])
def test_an_origin_that_starts_anew_is_followed_and_no_number_goes_back(dated: bool) -> None:
    scheme = Scheme(dated=dated, grids=(6000, 6000))
    edges = Edges(World(scheme, 1))
    for _ in range(60):
        edges.publish()
        for edge in (0, 1):
            for rendition in (0, 1):
                edges.reload(edge, rendition, 0)
    numbers = {rendition: edges.viewers.shared.last[rendition] for rendition in (0, 1)}
    edges.world = World(scheme, 2, base=0, run_number=1, begins_ms=edges.store.now_ms + 60_000)
    edges.published = 9
    edges.store.now_ms += 60_000
    for _ in range(30):
        edges.publish()
        for edge in (0, 1):
            for rendition in (0, 1):
                edges.reload(edge, rendition, 0)
    assert "restarted" in edges.events
    for rendition in (0, 1):
        assert edges.viewers.shared.last[rendition] > numbers[rendition]
