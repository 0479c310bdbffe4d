"""URI references: resolved as RFC 3986 section 5 says, without changing a byte that need not change."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

# RFC 3986 appendix B, with the scheme as section 3.1 spells it: '1:2.ts' and '$Number$:1' have none.
_PARTS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}

Unlisted = Literal["refuse", "leave", "carry"]


class Parts(NamedTuple):
    """The five components; ``None`` is 'not there', which differs from empty (RFC 3986 section 5.3)."""

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    def __str__(self) -> str:
        return (
            ("" if self.scheme is None else f"{self.scheme}:")
            + ("" if self.authority is None else f"//{self.authority}")
            + self.path
            + ("" if self.query is None else f"?{self.query}")
            + ("" if self.fragment is None else f"#{self.fragment}")
        )


def split(reference: str) -> Parts:
    """The components of any reference; what has no valid scheme is a path."""
    match = _PARTS.match(reference)
    assert match is not None  # noqa: S101 - the expression matches every string
    return Parts(*match.groups())


_split_base = lru_cache(maxsize=64)(split)  # one base has many references


def resolve(base: str, reference: str) -> str:
    """The target of ``reference`` in a document at ``base`` (RFC 3986 section 5.2.2, strict)."""
    return str(resolve_parts(base, split(reference)))


def resolve_parts(base: str, r: Parts) -> Parts:
    """The same for components."""
    if r.scheme is not None:
        return Parts(r.scheme, r.authority, remove_dots(r.path), r.query, r.fragment)
    b = _split_base(base)
    if r.authority is not None:
        return Parts(b.scheme, r.authority, remove_dots(r.path), r.query, r.fragment)
    if not r.path:
        query = b.query if r.query is None else r.query
        return Parts(b.scheme, b.authority, b.path, query, r.fragment)
    path = r.path if r.path.startswith("/") else _merge(b, r.path)
    return Parts(b.scheme, b.authority, remove_dots(path), r.query, r.fragment)


def remove_dots(path: str) -> str:
    """``path`` without '.' and '..' segments (RFC 3986 section 5.2.4)."""
    if "." not in path:
        return path
    output: list[str] = []
    segments = path.split("/")
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if segment == ".":
            if index == last:
                output.append("")
        elif segment == "..":
            if len(output) > 1 or (output and output[0] != ""):
                output.pop()
            if index == last:
                output.append("")
        else:
            output.append(segment)
    return "/".join(output) if output != [""] or not path.startswith("/") else "/"


def _merge(base: Parts, path: str) -> str:
    if base.authority is not None and not base.path:
        return "/" + path
    return base.path[: base.path.rfind("/") + 1] + path


def relative(document: str, target: str) -> str:
    """A reference that leads from the path ``document`` to ``target``, both starting with a slash.

    ``target`` may carry a query. The paths share no token or filter: those stand above both.
    """
    path, mark, query = target.partition("?")
    here, there = document.split("/")[:-1], path.split("/")
    shared = 0
    while shared < min(len(here), len(there) - 1) and here[shared] == there[shared]:
        shared += 1
    steps = [".."] * (len(here) - shared) + there[shared:]
    reference = "/".join(steps)
    # RFC 3986 section 4.2: a first segment with a colon would be read as a scheme; an empty one as the document.
    if not reference or ":" in steps[0] or reference.startswith("/"):
        reference = "./" + reference
    return reference + mark + query


def explicit(reference: str) -> str:
    """A relative reference with a dot in front, which nobody takes for a scheme, a comment or nothing."""
    if reference.startswith(("./", "../")) or is_absolute(reference):
        return reference
    return "./" + reference


def is_absolute(reference: str) -> bool:
    """Whether a reference names a scheme or a host."""
    parts = split(reference)
    return parts.scheme is not None or parts.authority is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Where a URL lies behind the edge: ``/{origin}/{path}[?query]``."""

    origin: str
    target: str


@dataclass(frozen=True, slots=True)
class OriginMap:
    """Which URLs belong to which origin: the longest base wins."""

    bases: tuple[tuple[str, str], ...]  # (name, URL that its paths are relative to)

    def locate(self, url: str) -> Mapped | None:
        """Where an absolute URL (without fragment) lies behind the edge, or ``None`` if no origin covers it."""
        return self.locate_parts(split(url))

    def locate_parts(self, parts: Parts) -> Mapped | None:
        """The same for components; a fragment is left out."""
        server = _server(parts.scheme, parts.authority)
        path = parts.path or "/"
        for name, known, prefix in _by_length(self.bases):
            if known == server and path.startswith(prefix):
                query = "" if parts.query is None else f"?{parts.query}"
                return Mapped(origin=name, target=f"/{name}/{path[len(prefix) :]}{query}")
        return None


@lru_cache(maxsize=64)
def _by_length(
    bases: tuple[tuple[str, str], ...],
) -> tuple[tuple[str, tuple[str, str, str], str], ...]:
    """Name, server and path of every base, the longest path first."""
    prepared = []
    for name, base in bases:
        parts = split(base)
        path = parts.path if parts.path.endswith("/") else parts.path + "/"
        prepared.append((name, _server(parts.scheme, parts.authority), path))
    return tuple(sorted(prepared, key=lambda item: len(item[2]), reverse=True))


@lru_cache(maxsize=64)
def _server(scheme: str | None, authority: str | None) -> tuple[str, str, str]:
    """Scheme, host and port in one spelling (RFC 3986 section 6.2.3); userinfo never matches."""
    scheme = (scheme or "").lower()
    host, _, port = _host_and_port(authority or "")
    if host.startswith("["):
        with contextlib.suppress(ValueError):
            host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    return scheme, host.lower(), port or _DEFAULT_PORTS.get(scheme, "")


def _host_and_port(authority: str) -> tuple[str, str, str]:
    if authority.startswith("["):
        host, _, port = authority.partition("]")
        return host + "]", ":", port.removeprefix(":")
    host, colon, port = authority.rpartition(":")
    return (host, colon, port) if colon else (authority, "", "")
