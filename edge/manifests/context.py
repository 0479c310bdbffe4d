"""Where a manifest comes from, where its reader stands, and how one URI in it is rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from edge.manifests.edits import Edit
from edge.manifests.errors import BadReference, UnlistedHost
from edge.manifests.places import Place
from edge.manifests.uris import (
    OriginMap,
    Parts,
    Unlisted,
    is_absolute,
    relative,
    resolve_parts,
    split,
)

_NOTHING: Mapping[str, str] = MappingProxyType({})
_FETCHED = frozenset({"http", "https"})
# What the URL standard of browsers removes or reads as a slash; in a manifest it can only mislead one of two readers.
_MISLEADING = re.compile(r"^[\x00-\x20]|[\t\r\n]|^[^?#]*\\")
# The greater part of all references; what has '..' in it is looked at more closely.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_./=@~+-]*(?:\?[!-\[\]-~]*)?\Z")
_ENCODED_DOT = re.compile(r"(?<![^/])(?:\.|%2e){1,2}(?![^/])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Context:
    """One manifest's place in the world of its origin and in that of the player."""

    base: (
        str | None
    )  # absolute URL where the source stands, after redirects; None: nothing is rewritten
    origins: OriginMap
    origin: str  # the player's document stands at /{origin}/{path}
    path: str
    unlisted: Unlisted = "refuse"
    carry: Callable[[str], str] | None = None  # absolute URL -> '/x/...' that the edge can verify
    by_host: bool = (
        False  # ``carry`` signs hosts, so that a folder's path holds for all that is below it
    )
    query: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # of the player's URL
    defines: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # IMPORTed variables

    @cached_property
    def document(self) -> str:
        """The path of the player's document, without what stands above it."""
        return f"/{self.origin}/{self.path}"

    @cached_property
    def home(self) -> str:
        """What relative references of the source resolve against, in the player's world; '' if not reachable."""
        if self.base is None:
            return ""
        parts = split(self.base)
        own = OriginMap(tuple(pair for pair in self.origins.bases if pair[0] == self.origin))
        mapped = own.locate_parts(parts._replace(query=None))
        return "" if mapped is None else mapped.target

    @cached_property
    def in_step(self) -> bool:
        """Whether the player's folder is the source's folder, so that plain relative references mean the same."""
        home = self.home
        return bool(home) and _folder(home) == _folder(self.document)


class Rewritten:
    """A manifest for players, and what was done to it.

    The edits and places may be worked out when somebody asks for them: players do not.
    """

    def __init__(
        self,
        *,
        output: bytes,
        edits: tuple[Edit, ...] = (),
        places: tuple[Place, ...] = (),
        warnings: tuple[str, ...] = (),
        details: Callable[[], tuple[tuple[Edit, ...], tuple[Place, ...]]] | None = None,
    ) -> None:
        self.output = output
        self.warnings = warnings
        self._known = (edits, places)
        self._details = details

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What differs from the input, by position in the input."""
        return self._all()[0]

    @property
    def places(self) -> tuple[Place, ...]:
        """The URIs that a player asks this edge for, by position in the output."""
        return self._all()[1]

    def _all(self) -> tuple[tuple[Edit, ...], tuple[Place, ...]]:
        if self._details is not None:
            self._known = self._details()
            self._details = None
        return self._known


def rewrite_uri(reference: str, context: Context, base: str | None = None) -> str | None:
    """The reference a player needs instead, or ``None`` when this one already leads there.

    ``base`` is what the reference is relative to when that is not the document (a BaseURL).
    """
    start = base if base is not None else context.base
    if start is None:
        return None
    if base is None and context.in_step and ".." not in reference and _PLAIN.match(reference):
        return None
    rewritten = _rewrite(reference, context, start, left=base is None)
    return None if rewritten == reference else rewritten


def is_fetched(reference: str) -> bool:
    """Whether a player would ask an HTTP server for this; ``skd:``, ``data:``, ``urn:`` and the like are not."""
    scheme = split(reference).scheme
    return scheme is None or scheme.lower() in _FETCHED


def leads_to_edge(reference: str) -> bool:
    """Whether a reference in the output is answered by this edge: relative ones are, absolute ones are not."""
    return not is_absolute(reference)


def _rewrite(reference: str, context: Context, base: str, *, left: bool) -> str | None:
    parts = split(reference)
    if parts.scheme is not None and parts.scheme.lower() not in _FETCHED:
        return None
    if _MISLEADING.search(reference):
        raise BadReference(f"control characters or backslashes in {reference[:200]!r}")
    if parts.scheme is not None and not parts.authority:
        raise BadReference(f"no host in {reference[:200]!r}")
    if "%2" in parts.path:  # browsers read %2e as a dot, so both readings must be the same
        parts = parts._replace(path=_plain_dots(parts.path))
    if left and _means_the_same(parts, context):
        return None
    target = resolve_parts(base, parts)
    fragment = "" if target.fragment is None else f"#{target.fragment}"
    mapped = context.origins.locate_parts(target)
    if mapped is not None:
        return relative(context.document, mapped.target) + fragment
    if context.unlisted == "leave":
        return str(target)
    if context.unlisted == "carry" and context.carry is not None:
        return (
            relative(context.document, context.carry(str(target._replace(fragment=None))))
            + fragment
        )
    raise UnlistedHost((target.authority or "").rpartition("@")[2])


def _means_the_same(parts: Parts, context: Context) -> bool:
    """Whether a reference leads the player to where it leads in the source: relative, and below the origin."""
    if parts.scheme is not None or parts.authority is not None or parts.path.startswith("/"):
        return False
    if not parts.path:
        return context.home == context.document
    return context.in_step and _stays(parts.path, context.path.count("/"))


def _stays(path: str, depth: int) -> bool:
    """Whether a relative path never climbs above ``depth`` folders."""
    if ".." not in path:
        return True
    for segment in path.split("/"):
        if segment == "..":
            depth -= 1
            if depth < 0:
                return False
        elif segment != ".":
            depth += 1
    return True


def _plain_dots(path: str) -> str:
    return _ENCODED_DOT.sub(lambda match: match[0].lower().replace("%2e", "."), path)


def _folder(path: str) -> str:
    return path[: path.rfind("/") + 1]
