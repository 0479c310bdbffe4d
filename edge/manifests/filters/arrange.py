"""The order of what stays, and which audio or text plays when the viewer chooses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.manifests.filters import language
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.view import Rendition

OFF = "off"


def arranged(left: Sequence[Rendition], wanted: Filter) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The ids in output order, and the clauses of order that could not be met.

    Only what has a bandwidth changes places, and only among itself.
    """
    ids = [r.id for r in left]
    movable = [r for r in left if r.type in ("video", "audio") and r.bandwidth is not None]
    moved = list(movable)
    unmet: list[str] = []
    if wanted.order is not None:
        sign = 1 if wanted.order == "up" else -1
        moved.sort(key=lambda r: sign * (r.bandwidth or 0))
    if wanted.first is not None and movable:
        first = _first(moved, wanted.first)
        if first is None:
            unmet.append(f"first:{wanted.first}")
        else:
            moved.remove(first)
            moved.insert(0, first)
    places = {before.id: after.id for before, after in zip(movable, moved, strict=True)}
    return tuple(places.get(number, number) for number in ids), tuple(unmet)


def _first(candidates: Sequence[Rendition], wanted: str | int) -> Rendition | None:
    """The lowest, the highest, or the highest not above a height (else the lowest above); of equals the earliest."""
    pictures = [r for r in candidates if r.type == "video"] or list(candidates)
    if isinstance(wanted, str):
        pick = min if wanted == "low" else max
        return pick(pictures, key=lambda r: (r.height or 0, r.bandwidth or 0), default=None)
    stated = [(r.height, r) for r in pictures if r.height is not None]
    height = max(
        (height for height, _ in stated if height <= wanted),
        default=min((height for height, _ in stated), default=None),
    )
    return next((r for own, r in stated if own == height), None)


def preferred(candidates: Sequence[Rendition], ranges: Iterable[str]) -> int | None:
    """What plays by default: of the first language found, the rendition that is the default, else the earliest."""
    tags = {r.language or language.UNDETERMINED for r in candidates}
    for wanted in ranges:
        found = language.find(wanted, tags)
        if found:
            spoken = [r for r in candidates if (r.language or language.UNDETERMINED) in found]
            return next((r for r in spoken if r.default), spoken[0]).id
    return None
