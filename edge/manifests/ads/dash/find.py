"""The breaks of an MPD: each rule by itself, from what speaks for its Periods and in their EventStreams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from edge.manifests.ads.dash import events, periods
from edge.manifests.ads.dash.feasible import left
from edge.manifests.ads.dash.times import ZERO, Span, exact, spans
from edge.manifests.ads.dash.tracks import extent
from edge.manifests.ads.evidence import Break, Evidence, Found
from edge.manifests.ads.rules import Rule, Rules
from edge.manifests.dash.scan import Document

MOST_PERIODS = 4096  # a day of Periods of 21 s; each costs far more to judge than to scan
MANY = f"it has more than {MOST_PERIODS} Periods: nothing is looked for"
_MOST_SCORE = 100
_MOST_SENTENCES = 32  # of one break


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one rule says of one Period."""

    rule: str
    score: int
    evidence: tuple[Evidence, ...]


def find(document: Document, rules: Rules, *, base: str | None = None) -> Found:
    """Everything that the rules find in an MPD; ``base`` is its own URL, for patterns over URLs."""
    rules = rules.where(url=base)
    if not rules:
        return Found()
    every = spans(document)
    if len(every) > MOST_PERIODS:
        return Found(left={"the MPD": MANY})
    evidence = periods.read(document, every, rules, base)
    evidence += _merged(every, events.read(every, rules))
    whole = _whole(every, evidence, rules)
    taken = {index for one in whole for index in one.periods}
    breaks = [*whole, *_parts(evidence, rules, taken), *_doubtful(evidence, taken)]
    breaks.sort(key=lambda one: (one.periods[0], one.time_range or (ZERO, ZERO)))
    named = tuple(_named_apart(breaks))
    return Found(breaks=named, left=left(document, every, named))


def _merged(every: Sequence[Span], found: Iterable[Evidence]) -> list[Evidence]:
    """Ranges of one rule that overlap or touch become one, and the Period itself where they fill it."""
    done: list[Evidence] = []
    for one in sorted(found, key=lambda it: (it.first, it.rule, it.ambiguous, it.time_range or ())):
        last = done[-1] if done else None
        if (
            last is not None
            and last.time_range is not None
            and one.time_range is not None
            and (last.first, last.rule, last.ambiguous) == (one.first, one.rule, one.ambiguous)
            and one.time_range[0] <= last.time_range[1]
            and not one.ambiguous
        ):
            end = max(last.time_range[1], one.time_range[1])
            done[-1] = last._replace(
                time_range=(last.time_range[0], end),
                weight=min(last.weight, one.weight),
                sentence=_joined(last.sentence, one.sentence),
            )
        else:
            done.append(one)
    return [_filling(every[one.first], one) for one in done]


def _joined(first: str, second: str) -> str:
    return first if len(first) > 1000 else f"{first}; {second}"


def _filling(span: Span, one: Evidence) -> Evidence:
    if one.time_range is None or one.ambiguous:
        return one
    start, end = one.time_range
    # A Period that is still growing is filled by what covers all of it that is there yet.
    length = events.lasts(span)
    fills = length > 0 and start <= events.CLOSE and end >= length - events.CLOSE
    return one._replace(time_range=None) if fills else one


def _whole(every: Sequence[Span], evidence: Iterable[Evidence], rules: Rules) -> list[Break]:
    """Runs of Periods that some rule takes for ads as a whole."""
    by_period: dict[int, list[Evidence]] = {}
    for one in evidence:
        if one.time_range is None and not one.ambiguous:
            by_period.setdefault(one.first, []).append(one)
    judged = {
        index: verdict
        for index, found in by_period.items()
        if (verdict := _judged(found, rules.items)) is not None
    }
    runs: list[list[int]] = []
    for index in sorted(judged):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [_run(every, run, judged) for run in runs]


def _judged(found: Sequence[Evidence], rules: Sequence[Rule]) -> _Judged | None:
    best: _Judged | None = None
    for rule in rules:
        own = tuple(one for one in found if one.rule == rule.label)
        heaviest: dict[str, int] = {}
        for one in own:
            heaviest[one.family] = max(heaviest.get(one.family, 0), one.weight)
        score = min(_MOST_SCORE, sum(heaviest.values()))
        if own and score >= rule.threshold and (best is None or score > best.score):
            best = _Judged(rule.label, score, own)
    return best


def _run(every: Sequence[Span], run: Sequence[int], judged: dict[int, _Judged]) -> Break:
    verdicts = [judged[index] for index in run]
    own = [one for verdict in verdicts for one in verdict.evidence]
    strongest = max(verdicts, key=lambda verdict: verdict.score)
    return Break(
        first_index=None,
        last_index=None,
        periods=tuple(run),
        seconds=sum((_seconds(every[index]) for index in run), ZERO),
        score=min(verdict.score for verdict in verdicts),
        signals=tuple(dict.fromkeys(one.signal for one in own)),
        sentences=tuple(one.sentence for one in own)[:_MOST_SENTENCES],
        rule=strongest.rule,
        key=f"period:{every[run[0]].period.get('id') or run[0]}",
        open_end=run[-1] == len(every) - 1 and every[run[-1]].seconds is None,
    )


def _seconds(span: Span) -> Decimal:
    """The length of a Period, or of what it lists where its end is not known yet."""
    if span.seconds is not None:
        return span.seconds
    end = extent(span.period)
    return ZERO if end is None else max(ZERO, exact(end))


def _parts(evidence: Iterable[Evidence], rules: Rules, taken: set[int]) -> Iterator[Break]:
    """Ranges within Periods, of the rule that weighs them most; what overlaps another one belongs to that."""
    thresholds = {rule.label: rule.threshold for rule in rules.items}
    found = [
        one
        for one in evidence
        if one.time_range is not None
        and not one.ambiguous
        and one.first not in taken
        and one.weight >= thresholds[one.rule]
    ]
    found.sort(key=lambda one: (one.first, one.time_range))
    group: list[Evidence] = []
    until: tuple[int, Decimal] | None = None
    for one in found:
        start, end = one.time_range or (ZERO, ZERO)
        if until is not None and until[0] == one.first and start <= until[1]:
            group.append(one)
            until = (one.first, max(until[1], end))
            continue
        if group:
            yield _part(group)
        group, until = [one], (one.first, end)
    if group:
        yield _part(group)


def _part(group: Sequence[Evidence], *, ambiguous: bool = False) -> Break:
    ranges = [one.time_range for one in group if one.time_range is not None]
    start, end = min(ranges)[0], max(end for _, end in ranges)
    strongest = max(group, key=lambda one: one.weight)
    return Break(
        first_index=None,
        last_index=None,
        periods=(strongest.first,),
        time_range=(start, end),
        seconds=end - start,
        score=min(_MOST_SCORE, strongest.weight),
        signals=tuple(dict.fromkeys(one.signal for one in group)),
        sentences=tuple(one.sentence for one in group)[:_MOST_SENTENCES],
        rule=strongest.rule,
        key=strongest.key,
        open_end=any(one.open_end for one in group),
        ambiguous=ambiguous,
    )


def _doubtful(evidence: Iterable[Evidence], taken: set[int]) -> Iterator[Break]:
    """What is told and never acted upon."""
    told: set[tuple[object, ...]] = set()
    for one in evidence:
        what = (one.first, one.time_range)
        if not one.ambiguous or one.first in taken or what in told:
            continue
        told.add(what)
        if one.time_range is not None:
            yield _part([one], ambiguous=True)
        else:
            yield Break(
                first_index=None,
                last_index=None,
                periods=(one.first,),
                seconds=ZERO if one.seconds is None else one.seconds,
                score=one.weight,
                signals=(one.signal,),
                sentences=(one.sentence,),
                rule=one.rule,
                key=one.key or f"period:{one.first}",
                open_end=one.open_end,
                ambiguous=True,
            )


def _named_apart(breaks: Iterable[Break]) -> Iterator[Break]:
    """The breaks with keys of which no two are alike."""
    used: dict[str, int] = {}
    for one in breaks:
        count = used[one.key] = used.get(one.key, 0) + 1
        yield one if count == 1 else one._replace(key=f"{one.key}#{count}")
