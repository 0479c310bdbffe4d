"""The tests that rule files carry: what a rule, by itself, finds in a manifest, against what it must find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from edge.manifests.ads.dash import find as dash
from edge.manifests.ads.evidence import Break, Found
from edge.manifests.ads.hls import find as hls
from edge.manifests.ads.rule_schema import TestTable
from edge.manifests.ads.rules import Rule, Rules
from edge.manifests.dash.scan import scan
from edge.manifests.errors import ManifestError
from edge.manifests.limits import DEFAULT, Limits

_TOLERANCE = Decimal("0.001")  # of moments, which the tests write with three digits or more


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended, and if it did not pass, why."""

    verdict: Literal["passed", "failed", "skipped"]
    why: str = ""


def run(
    rule: Rule, test: TestTable, *, corpus: Path | None = None, limits: Limits = DEFAULT
) -> Outcome:
    """One test; one that names a file is skipped without the folder that holds it."""
    if test.manifest is not None:
        data = test.manifest.encode()
        is_hls = not test.manifest.lstrip("\ufeff \t\r\n").startswith("<")
    elif corpus is None:
        return Outcome("skipped", "it needs a folder of manifests")
    else:
        try:
            data = (corpus / str(test.corpus)).read_bytes()
        except OSError as error:
            return Outcome("failed", f"{test.corpus}: {error.strerror}")
        is_hls = str(test.corpus).startswith("hls/")
    rules = Rules.of([rule]).where(url=test.base)
    try:
        if is_hls:
            _, found = hls.find(data, rules, base=test.base, limits=limits)
        else:
            found = dash.find(scan(data, limits), rules, base=test.base)
    except ManifestError as error:
        return Outcome("failed", f"{error.code}: {error}")
    wrong = [
        *(_segments(test, found) if is_hls else _periods(test, found)),
        *_inserted(test, found),
    ]
    return Outcome("failed", "; ".join(wrong)) if wrong else Outcome("passed")


def _segments(test: TestTable, found: Found) -> Iterable[str]:
    either = _listed(test.ambiguous)
    wanted = _listed(test.breaks) - either
    got = {
        index
        for one in found.certain
        if one.first_index is not None and one.last_index is not None
        for index in range(one.first_index, one.last_index + 1)
    } - either
    if wanted - got:
        yield f"content, but must be ad: segments {_shown(wanted - got)}"
    if got - wanted:
        yield f"ad, but must be content: segments {_shown(got - wanted)}"


def _periods(test: TestTable, found: Found) -> Iterable[str]:
    wanted = set(test.periods)
    got = {index for one in found.certain if one.time_range is None for index in one.periods}
    if wanted - got:
        yield f"content, but must be ad: Periods {_shown(wanted - got)}"
    if got - wanted:
        yield f"ad, but must be content: Periods {_shown(got - wanted)}"
    ranges = [one for one in found.certain if one.time_range is not None]
    for period, begins, ends in test.ranges:
        if not any(_is_range(one, period, begins, ends) for one in ranges):
            yield f"content, but must be ad: {begins} to {ends} s of Period {period}"
    for one in ranges:
        if not any(_is_range(one, *wanted_range) for wanted_range in test.ranges):
            start, end = one.time_range or (0, 0)
            yield f"ad, but must be content: {start} to {end} s of Period {one.periods[0]}"


def _inserted(test: TestTable, found: Found) -> Iterable[str]:
    if test.interstitials is not None and sorted(found.interstitials) != sorted(test.interstitials):
        yield f"interstitials are {list(found.interstitials)}, must be {test.interstitials}"


def _is_range(one: Break, period: Decimal, start: Decimal, end: Decimal) -> bool:
    return (
        one.time_range is not None
        and one.periods[:1] == (int(period),)
        and abs(one.time_range[0] - start) <= _TOLERANCE
        and abs(one.time_range[1] - end) <= _TOLERANCE
    )


def _listed(runs: Iterable[Sequence[int]]) -> set[int]:
    return {index for first, last in runs for index in range(first, last + 1)}


def _shown(numbers: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)
