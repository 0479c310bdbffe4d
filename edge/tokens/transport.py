"""Where a request may carry its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COOKIE = "kawa_token"


@dataclass(frozen=True, slots=True)
class CarriedToken:
    """A token, and whether it stands in the path, where children inherit it."""

    text: str
    in_path: bool


def find_token(
    *,
    path_token: str | None,
    query_token: str | None,
    headers: Mapping[str, str],
    cookies: Mapping[str, str],
) -> CarriedToken | None:
    """The request's token: of the path, else of the query, the Authorization header (RFC 6750), a cookie."""
    if path_token is not None:
        return CarriedToken(path_token, in_path=True)
    if query_token is not None:
        return CarriedToken(query_token, in_path=False)
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return CarriedToken(credentials.strip(), in_path=False)
    if COOKIE in cookies:
        return CarriedToken(cookies[COOKIE], in_path=False)
    return None
