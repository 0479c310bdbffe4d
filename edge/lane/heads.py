"""Request heads that ask for nothing but the plain file."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import HttpVersion, HttpVersion11, hdrs

from edge.handlers.strict import is_host

# Fields that never change an answer. Every other field, known or not, takes the request the ordinary way.
_IDLE = frozenset(
    {
        "accept",
        "accept-language",
        "dnt",
        "forwarded",
        "icy-metadata",
        "keep-alive",
        "origin",
        "priority",
        "referer",
        "save-data",
        "upgrade-insecure-requests",
        "user-agent",
        "x-playback-session-id",
    }
)
_IDLE_PREFIXES = ("sec-", "cmcd-", "x-forwarded-")
# What a browser wants to know before it asks a server of another site (Fetch standard, section 3.3.5).
_ASKED_BEFORE = _IDLE | {"access-control-request-headers", "access-control-request-method"}
# What says something else in each request, or of each viewer behind a proxy: not worth the room of what comes again.
_CHANGING = (b"\r\ncmcd-", b"\r\nforwarded:", b"\r\nx-forwarded-")
_LONGEST_CODINGS = 128
_LONGEST_HEAD = 2048
_MOST_FIELDS = 64  # far from where the parser ends, since CMCD's fields come on top


def codings_of(
    method: str, version: HttpVersion, headers: Mapping[str, str], *, should_close: bool
) -> str | None:
    """What a plain GET accepts as content codings; ``None`` if the request is not a plain GET."""
    if method != hdrs.METH_GET or version != HttpVersion11 or should_close:
        return None
    return _codings(headers, _IDLE)


def is_preflight(
    method: str, version: HttpVersion, headers: Mapping[str, str], *, should_close: bool
) -> bool:
    """Whether a browser asks what it may ask, and nothing else."""
    if method != hdrs.METH_OPTIONS or version != HttpVersion11 or should_close:
        return False
    return _codings(headers, _ASKED_BEFORE) is not None


def _codings(headers: Mapping[str, str], idle: frozenset[str]) -> str | None:
    host: str | None = None
    codings: str | None = None
    for name, value in headers.items():
        lower = name.lower()
        # Two fields of one name are for the ordinary way to read.
        if lower == "host":
            if host is not None:
                return None
            host = value
        elif lower == "accept-encoding":
            if codings is not None or len(value) > _LONGEST_CODINGS:
                return None
            codings = value
        elif lower == "connection":
            if value.lower() != "keep-alive":
                return None
        elif lower not in idle and not lower.startswith(_IDLE_PREFIXES):
            return None
    return None if host is None or not is_host(host) else codings or ""


class Heads:
    """What follows the target in heads that were found plain, by its exact bytes; bounded, oldest out first.

    The bytes begin with the space before ``HTTP/1.1`` and end with the empty line. A parser has read the same
    bytes before, so it need not read them again. CMCD's fields, which say something else each time, are not among them.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.known: dict[bytes, str] = {}

    def remember(self, head: bytes, codings: str) -> None:
        """Keep what was found out about ``head``."""
        if len(head) > _LONGEST_HEAD or head in self.known or head.count(b"\r\n") > _MOST_FIELDS:
            return
        lower = head.lower()
        if any(mark in lower for mark in _CHANGING):
            return
        self.known[head] = codings
        if len(self.known) > self._capacity:
            del self.known[next(iter(self.known))]
