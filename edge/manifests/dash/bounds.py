"""The smallest and largest values that an AdaptationSet states of its Representations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edge.manifests.dash.offer import rate, whole
from edge.manifests.dash.removal import set_attribute
from edge.manifests.dash.scan import Element
from edge.manifests.edits import Edit

_Number = Callable[[str | None], float | None]
# ISO/IEC 23009-1 section 5.3.3.2, attribute of the AdaptationSet -> that of its Representations.
_BOUNDS: tuple[tuple[str, str, _Number], ...] = (
    ("Width", "width", whole),
    ("Height", "height", whole),
    ("Bandwidth", "bandwidth", whole),
    ("FrameRate", "frameRate", rate),
)


def corrected_bounds(holder: Element, left: Sequence[Element], *, where: str) -> Iterator[Edit]:
    """``@maxWidth`` and its like are made true again, where every Representation that is left states its value."""
    for suffix, name, number in _BOUNDS:
        inherited = holder.get(name)
        texts = [text for e in left if (text := e.get(name) or inherited) is not None]
        values = [(value, text) for text in texts if (value := number(text)) is not None]
        if not values or len(values) < len(left):
            continue
        for bound, (value, text) in (("min", min(values)), ("max", max(values))):
            stated = holder.get(bound + suffix)
            if stated is not None and number(stated) != value:
                why = "Representations went"
                yield set_attribute(holder, bound + suffix, text, where=where, why=why)
