from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.hls import whole
from edge.manifests.ads.hls.plan import Hole, Plan, Run
from edge.manifests.ads.hls.runs import AdRun, merged
from edge.manifests.ads.hls.window import Window


def window(
    total: int, *, tags: frozenset[int] = frozenset(), parts: int = 0, contiguous: bool = False
) -> Window:
    return Window(
        first=0,
        discontinuity_sequence=0,
        seconds=[Decimal(6)] * total,
        discontinuities=tags,
        starts=[None] * total,
        ended=True,
        whole=True,
        parts=parts,
        target_seconds=Decimal(6),
        contiguous=lambda _before, _after: contiguous,
    )


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, tuple[AdRun, ...]]:
    total = draw(st.integers(1, 30))
    pairs = draw(st.lists(st.tuples(st.integers(0, total), st.integers(0, total)), max_size=6))
    return total, tuple(AdRun(min(pair), max(pair), "k", "r@1") for pair in pairs)


def test_a_pre_roll_goes_without_a_join_and_a_mid_roll_with_one() -> None:
    plan = whole.plan(window(10), (AdRun(0, 1), AdRun(4, 5), AdRun(9, 9)))
    assert plan == Plan(holes=(Hole(0, 1, False), Hole(4, 5, True), Hole(9, 9, False)))


def test_contiguous_media_is_joined_without_a_discontinuity() -> None:
    assert whole.plan(window(9, contiguous=True), (AdRun(4, 5),)).holes == (Hole(4, 5, False),)


def test_a_playlist_of_ads_alone_is_marked_and_not_emptied() -> None:
    assert whole.plan(window(4), (AdRun(0, 1), AdRun(2, 3))) == Plan(gaps=(Run(0, 3),))


def test_without_breaks_nothing_is_changed() -> None:
    assert whole.plan(window(4), ()).is_empty
    assert whole.gap(window(4), ()).is_empty


def test_a_break_that_is_still_open_takes_the_parts_behind_it() -> None:
    assert whole.plan(window(4, parts=2), (AdRun(3, 3, open_end=True),)).ad_tail
    assert whole.gap(window(4, parts=2), (AdRun(4, 4, open_end=True),)).ad_tail
    assert not whole.gap(window(4, parts=2), (AdRun(3, 3),)).ad_tail


@given(runs())
def test_exactly_the_runs_go_and_something_is_always_left(
    case: tuple[int, tuple[AdRun, ...]],
) -> None:
    total, found = case
    ads = {at for run in found for at in range(run.first, min(run.last, total - 1) + 1)}
    plan = whole.plan(window(total), found)
    gone = [at for hole in plan.holes for at in range(hole.first, hole.last + 1)]
    marked = [at for run in plan.gaps for at in range(run.first, run.last + 1)]
    assert sorted(gone + marked) == sorted(ads)
    assert len(gone) < total
    assert not (gone and marked)
    assert all(
        one.last + 1 < other.first for one, other in zip(plan.holes, plan.holes[1:], strict=False)
    )


@given(runs())
def test_merging_again_changes_nothing(case: tuple[int, tuple[AdRun, ...]]) -> None:
    assert merged(merged(case[1])) == merged(case[1])
