"""Representation ids that would lead a template somewhere else than the template itself says.

``$RepresentationID$`` is filled in by the player. An id such as ``https://other.example`` or ``../..`` in front of a
template makes a URI of it that the edge has never judged, so such a document is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.manifests.context import is_fetched
from edge.manifests.errors import BadReference
from edge.manifests.uris import split

MARK = "$RepresentationID$"
# What nearly every id is made of, and what means nothing in a URI wherever it is put.
_HARMLESS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.,;=+~@-]*\Z")
_MISLEADING = re.compile(r"[\x00-\x20\x7f\\]")
_UP = re.compile(r"(?:\.|%2e){2}", re.IGNORECASE)


def is_harmless(identifier: str) -> bool:
    """Whether an id can be put anywhere into a template without a closer look."""
    return _HARMLESS.match(identifier) is not None


def check(template: str, identifiers: Iterable[str]) -> None:
    """Refuse ids with which a template has another host, begins elsewhere, or climbs."""
    plain = split(template.replace(MARK, "x"))
    climbs = _climbs(plain.path)
    for identifier in identifiers:
        text = template.replace(MARK, identifier)
        if not is_fetched(text):
            continue
        filled = split(text)
        same = (
            plain[:2] == filled[:2]
            and plain.path.startswith("/") == filled.path.startswith("/")
            and climbs == _climbs(filled.path)
            and not _MISLEADING.search(identifier)
        )
        if not same:
            raise BadReference(
                f"the Representation id {identifier[:100]!r} leads {template[:100]!r} elsewhere"
            )


def _climbs(path: str) -> int:
    return sum(_UP.fullmatch(segment) is not None for segment in path.split("/"))
