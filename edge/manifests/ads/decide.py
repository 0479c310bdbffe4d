"""From evidence to breaks: what some named rule, by itself, finds heavy enough is an ad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    sentences: list[str] = field(default_factory=list)
    most: int = 0  # the greatest of its positions' scores, of the rule that it names
    _seen: set[str] = field(default_factory=set)

    def add(self, evidence: Evidence) -> None:
        """Take the reasons of a piece of evidence for its own."""
        if evidence.signal not in self.signals:
            self.signals.append(evidence.signal)
        if len(self.sentences) < _SENTENCES and evidence.sentence not in self.sentences:
            self.sentences.append(evidence.sentence)
        if evidence.key and evidence.key not in self._seen:
            self._seen.add(evidence.key)
            self.keys.append(evidence.key)

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
    certain = _certain([found for found in known if not found.ambiguous], thresholds)
    return [*certain, *_doubtful([found for found in known if found.ambiguous], certain)]


def _certain(evidence: list[Evidence], thresholds: Mapping[str, int]) -> list[Run]:
    evidence.sort(key=lambda found: (found.first, -found.weight))
    cuts = sorted({place for found in evidence for place in (found.first, found.last + 1)})
    # By rule and family, the heaviest on top; what has ended is dropped when it comes to the top.
    active: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
    decided: list[Run] = []
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
        run = decided[-1] if decided and decided[-1].last == start - 1 else None
        if run is None:
            run = Run(first=start, last=stop - 1, rule=rule, score=score)
            decided.append(run)
        run.last = stop - 1
        run.score = min(run.score, score)
        if score > run.most:
            run.rule, run.most = rule, score
        run.open_end = any(evidence[place].open_end for place in heaviest)
        for place in heaviest:
            run.add(evidence[place])
        for found in evidence[begun:following]:
            run.add(found)
    return decided


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
        sentences=list(run.sentences),
    )
