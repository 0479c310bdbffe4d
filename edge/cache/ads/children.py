"""The renditions of a multivariant playlist, as viewers ask for them."""

from __future__ import annotations

from edge.cache.ads.treated import Rendition
from edge.errors import EdgeError
from edge.manifests.pipeline import Produced
from edge.manifests.places import Kind
from edge.manifests.uris import resolve
from edge.origin.carried.names import kept_as
from edge.query import parse_query

_EDGE = "http://edge.invalid/"
_VARIANT = b"#EXT-X-STREAM-INF"


def children_of(produced: Produced, document: str) -> tuple[Rendition, ...]:
    """What a multivariant playlist names, which players find at ``document``; the first variant comes first."""
    if _VARIANT not in produced.output:
        return ()
    found: list[Rendition] = []
    first: int | None = None
    for place in produced.places():
        if place.kind is not Kind.CHILD_PLAYLIST:
            continue
        reference = produced.output[place.start : place.stop].decode("utf-8", "replace")
        child = _rendition(resolve(_EDGE + document, reference))
        if child is None:
            continue
        # Of all URIs only those of EXT-X-STREAM-INF have a line of their own.
        if first is None and produced.output[place.start - 1 : place.start] in (b"\n", b"\r"):
            first = len(found)
        found.append(child)
    if first is None:
        return ()
    return (found[first], *(child for n, child in enumerate(found) if n != first))


def _rendition(url: str) -> Rendition | None:
    if not url.startswith(_EDGE):
        return None
    path, _, query = url.removeprefix(_EDGE).partition("#")[0].partition("?")
    try:
        return Rendition(*kept_as(path), parse_query(query).rest)
    except EdgeError:
        return None
