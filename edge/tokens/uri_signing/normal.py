"""One spelling of a URI (RFC 9246 section 2.1.15: RFC 7230 section 2.7.3, RFC 3986 sections 6.2.2 and 6.2.3)."""

from __future__ import annotations

import re
from functools import lru_cache

_URI = re.compile(r"(https?)://([^/?#]*)([^?#]*)(.*)\Z", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(
    r"(?P<user>[^@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@\[\]]+)(?::(?P<port>\d*))?\Z"
)
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class NotAUri(ValueError):
    """It is no absolute http or https URI."""


def normal_uri(uri: str) -> str:
    """The spelling that all equivalent ones share, or ``NotAUri``."""
    match = _URI.match(uri)
    if match is None or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise NotAUri
    scheme, authority, path, rest = match.groups()
    path = _respelt(path)
    if "/." in path:
        path = _without_dots(path)
    return f"{_normal_base(scheme.lower(), authority)}{path or '/'}{_respelt(rest)}"


@lru_cache(maxsize=64)  # an edge has one
def _normal_base(scheme: str, authority: str) -> str:
    match = _AUTHORITY.match(authority)
    if match is None:
        raise NotAUri
    # The case of what is still encoded does not follow the host's (RFC 3986 section 6.2.2.1).
    host = _ENCODED.sub(lambda found: found[0].upper(), _respelt(match["host"]).lower())
    port = match["port"] or ""
    suffix = f":{port}" if port not in ("", _DEFAULT_PORTS[scheme]) else ""
    return f"{scheme}://{_respelt(match['user'] or '')}{host}{suffix}"


def _respelt(text: str) -> str:
    """Encoded only where it must be, in upper case (RFC 3986 sections 6.2.2.1 and 6.2.2.2)."""
    return _ENCODED.sub(_character, text) if "%" in text else text


def _character(match: re.Match[str]) -> str:
    if match[1] is None:
        raise NotAUri
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4, for a path that starts with '/'."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if path.endswith(("/.", "/..")):
        kept.append("")
    return "/" + "/".join(kept)
