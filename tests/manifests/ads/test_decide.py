from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.decide import MOST_SCORE, Run, runs
from edge.manifests.ads.evidence import Evidence, Family
from edge.manifests.ads.rules import Rule, Rules

ONE, TWO = "one@1", "two@1"
RULES = Rules.of(
    [Rule(name="one", version=1, threshold=50), Rule(name="two", version=1, threshold=70)]
)
FAMILIES: tuple[Family, ...] = ("splice", "stitcher", "title", "place", "shape")


def told(first: int, last: int, weight: int, family: Family = "splice", **more: Any) -> Evidence:
    known: dict[str, Any] = {"rule": ONE, "signal": family, "sentence": f"{family} {first}"}
    return Evidence(first=first, last=last, weight=weight, family=family, **(known | more))


def decided(*evidence: Evidence) -> list[tuple[int, int, int, str]]:
    return [
        (run.first, run.last, run.score, run.rule)
        for run in runs(evidence, RULES)
        if not run.ambiguous
    ]


def test_families_add_up_and_of_one_family_the_heaviest_counts() -> None:
    assert decided(told(0, 3, 40), told(0, 3, 30)) == []
    assert decided(told(0, 3, 40), told(0, 3, 30), told(1, 2, 10, "shape")) == [(1, 2, 50, ONE)]


def test_the_score_of_a_break_is_the_least_of_its_segments_and_never_above_a_hundred() -> None:
    assert decided(told(0, 3, 60), told(2, 3, 60, "title")) == [(0, 3, 60, ONE)]
    assert decided(told(0, 3, 60), told(0, 3, 60, "title")) == [(0, 3, MOST_SCORE, ONE)]


def test_rules_never_join() -> None:
    assert decided(told(0, 0, 40), told(0, 0, 40, "title", rule=TWO)) == []


def test_the_rule_that_scores_highest_is_named() -> None:
    assert decided(told(0, 0, 60), told(0, 0, 80, rule=TWO)) == [(0, 0, 60 + 20, TWO)]
    assert decided(told(0, 0, 60), told(0, 0, 60, rule=TWO)) == [(0, 0, 60, ONE)]


def test_a_rule_that_nobody_named_decides_nothing() -> None:
    assert runs([told(0, 0, 90, rule="other@1")], RULES) == []


def test_runs_that_touch_are_one_break_with_all_their_reasons() -> None:
    first = told(0, 1, 60, key="event:1", signal="cue")
    second = told(2, 3, 60, key="event:2", signal="oatcls", open_end=True)
    (run,) = runs([second, first], RULES)

    assert (run.first, run.last, run.key, run.open_end) == (0, 3, "event:1", True)
    assert (run.signals, run.keys) == (["cue", "oatcls"], ["event:1", "event:2"])
    assert run.sentences == ["splice 0", "splice 2"]


def test_a_break_is_open_only_if_what_has_its_end_is() -> None:
    (run,) = runs([told(0, 1, 60, open_end=True), told(0, 2, 60)], RULES)

    assert not run.open_end


def test_what_is_in_doubt_never_decides_and_never_covers_a_decision() -> None:
    doubt = told(0, 9, 90, ambiguous=True)
    found = runs([doubt, told(2, 3, 60), told(6, 6, 60)], RULES)

    assert [(run.first, run.last) for run in found if not run.ambiguous] == [(2, 3), (6, 6)]
    assert [(run.first, run.last) for run in found if run.ambiguous] == [(0, 1), (4, 5), (7, 9)]


def test_the_reasons_of_a_break_are_only_so_many() -> None:
    many = [told(n, n, 60) for n in range(100)]
    (run,) = runs(many, RULES)

    assert len(run.sentences) == 8


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    first = draw(st.integers(0, 12))
    return told(
        first,
        first + draw(st.integers(-1, 6)),
        draw(st.integers(1, 100)),
        draw(st.sampled_from(FAMILIES)),
        rule=draw(st.sampled_from([ONE, TWO, "other@1"])),
        ambiguous=draw(st.booleans()),
        key=draw(st.sampled_from(["", "a", "b"])),
    )


def scores(every: list[Evidence], place: int) -> dict[str, int]:
    heaviest: dict[tuple[str, str], int] = defaultdict(int)
    for one in every:
        if one.first <= place <= one.last and not one.ambiguous:
            heaviest[one.rule, one.family] = max(heaviest[one.rule, one.family], one.weight)
    summed: dict[str, int] = defaultdict(int)
    for (rule, _), weight in heaviest.items():
        summed[rule] += weight
    return {rule: min(score, MOST_SCORE) for rule, score in summed.items()}


def covering(found: list[Run], place: int) -> Run | None:
    inside = [run for run in found if run.first <= place <= run.last]
    assert len(inside) <= 1
    return inside[0] if inside else None


@given(st.lists(evidence(), max_size=12))
def test_every_position_is_decided_by_its_own_score(every: list[Evidence]) -> None:
    found = runs(every, RULES)
    for place in range(20):
        known = scores(every, place)
        best = max([known.get(ONE, 0) if known.get(ONE, 0) >= 50 else 0,
                    known.get(TWO, 0) if known.get(TWO, 0) >= 70 else 0])  # fmt: skip
        doubt = any(
            one.first <= place <= one.last and one.ambiguous and one.rule != "other@1"
            for one in every
        )
        run = covering(found, place)
        if best:
            assert run is not None
            assert not run.ambiguous
            assert run.score <= best
        else:
            assert (run is not None) == doubt
            assert run is None or run.ambiguous
