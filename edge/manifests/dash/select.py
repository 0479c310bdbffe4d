"""A filter applied to an MPD: which elements go, and what must change where they are mentioned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from edge.manifests.dash import removal
from edge.manifests.dash.bounds import corrected_bounds
from edge.manifests.dash.defaults import made_default, not_main
from edge.manifests.dash.offer import (
    TRICK_MODE,
    Offer,
    PeriodOffer,
    period_offer,
    properties,
    roles,
)
from edge.manifests.dash.protection import mended
from edge.manifests.dash.scan import Document, Element
from edge.manifests.dash.timeline import kept_in_time
from edge.manifests.edits import Edit, apply_edits
from edge.manifests.filters import language
from edge.manifests.filters.arrange import OFF, preferred
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.filtered import Dropped, Filtered
from edge.manifests.filters.select import select
from edge.manifests.filters.view import Rendition, Selection, Type

_CONTINUES = ("urn:mpeg:dash:period-continuity:2015", "urn:mpeg:dash:period-connectivity:2015")
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"


def apply_dash(data: bytes, document: Document, wanted: Filter) -> Filtered:
    """What the filter does to an MPD; each Period is judged by the same rules, on what it offers itself.

    ``data`` are the bytes that were scanned. A Period that has nothing of the content types asked for goes, unless
    all would.
    """
    root = document.root
    periods = [child for child in root.named("Period") if document.is_dash(child)]
    if not wanted or not periods:
        return Filtered()
    offered = [period_offer(document, period, n) for n, period in enumerate(periods, start=1)]
    parts = [_Part(o, select(o.renditions, wanted, may_empty=True), wanted) for o in offered]
    if not any(part.selection.kept for part in parts):
        parts = [_Part(o, select(o.renditions, wanted), wanted) for o in offered]
    gone = {number for number, part in enumerate(parts) if part.is_emptied}
    removed = {element for part in parts for element in part.removed()}
    mendings = {edit.start: edit for edit in mended(document, removed)}
    edits = [edit for part in parts for edit in part.edits(mendings)]
    edits += mendings.values()
    if gone:
        edits += kept_in_time(document, periods, gone)
        names = {identifier for n in gone if (identifier := periods[n].get("id"))}
        edits += [edit for n, p in enumerate(parts) if n not in gone for edit in p.parted(names)]
    return Filtered(
        edits=tuple(sorted(edits, key=lambda edit: (edit.start, edit.stop))),
        given_up=_given_up([part for part in parts if not part.is_emptied]),
        describe=lambda: (dropped for part in parts for dropped in part.dropped()),
    )


class _Part:
    """One Period and what was chosen in it."""

    def __init__(self, offer: PeriodOffer, selection: Selection, wanted: Filter) -> None:
        self.selection = selection
        self.where = f"Period {offer.number}"
        self._offer = offer
        self._wanted = wanted
        self._kept = set(selection.kept)
        self._gone = {offer.offers[drop.id].element: drop.why for drop in selection.dropped}
        # An AdaptationSet goes when every Representation in it does; one that had none stays as it was.
        self._sets_gone = {
            holder: self._gone[all_of[-1]]
            for holder in offer.sets
            if (all_of := list(holder.named("Representation")))
            and all(element in self._gone for element in all_of)
        }
        left = {holder.get("id") for holder in offer.sets if holder not in self._sets_gone}
        self._ids_gone = {i for holder in self._sets_gone if (i := holder.get("id"))} - left
        self._missed: list[str] = []
        self._defaults = list(self._default_edits())

    @property
    def is_emptied(self) -> bool:
        """Whether every AdaptationSet goes."""
        return bool(self._offer.sets) and len(self._sets_gone) == len(self._offer.sets)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The clauses that could not be met."""
        return (*self.selection.given_up, *self._missed)

    def dropped(self) -> Iterator[Dropped]:
        """Every Representation and Preselection that goes."""
        for drop in self.selection.dropped:
            offer = self._offer.offers[drop.id]
            what = _described(offer, self._offer.renditions[drop.id])
            yield Dropped(where=offer.where, what=what, why=drop.why)

    def removed(self) -> Iterator[Element]:
        """Every element that goes, with all that is in it."""
        if self.is_emptied:
            yield self._offer.element
        yield from self._sets_gone
        yield from self._gone

    def edits(self, mendings: dict[int, Edit]) -> Iterator[Edit]:
        """Everything that changes inside this Period, or the Period itself.

        Those of ``mendings`` that stand in a Representation which moves, move with it and leave the others.
        """
        if self.is_emptied:
            why = next(iter(self._sets_gone.values()))
            yield removal.without(self._offer.element, where=self.where, why=why)
            return
        for position, holder in enumerate(self._offer.sets, start=1):
            where = f"{self.where}, AdaptationSet {position}"
            if holder in self._sets_gone:
                yield removal.without(holder, where=where, why=self._sets_gone[holder])
            else:
                yield from self._inside(holder, where)
        yield from self._others()
        yield from self._moved(mendings)
        yield from self._defaults

    def _inside(self, holder: Element, where: str) -> Iterator[Edit]:
        """Representations go one by one; what the AdaptationSet says of them, and of other sets, is mended."""
        left: list[Element] = []
        for place, element in enumerate(holder.named("Representation"), start=1):
            if element in self._gone:
                why = self._gone[element]
                yield removal.without(element, where=f"{where}, Representation {place}", why=why)
            else:
                left.append(element)
        if any(element in self._gone for element in holder.named("Representation")):
            yield from corrected_bounds(holder, left, where=where)
        for scheme in (_SWITCHING, TRICK_MODE) if self._ids_gone else ():
            for child in properties(holder, scheme):
                yield from removal.without_ids(
                    child, "value", self._ids_gone, where=f"{where} {child.name}", why=_MENTION
                )

    def parted(self, periods: Collection[str]) -> Iterator[Edit]:
        """Edits for what continues a Period that goes."""
        for position, holder in enumerate(self._offer.sets, start=1):
            for scheme in _CONTINUES if holder not in self._sets_gone else ():
                where = f"{self.where}, AdaptationSet {position}"
                for child in properties(holder, scheme):
                    yield from removal.without_ids(
                        child, "value", periods, where=where, why="it names a Period that went"
                    )

    def _others(self) -> Iterator[Edit]:
        """Preselections that lost a part go; Subsets lose what went."""
        for offer in self._offer.offers:
            if offer.is_preselection and offer.element in self._gone:
                why = self._gone[offer.element]
                yield removal.without(offer.element, where=offer.where, why=why)
        for subset in self._offer.element.named("Subset") if self._ids_gone else ():
            where = f"{self.where}, Subset"
            yield from removal.without_ids(
                subset, "contains", self._ids_gone, where=where, why=_MENTION
            )

    def _moved(self, mendings: dict[int, Edit]) -> Iterator[Edit]:
        """In each AdaptationSet the places of Representations are filled in the new order."""
        order: dict[Element, list[Element]] = {}
        for number in self.selection.kept:
            offer = self._offer.offers[number]
            if not offer.is_preselection:
                order.setdefault(offer.holder, []).append(offer.element)
        for holder, after in order.items():
            data = holder.document.data
            for place, element in zip(sorted(after, key=lambda e: e.start), after, strict=True):
                if place is not element:
                    yield Edit(
                        start=place.start,
                        stop=place.stop,
                        text=_with_those_inside(data, element, mendings),
                        where=f"{self.where}, Representation {place.get('id')}",
                        why=f"Representation {element.get('id')} moves here",
                    )

    def _default_edits(self) -> Iterator[Edit]:
        wanted = self._wanted
        if wanted.default:
            yield from self._default(f"default:{','.join(wanted.default)}", wanted.default, "audio")
        if wanted.tdefault:
            clause = f"tdefault:{','.join(wanted.tdefault)}"
            yield from self._default(clause, wanted.tdefault, "text")

    def _default(self, clause: str, ranges: tuple[str, ...], kind: Type) -> Iterator[Edit]:
        candidates = [
            r
            for r in self._offer.renditions
            if r.id in self._kept and r.type == kind and r.judged and not self._is_forced(r)
        ]
        holders = {r.id: self._offer.offers[r.id].holder for r in candidates}
        if ranges == (OFF,):
            for holder in dict.fromkeys(holders.values()):
                yield from not_main(holder, where=self.where, why=clause)
            return
        chosen = preferred(candidates, ranges)
        if chosen is None:
            self._missed += [clause] if candidates else []
            return
        spoken = self._offer.renditions[chosen].language
        same = [holders[chosen], *(holders[r.id] for r in candidates if r.language == spoken)]
        others = dict.fromkeys(holders[r.id] for r in candidates if r.language != spoken)
        yield from made_default(tuple(dict.fromkeys(same)), others, where=self.where, why=clause)

    def _is_forced(self, r: Rendition) -> bool:
        holder = self._offer.offers[r.id].holder
        return any((role.get("value") or "").startswith("forced") for role in roles(holder))


def _with_those_inside(data: bytes, element: Element, edits: dict[int, Edit]) -> bytes:
    """The bytes of an element with the edits of what is in it, which leave the others."""
    inside = [edits.pop(one.start) for one in element.walk() if one.start in edits] if edits else []
    shifted = (
        replace(edit, start=edit.start - element.start, stop=edit.stop - element.start)
        for edit in inside
    )
    return apply_edits(data[element.start : element.stop], shifted)


_MENTION = "it names an AdaptationSet that went"


def _given_up(parts: list[_Part]) -> tuple[str, ...]:
    """Each clause once; with the Periods in front when it was met in others."""
    clauses = dict.fromkeys(clause for part in parts for clause in part.unmet)
    return tuple(
        clause
        if all(clause in part.unmet for part in parts)
        else f"{_listed(part.where for part in parts if clause in part.unmet)}: {clause}"
        for clause in clauses
    )


def _listed(places: Iterable[str]) -> str:
    first, *others = places
    return ", ".join((first, *(place.removeprefix("Period ") for place in others)))


def _described(offer: Offer, r: Rendition) -> str:
    size = f"{r.width}x{r.height}" if r.height else ""
    spoken = "" if r.language == language.UNDETERMINED else r.language
    words = (r.type, f"id={offer.element.get('id')}", size, r.bandwidth, *r.codecs, spoken)
    return " ".join(str(word) for word in words if word)[:500]
