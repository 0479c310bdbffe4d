"""Where a request may carry its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.query import without_tokens

COOKIE = "kawa_token"
CAT = "CTA-Common-Access-Token"  # CTA-5007: a field, a cookie or a parameter of this name
PACKAGE = "URISigningPackage"  # RFC 9246 section 4: a cookie or a parameter

_COOKIES = (COOKIE, PACKAGE, CAT)
_MAX_COOKIE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class CarriedToken:
    """A token, and where it stands: in the path, children inherit it."""

    text: str
    place: Literal["path", "query", "field", "cookie"]
    name: str = ""  # of the cookie

    @property
    def in_path(self) -> bool:
        """Whether relative URIs inherit it."""
        return self.place == "path"


def find_token(
    *, path_token: str | None, query_token: str | None, headers: Mapping[str, str]
) -> CarriedToken | None:
    """The request's token: of the path, else of the query, a field (RFC 6750, CTA-5007), a cookie."""
    if path_token is not None:
        return CarriedToken(path_token, "path")
    if query_token is not None:
        return CarriedToken(query_token, "query")
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return CarriedToken(credentials.strip(), "field")
    if CAT in headers:
        return CarriedToken(headers[CAT].strip(), "field")
    cookies = cookies_of(headers)
    for name in _COOKIES:
        if name in cookies:
            return CarriedToken(cookies[name], "cookie", name)
    return None


def brings_token(path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Whether a request has a token elsewhere than in a cookie; ``path`` and ``query`` are as they were sent."""
    return (
        path.startswith("/t/")
        or f";{PACKAGE}=" in path
        or without_tokens(query) != query
        or find_token(path_token=None, query_token=None, headers=_without_cookies(headers))
        is not None
    )


def _without_cookies(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: headers[name] for name in ("Authorization", CAT) if name in headers}


def cookies_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The request's cookies; of several with one name the first, which has the longest path (RFC 6265 section 5.4)."""
    text = headers.get("Cookie", "")
    if not text or len(text) > _MAX_COOKIE_BYTES:
        return {}
    found: dict[str, str] = {}
    for item in text.split(";"):
        name, equals, value = item.strip().partition("=")
        if equals:
            found.setdefault(name, value.strip('"'))
    return found
