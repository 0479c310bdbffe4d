"""What a request target asks for: decoded once, checked once, and used in this one form everywhere."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, unquote_to_bytes

from config.contracts.grants import Grant
from edge.errors import BadPath
from edge.origin.carried.names import MARK, Carried, read_carried

MAX_TARGET_CHARS = 8000
# RFC 3986 section 3.3: pchar, '/' and percent-encoding; '[' and ']' are seen in the wild.
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/\[\]-]|%[0-9A-Fa-f]{2})*\Z")
# Encoded '/', '\\' and controls would mean one path to us and another to the origin.
_AMBIGUOUS = re.compile(r"%(?:2[fF]|5[cC]|[01][0-9A-Fa-f]|7[fF])")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PACKAGE = ";URISigningPackage="
_DOTS = frozenset({".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``/[t/{token}/][f/{filter}/]{origin}/{path…}[?query]``; for ``{origin}`` also ``x/…``, a carried host."""

    token: str | None
    filter: str | None
    origin: str
    path: str  # inside the origin, without a leading slash; percent-encoded only where it must be
    query: str  # as it was sent
    rest: str = field(default="", compare=False)  # what stands behind the token, as it was sent
    package: str | None = None  # a token in a path parameter (RFC 9246 section 2)
    carried: Carried | None = None  # what the origin's place is taken by

    @property
    def scope(self) -> str:
        """The path as grants name it."""
        return f"/{self.origin}/{self.path}"

    def is_covered_by(self, grant: Grant) -> bool:
        """Whether the grant's prefixes cover it; its rules and times are not looked at."""
        if self.carried is None:
            return grant.covers(self.scope)
        # No token names a carried host: whoever may have something of the origin may have what it leads to.
        via = f"/{self.carried.host.via}/"
        return grant.covers(via) or any(prefix.startswith(via) for prefix in grant.path_prefixes)


@lru_cache(maxsize=256)
def parse_target(raw: str) -> Target:
    """Read the raw request target, origin-form or absolute-form (RFC 9112 section 3.2), or raise ``BadPath``."""
    if len(raw) > MAX_TARGET_CHARS:
        raise BadPath("The address is too long.")
    plain = origin_form(raw)
    path, _, query = plain.partition("?")
    token, path = _leading(path[1:], "t/", "token")
    rest_as_sent = plain if token is None else plain[len("/t/") + len(token) :]
    package, path = _parameter(path)
    words, path = _leading(path, "f/", "filter")
    if not _PATH.match(path) or _AMBIGUOUS.search(path):
        raise BadPath
    origin, _, rest = _normal(path).partition("/")
    carried = None
    if origin == MARK:
        carried, rest = read_carried(rest)
        origin = carried.mount
    return Target(
        token=token,
        filter=words,
        origin=origin,
        path=rest,
        query=query,
        rest=rest_as_sent,
        package=package,
        carried=carried,
    )


def origin_form(raw: str) -> str:
    """The request target without scheme and host, which are not the client's to choose; or ``BadPath``."""
    if raw[:7].lower() == "http://" or raw[:8].lower() == "https://":
        authority, _, path = raw.partition("://")[2].partition("/")
        if "?" in authority:
            raise BadPath  # a query without a path, whose slashes begin none
        raw = "/" + path
    if not raw.startswith("/"):
        raise BadPath
    return raw


def _leading(path: str, mark: str, name: str) -> tuple[str | None, str]:
    if not path.startswith(mark):
        return None, path
    value, slash, rest = path[len(mark) :].partition("/")
    if not slash:
        raise BadPath(f"After the {name} a path must follow.")
    return value, rest


def _parameter(path: str) -> tuple[str | None, str]:
    """A path-style parameter of RFC 9246, taken out of the segment that it stands in."""
    if _PACKAGE not in path:
        return None, path
    before, _, after = path.partition(_PACKAGE)
    end = min((after + ";").find(";"), (after + "/").find("/"))
    if _PACKAGE in after:
        raise BadPath  # of two neither counts, and neither goes on to an origin
    return after[:end], before + after[end:]


def _normal(path: str) -> str:
    """One spelling (RFC 3986 section 6.2.2): only what must be encoded is; nothing in it climbs."""
    if "%" in path:
        path = _ENCODED.sub(_respelt, path)
        try:
            unquote_to_bytes(path).decode()
        except UnicodeDecodeError as error:
            raise BadPath from error
    if "." in path or "%" in path:
        for segment in path.split("/"):
            # What is after ';' is a parameter to some servers, and full-width dots are dots to others.
            plain = unicodedata.normalize("NFKC", unquote(unquote(segment.partition(";")[0])))
            if plain in _DOTS or "/" in plain or "\\" in plain or not plain.isprintable():
                raise BadPath
    return path


def _respelt(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()
