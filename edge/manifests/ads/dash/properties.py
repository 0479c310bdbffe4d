"""What one Period says about another: references that go, or mean nothing, when that one goes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.manifests.dash.removal import without
from edge.manifests.dash.scan import Document, Element
from edge.manifests.edits import Edit

_CONTINUITY = "urn:mpeg:dash:period-continuity:"
_CONNECTIVITY = "urn:mpeg:dash:period-connectivity:"
_MARK = b"period-con"
_REFERENCE_ID = re.compile(rb"""\srefId\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
_REFERENCE = re.compile(rb"""\sref\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
_WHY = "the Period that it names went or was cut"


def stale(
    period: Element,
    gone: frozenset[str],
    cut: frozenset[str],
    *,
    cut_off: bool = False,
    keep_ids: bool = True,
) -> Iterator[Edit]:
    """Edits that take from a Period what is no longer true of it.

    ``gone`` and ``cut`` are ids of Periods; ``cut_off``: what came before the beginning of this one went;
    ``keep_ids``: no copy of this Period stands before it.
    """
    data = period.document.data
    if data.find(_MARK, period.start, period.stop) >= 0:
        for adaptation in period.named("AdaptationSet"):
            for child in adaptation.named("SupplementalProperty", "EssentialProperty"):
                scheme, named = child.get("schemeIdUri") or "", (child.get("value") or "").strip()
                continues = scheme.startswith(_CONTINUITY)
                if (
                    ((continues or scheme.startswith(_CONNECTIVITY)) and named in gone)
                    or (continues and named in cut)
                    or (continues and cut_off)
                ):
                    yield without(child, where=child.tag, why=_WHY)
    if not keep_ids:
        for match in _REFERENCE_ID.finditer(data, period.start, period.stop):
            why = "an id stands once"
            yield Edit(start=match.start(), stop=match.end(), text=b"", where="refId", why=why)


class References:
    """Which Periods say the content protection of others (ContentProtection@ref)."""

    def __init__(self, document: Document) -> None:
        self._data = data = document.data
        self._places: dict[bytes, tuple[int, int]] = {}
        if b"refId" not in data:
            return
        for match in _REFERENCE.finditer(data):
            value = match[1] if match[1] is not None else match[2]
            first = self._places.get(value, (match.start(), 0))[0]
            self._places[value] = (first, match.start())

    def lead_to(self, period: Element) -> bool:
        """Whether something outside of a Period refers into it."""
        if not self._places:
            return False
        for match in _REFERENCE_ID.finditer(self._data, period.start, period.stop):
            value = match[1] if match[1] is not None else match[2]
            first, last = self._places.get(value, (period.start, period.start))
            if first < period.start or last >= period.stop:
                return True
        return False
