"""What a rewritten manifest refers to, by the names that this edge knows documents by."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from edge.errors import EdgeError
from edge.manifests.pipeline import Produced
from edge.manifests.places import Kind, Place
from edge.manifests.uris import resolve
from edge.origin.carried.names import kept_as

_EDGE = "http://edge.invalid/"


class Referred(NamedTuple):
    """A document behind one URI of a manifest."""

    place: Place
    origin: str
    path: str
    query: str  # as it stands in the URI


def referred(produced: Produced, document: str, kinds: Collection[Kind]) -> Iterator[Referred]:
    """The documents of these kinds that lie behind this edge; players find the manifest at ``document``."""
    for place in produced.places():
        if place.kind not in kinds:
            continue
        reference = produced.output[place.start : place.stop].decode("utf-8", "replace")
        url = resolve(_EDGE + document, reference)
        if not url.startswith(_EDGE):
            continue
        path, _, query = url.removeprefix(_EDGE).partition("#")[0].partition("?")
        try:
            origin, path = kept_as(path)
        except EdgeError:
            continue  # an address that this edge would refuse
        yield Referred(place, origin, path, query)
