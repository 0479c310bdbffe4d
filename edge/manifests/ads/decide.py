"""From evidence to breaks: what some named rule, by itself, finds heavy enough is an ad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise

from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.rules import Rules

MOST_SCORE = 100
_SENTENCES = 8  # of one break; more of the same tell nothing new


@dataclass(slots=True, kw_only=True)
class Run:
    """A run of positions that one decision is about."""

    first: int
    last: int
    rule: str
    score: int  # the least of its positions' scores
    ambiguous: bool = False
    open_end: bool = False
    keys: list[str] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    most: int = 0  # the greatest of its positions' scores, of the rule that it names
    reasons: list[Evidence] = field(default_factory=list)  # each once
    _seen: set[str | int] = field(default_factory=set)

    def add(self, evidence: Evidence) -> None:
        """Take the reasons of a piece of evidence for its own."""
        seen = self._seen
        if id(evidence) in seen:
            return
        seen.add(id(evidence))
        self.reasons.append(evidence)
        if evidence.signal not in self.signals:
            self.signals.append(evidence.signal)
        if evidence.key and evidence.key not in seen:
            seen.add(evidence.key)
            self.keys.append(evidence.key)

    @property
    def sentences(self) -> list[str]:
        """The reasons, made now."""
        told: list[str] = []
        for evidence in self.reasons:
            sentence = evidence.read()
            if sentence not in told:
                told.append(sentence)
                if len(told) == _SENTENCES:
                    break
        return told

    @property
    def key(self) -> str:
        """What the break is known by."""
        return self.keys[0] if self.keys else ""


def runs(evidence: Iterable[Evidence], rules: Rules) -> list[Run]:
    """The breaks, then what is ambiguous beside them; each in order, and no two of them touch the same position.

    A position's score is, for each rule, the sum over the families of the heaviest evidence of each.
    """
    thresholds = {rule.label: rule.threshold for rule in rules.items}
    known = [found for found in evidence if found.rule in thresholds and found.first <= found.last]
    if not known:
        return []
    certain = _certain([found for found in known if not found.ambiguous], thresholds)
    doubtful = [found for found in known if found.ambiguous]
    return [*certain, *_doubtful(doubtful, certain)] if doubtful else certain


def _certain(evidence: list[Evidence], thresholds: Mapping[str, int]) -> list[Run]:
    """Most evidence stands alone; only where pieces overlap are there scores to be added up."""
    evidence.sort(key=lambda found: (found.first, -found.weight))
    decided: list[Run] = []
    start, total = 0, len(evidence)
    while start < total:
        last, stop = evidence[start].last, start + 1
        while stop < total and evidence[stop].first <= last:
            last = max(last, evidence[stop].last)
            stop += 1
        if stop > start + 1:
            _overlapping(evidence[start:stop], thresholds, decided)
        else:
            one = evidence[start]
            score = min(one.weight, MOST_SCORE)
            if score >= thresholds[one.rule]:
                _decide(decided, one.first, last, one.rule, score).add(one)
                decided[-1].open_end = one.open_end
        start = stop
    return decided


def _overlapping(
    evidence: Sequence[Evidence], thresholds: Mapping[str, int], decided: list[Run]
) -> None:
    """Decide about pieces of which each overlaps another."""
    cuts = sorted({place for found in evidence for place in (found.first, found.last + 1)})
    # By rule and family, the heaviest on top; what has ended is dropped when it comes to the top.
    active: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
    following = 0
    for start, stop in pairwise(cuts):
        begun = following
        while following < len(evidence) and evidence[following].first == start:
            found = evidence[following]
            heap = active.setdefault(found.rule, {}).setdefault(found.family, [])
            heappush(heap, (-found.weight, following, found.last))
            following += 1
        best = _best(active, thresholds, start)
        if best is None:
            continue
        score, rule, heaviest = best
        run = _decide(decided, start, stop - 1, rule, score)
        run.open_end = any(evidence[place].open_end for place in heaviest)
        for place in heaviest:
            run.add(evidence[place])
        for found in evidence[begun:following]:
            run.add(found)


def _decide(decided: list[Run], first: int, last: int, rule: str, score: int) -> Run:
    """The run that these positions belong to: the last one goes on if it ends before the first of them."""
    run = decided[-1] if decided else None
    if run is None or run.last != first - 1:
        run = Run(first=first, last=last, rule=rule, score=score)
        decided.append(run)
    run.last = last
    run.score = min(run.score, score)
    if score > run.most:
        run.rule, run.most = rule, score
    return run


def _best(
    active: Mapping[str, Mapping[str, list[tuple[int, int, int]]]],
    thresholds: Mapping[str, int],
    position: int,
) -> tuple[int, str, list[int]] | None:
    """The rule that scores highest at a position, if it reaches its threshold, and its heaviest evidence there."""
    best: tuple[int, str, list[int]] | None = None
    for rule, threshold in thresholds.items():
        heaps = active.get(rule)
        if heaps is None:
            continue
        heaviest = [
            (-heap[0][0], heap[0][1]) for heap in heaps.values() if _drop_ended(heap, position)
        ]
        score = min(sum(weight for weight, _ in heaviest), MOST_SCORE)
        if score >= threshold and heaviest and (best is None or score > best[0]):
            best = score, rule, [place for _, place in sorted(heaviest, reverse=True)]
    return best


def _drop_ended(heap: list[tuple[int, int, int]], position: int) -> bool:
    """Whether anything is left."""
    while heap and heap[0][2] < position:
        heappop(heap)
    return bool(heap)


def _doubtful(evidence: list[Evidence], certain: list[Run]) -> Iterator[Run]:
    """What nobody acts upon: evidence in doubt, without the positions that are decided."""
    evidence.sort(key=lambda found: found.first)
    joined: list[Run] = []
    for found in evidence:
        if not joined or found.first > joined[-1].last + 1:
            joined.append(
                Run(
                    first=found.first,
                    last=found.last,
                    rule=found.rule,
                    score=found.weight,
                    ambiguous=True,
                )
            )
        run = joined[-1]
        run.last = max(run.last, found.last)
        run.score = min(run.score, found.weight)
        run.open_end = run.open_end or found.open_end
        run.add(found)
    following = 0
    for run in joined:
        start = run.first
        while following < len(certain) and certain[following].last < start:
            following += 1
        place = following
        while place < len(certain) and certain[place].first <= run.last:
            if certain[place].first > start:
                yield _part(run, start, certain[place].first - 1)
            start = certain[place].last + 1
            place += 1
        following = max(following, place - 1)
        if start <= run.last:
            yield _part(run, start, run.last)


def _part(run: Run, first: int, last: int) -> Run:
    return Run(
        first=first,
        last=last,
        rule=run.rule,
        score=run.score,
        ambiguous=True,
        open_end=run.open_end and last == run.last,
        keys=list(run.keys),
        signals=list(run.signals),
        reasons=run.reasons,  # all parts have the same
    )
