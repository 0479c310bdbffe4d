"""An MPD without its ad breaks, whose times agree: closed up where it is static, with holes where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from edge.manifests.ads.dash.ends import ended
from edge.manifests.ads.dash.feasible import is_dynamic, range_of
from edge.manifests.ads.dash.properties import stale
from edge.manifests.ads.dash.split import NEAR, Range, Splitting
from edge.manifests.ads.dash.times import ZERO, Span, parse, spans, written
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.policy import AdPolicy
from edge.manifests.dash.removal import indentation, set_attribute, without
from edge.manifests.dash.scan import Document, Element
from edge.manifests.edits import Edit

_WHY = "ad break"
_TIMES = "a Period beside it went"
_TOTAL = "mediaPresentationDuration"


def repair(document: Document, found: Found, policy: AdPolicy) -> tuple[Edit, ...]:
    """The edits that take out every certain break that is not left.

    A static MPD is closed up under ``strip``. Under ``gap``, and in a dynamic MPD whose times are bound to the clock,
    every Period that stays keeps its times. Where the origin offers patches of a dynamic MPD they are no longer
    offered, cut or not: they lead to its own next document, not to ours.
    """
    if policy not in (AdPolicy.STRIP, AdPolicy.GAP):
        return ()
    gone: set[int] = set()
    ranges: dict[int, list[Range]] = {}
    for one in found.certain:
        if one.key in found.left:
            continue
        if one.time_range is None:
            gone.update(one.periods)
        else:
            ranges.setdefault(one.periods[0], []).append(range_of(one))
    edits: list[Edit] = []
    if is_dynamic(document):
        edits += _unpatched(document)
    if gone or ranges:
        edits += _Repair(document, gone, ranges, policy).edits()
    return tuple(edits)


def _unpatched(document: Document) -> Iterator[Edit]:
    for child in document.root.named("PatchLocation"):
        yield without(child, where="PatchLocation", why="it leads to a document with the breaks")


class _Repair:
    def __init__(
        self,
        document: Document,
        gone: set[int],
        ranges: Mapping[int, Sequence[Range]],
        policy: AdPolicy,
    ) -> None:
        self._document = document
        self._spans = spans(document)
        self._gone = gone
        self._ranges = ranges
        self._closes_up = policy is AdPolicy.STRIP and not is_dynamic(document)
        self._removed = ZERO  # seconds before the Period at hand
        # Where the Period before ends as a reader of the result derives it; None: the result does not say.
        self._derived: Decimal | None = ZERO
        self._end: Decimal | None = None  # of the last Period that stays
        self._ids = {one for span in self._spans if (one := span.period.get("id"))}
        self._numbers: dict[str, int] = {}  # by id: the next piece's, where several have one id
        self._names_gone = self._named(gone)
        self._names_cut = self._named(ranges)

    def _named(self, places: set[int] | Mapping[int, object]) -> frozenset[str]:
        found = (self._spans[place].period.get("id") for place in places)
        return frozenset(name for name in found if name)

    def edits(self) -> Iterator[Edit]:
        for span in self._spans:
            if span.index in self._gone:
                yield without(span.period, where=span.name, why=_WHY)
                if self._closes_up:
                    self._removed += span.seconds or ZERO
            elif span.index in self._ranges:
                yield self._split(span)
            else:
                yield from self._kept(span)
        yield from self._total()

    def _moved(self, moment: Decimal | None) -> Decimal | None:
        return None if moment is None else moment - self._removed

    def _kept(self, span: Span) -> Iterator[Edit]:
        period, start, end = span.period, self._moved(span.start), self._moved(span.end)
        said = parse(period.get("start"))
        derived = self._derived if said is None else said
        if start is not None and derived != start:
            yield set_attribute(period, "start", written(start), where=span.name, why=_TIMES)
        length = parse(period.get("duration"))
        if length is None and span.seconds is not None and self._is_exposed(span):
            length = span.seconds
            yield set_attribute(period, "duration", written(length), where=span.name, why=_TIMES)
        if not self._closes_up and self._is_exposed(span):
            yield from ended(span)
        self._derived = None if start is None or length is None else start + length
        self._end = end
        yield from stale(period, self._names_gone, self._names_cut)

    def _is_exposed(self, span: Span) -> bool:
        """Whether what said where this Period ends goes."""
        follower = span.index + 1
        if follower in self._gone:
            return True
        return any(Fraction(begin) <= NEAR for begin, _ in self._ranges.get(follower, ()))

    def _split(self, span: Span) -> Edit:
        splitting = Splitting(span)
        pieces = splitting.pieces(self._ranges[span.index])
        period, old = span.period, self._moved(span.start)
        indent = indentation(period) or b"\n"
        texts = []
        before = ZERO  # where the piece before ended
        for count, piece in enumerate(pieces):
            begins, ends = piece.begins(), piece.ends(splitting.length)
            if self._closes_up:
                self._removed += begins - before
            start = None if old is None else self._place(span, begins)
            text = splitting.render(
                piece,
                start=start,
                identifier=self._identifier(period, count),
                is_first=not count,
                gone=self._names_gone,
                cut=self._names_cut,
            )
            texts.append(text)
            before = ends
            self._derived = self._end = None if start is None else start + ends - begins
        if self._closes_up:
            self._removed += splitting.length - before
        text = indent.join(texts)
        return Edit(start=period.start, stop=period.stop, text=text, where=span.name, why=_WHY)

    def _place(self, span: Span, begins: Decimal) -> Decimal:
        return (span.start or ZERO) + begins - self._removed

    def _identifier(self, period: Element, count: int) -> str | None:
        """The id of a piece: the first keeps the Period's, others are told apart; a Period without one has none."""
        identifier = period.get("id")
        if not count or not identifier:
            return None
        number = max(count, self._numbers.get(identifier, 0))
        while (name := f"{identifier}.k{number}") in self._ids:
            number += 1
        self._ids.add(name)
        self._numbers[identifier] = number + 1
        return name

    def _ends_earlier(self) -> bool:
        last = len(self._spans) - 1
        return last in self._gone or last in self._ranges

    def _total(self) -> Iterator[Edit]:
        root = self._document.root
        total = parse(root.get(_TOTAL))
        if total is None:
            return
        if self._closes_up:
            after: Decimal | None = total - self._removed
        elif self._ends_earlier() and root.get("minimumUpdatePeriod") is None:
            after = self._end
        else:
            return
        if after is not None and after != total:
            yield set_attribute(root, _TOTAL, written(after), where="MPD", why=_TIMES)
