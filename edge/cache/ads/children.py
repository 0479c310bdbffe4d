"""The renditions of a multivariant playlist, as viewers ask for them."""

from __future__ import annotations

from edge.cache.ads.treated import Rendition
from edge.cache.references import referred
from edge.errors import EdgeError
from edge.manifests.pipeline import Produced
from edge.manifests.places import Kind
from edge.query import parse_query

_VARIANT = b"#EXT-X-STREAM-INF"


def children_of(produced: Produced, document: str) -> tuple[Rendition, ...]:
    """What a multivariant playlist names, which players find at ``document``; the first variant comes first."""
    if _VARIANT not in produced.output:
        return ()
    found: list[Rendition] = []
    first: int | None = None
    for child in referred(produced, document, (Kind.CHILD_PLAYLIST,)):
        try:
            rendition = Rendition(child.origin, child.path, parse_query(child.query).rest)
        except EdgeError:
            continue
        # Of all URIs only those of EXT-X-STREAM-INF have a line of their own.
        before = produced.output[child.place.start - 1 : child.place.start]
        if first is None and before in (b"\n", b"\r"):
            first = len(found)
        found.append(rendition)
    if first is None:
        return ()
    return (found[first], *(child for n, child in enumerate(found) if n != first))
