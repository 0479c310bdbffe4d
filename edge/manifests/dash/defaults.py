"""Which AdaptationSet plays by default: Role 'main' and the highest selectionPriority."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge.manifests.dash.offer import ROLE, is_main, roles
from edge.manifests.dash.removal import indentation, set_attribute
from edge.manifests.dash.scan import Element
from edge.manifests.edits import Edit

# ISO/IEC 23009-1 section 5.3.3.3: what stands in front of Role.
_BEFORE_ROLE = frozenset(
    {
        "FramePacking",
        "AudioChannelConfiguration",
        "ContentProtection",
        "OutputProtection",
        "EssentialProperty",
        "SupplementalProperty",
        "InbandEventStream",
        "Switching",
        "RandomAccess",
        "GroupLabel",
        "Label",
        "ProducerReferenceTime",
        "ContentPopularityRate",
        "Resync",
        "Accessibility",
        "Role",
    }
)


def made_default(
    chosen: Sequence[Element], others: Iterable[Element], *, where: str, why: str
) -> Iterator[Edit]:
    """``chosen`` are the AdaptationSets of one language; the first is the main one unless another already is."""
    highest = 1
    for element in others:
        highest = max(highest, _priority(element))
        yield from not_main(element, where=where, why=why)
    mains = [element for element in chosen if is_main(element)]
    if not mains:
        mains = list(chosen[:1])
        yield from _main(mains[0], where=where, why=why)
    for element in mains:
        if _priority(element) <= highest:
            value = str(highest + 1)
            yield set_attribute(element, "selectionPriority", value, where=where, why=why)


def not_main(element: Element, *, where: str, why: str) -> Iterator[Edit]:
    """An AdaptationSet that was main becomes an alternative."""
    for role in roles(element):
        if (role.get("value") or "").strip() == "main":
            yield set_attribute(role, "value", "alternate", where=f"{where} Role", why=why)


def _main(element: Element, *, where: str, why: str) -> Iterator[Edit]:
    first = next(iter(element.children), None)
    if first is None:
        return  # an element without content has no place for another
    prefix = f"{element.prefix}:" if element.prefix else ""
    text = f'<{prefix}Role schemeIdUri="{ROLE}" value="main"/>'.encode()
    anchor: Element | None = None
    for child in element.children:
        if child.name not in _BEFORE_ROLE:
            break
        anchor = child
    if anchor is None:
        start, text = first.start, text + indentation(first)
    else:
        start, text = anchor.stop, indentation(anchor) + text
    yield Edit(start=start, stop=start, text=text, where=f"{where} Role", why=why)


def _priority(element: Element) -> int:
    text = (element.get("selectionPriority") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
