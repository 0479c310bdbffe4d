"""What segments are known by: the origin's name, path and query in the one spelling that requests have, and a place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.cache.ranges import Span
from edge.errors import BadDirective, BadPath
from edge.manifests.uris import Parts, resolve, split
from edge.query import parse_query
from edge.sessions.cmcd.cut import is_clean
from edge.target import parse_target

_EDGE = "http://edge.invalid"
_FOLDER = r"[A-Za-z0-9_~!$'()*+,=@-][A-Za-z0-9._~!$'()*+,=@-]*"
# Below the folder of its playlist, and spelt as a request for it would be.
_PLAIN = re.compile(rf"(?:\./)?((?:{_FOLDER}/)*{_FOLDER})\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, or some bytes of one."""

    name: str  # '{origin}/{path}[?query]'
    span: Span | None = None

    @property
    def key(self) -> str:
        return key_of(self.name, None if self.span is None else self.span.start)

    @property
    def origin(self) -> str:
        return self.name.partition("/")[0]

    @property
    def target(self) -> str:
        """Path and query inside the origin."""
        return self.name.partition("/")[2]

    @property
    def scope(self) -> str:
        """The path as grants name it."""
        return "/" + self.name.partition("?")[0]

    @property
    def range(self) -> str | None:
        """The Range field that asks for it."""
        return None if self.span is None else f"bytes={self.span.start}-{self.span.stop - 1}"


def key_of(name: str, start: int | None) -> str:
    """What a piece is found by: players ask for more or less than a playlist says, but from the same place on."""
    return name if start is None else f"{name}\n{start}"


def url_of(name: str) -> str:
    """An absolute URL that stands for ``name`` while references are resolved."""
    return f"{_EDGE}/{name}"


def at(url: str) -> str | None:
    """The name of what such a URL leads to; ``None``: not through the edge, or nothing that may be asked for."""
    if not url.startswith(_EDGE + "/"):
        return None
    return _named(split(url))


def in_manifest(document: str, reference: str) -> str | None:
    """The name of what ``reference`` means in the manifest called ``document``; ``None``: nothing of ours."""
    plain = _PLAIN.match(reference)
    if plain is not None:
        return document[: document.rfind("/") + 1] + plain[1]
    return None if "{$" in reference else at(resolve(url_of(document), reference))


def beside(name: str, reference: str) -> str | None:
    """The name of what a player calls ``reference`` when it asks for ``name``; ``None`` if it leaves the origin.

    The reference is a viewer's: it may climb to the top of the origin, and no further.
    """
    parts = split(reference)
    if parts.scheme is not None or parts.authority is not None or parts.fragment is not None:
        return None
    origin, _, path = name.partition("?")[0].partition("/")
    if not parts.path or parts.path.startswith("/"):
        return None
    folders = path.split("/")[:-1]
    for segment in parts.path.split("/"):
        if segment == "..":
            if not folders:
                return None
            folders.pop()
        elif segment != ".":
            folders.append(segment)
    return _named(Parts("", None, f"/{origin}/{'/'.join(folders)}", parts.query, None))


def _named(parts: Parts) -> str | None:
    if parts.query is not None and not is_clean(parts.query):
        return None
    query = "" if parts.query is None else f"?{parts.query}"
    try:
        target = parse_target(parts.path + query)
        rest = parse_query(target.query).rest
    except (BadPath, BadDirective):
        return None
    if target.token is not None or target.filter is not None or not target.path:
        return None
    return f"{target.scope[1:]}?{rest}" if rest else target.scope[1:]
