"""EXT-X-RENDITION-REPORT in the numbers that players of the other renditions have (RFC 8216bis section 4.4.5.4)."""

from __future__ import annotations

from collections.abc import Mapping

from edge.cache.ads.looking import Look
from edge.cache.ads.treated import Version
from edge.manifests.ads.hls.numbers import report
from edge.manifests.ads.hls.record import Group
from edge.manifests.hls.blocking import whole_of
from edge.manifests.uris import resolve

_EDGE = "http://edge.invalid/"
_TAG = "EXT-X-RENDITION-REPORT"
_MOST = 64  # those beyond are dropped


def reports_of(look: Look, group: Group) -> Mapping[str, tuple[int, int | None] | None]:
    """What each report of a playlist has to say; ``None`` for one that nobody can translate."""
    found: dict[str, tuple[int, int | None] | None] = {}
    for number, tag in enumerate(look.segments.tags(_TAG)):
        attributes = look.segments.attributes(tag)
        if "URI" not in attributes:
            continue
        uri = attributes["URI"].value
        name, last = name_of(look.version, uri), attributes.get("LAST-MSN")
        if number >= _MOST or name is None or last is None:
            found[uri] = None
            continue
        part = attributes.get("LAST-PART")
        found[uri] = report(
            group, name, whole_of(last.value), None if part is None else whole_of(part.value)
        )
    return found


def name_of(version: Version, uri: str) -> str | None:
    """What the playlist at a URI is called within its origin; ``None`` for one that lies elsewhere."""
    path = version.rendition.path
    own = (version.base or "").partition("?")[0]
    root = own.removesuffix(path) if own.endswith(path) else None
    target = resolve(_EDGE + path, uri)
    for start in (_EDGE, root):
        if start and target.startswith(start):
            return target.removeprefix(start).partition("#")[0]
    return None
