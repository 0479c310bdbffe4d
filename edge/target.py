"""What a request target asks for: decoded once, checked once, and used in this one form everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from config.contracts import paths
from edge.errors import BadPath

_MAX_TARGET_CHARS = 8000
# Encoded '/', '\', '%' and controls would mean one path to us and another to someone else.
_AMBIGUOUS = re.compile(r"%(?:2[fF]|5[cC]|25|[01][0-9A-Fa-f]|7[fF])|%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``/[t/{token}/]{origin}/{path…}``."""

    token: str | None
    origin: str
    path: str  # inside the origin, without a leading slash; '' for the origin itself

    @property
    def scope(self) -> str:
        """The path as grants name it."""
        return f"/{self.origin}/{self.path}"


def parse_target(raw: str) -> Target:
    """Read the raw request target, origin-form or absolute-form (RFC 9112 section 3.2), or raise ``BadPath``."""
    if len(raw) > _MAX_TARGET_CHARS:
        raise BadPath("The address is too long.")
    path = _path_of(raw)
    token = None
    if path.startswith("t/"):
        token, slash, path = path[2:].partition("/")
        if not slash:
            raise BadPath("After the token a path must follow.")
    if _AMBIGUOUS.search(path):
        raise BadPath
    try:
        decoded = unquote(path, errors="strict") if "%" in path else path
        origin, _, rest = paths.checked_path(decoded).partition("/")
    except (paths.BadPath, UnicodeDecodeError) as error:
        raise BadPath from error
    return Target(token=token, origin=origin, path=rest)


def _path_of(raw: str) -> str:
    raw = raw.partition("?")[0]
    if raw[:7].lower() == "http://" or raw[:8].lower() == "https://":
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    if not raw.startswith("/"):
        raise BadPath
    return raw[1:]
