"""The Cache-Status field, RFC 9211."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Literal

from edge.structured_fields import BareItem, Item, Token, write_list

Forwarded = Literal[
    "bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"
]

_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")


def cache_status(
    *,
    hit: bool,
    fwd: Forwarded | None = None,
    fwd_status: int | None = None,
    ttl: float | None = None,
    stored: bool = False,
    collapsed: bool = False,
    detail: str | None = None,
    name: str = "kawa",
) -> str:
    """This cache's member of the field; a hit was not forwarded, so with ``hit`` the words about that are left out."""
    seconds = None if ttl is None else math.floor(ttl)  # negative: stale
    return _written(hit, fwd, fwd_status, seconds, stored, collapsed, detail, name)


@lru_cache(maxsize=512)
def _written(
    hit: bool,
    fwd: Forwarded | None,
    fwd_status: int | None,
    ttl: int | None,
    stored: bool,
    collapsed: bool,
    detail: str | None,
    name: str,
) -> str:
    parameters: dict[str, BareItem] = {}
    if hit:
        parameters["hit"] = True
    elif fwd is not None:
        parameters["fwd"] = Token(fwd)
        if fwd_status is not None:
            parameters["fwd-status"] = fwd_status
    if ttl is not None:
        parameters["ttl"] = ttl
    if stored and not hit:
        parameters["stored"] = True
    if collapsed and not hit:
        parameters["collapsed"] = True
    if detail is not None:
        parameters["detail"] = _word(detail)
    return write_list([Item(_word(name), parameters)])


def appended(earlier: str | None, own: str) -> str:
    """The field with this cache's member after those of caches nearer to the origin."""
    return f"{earlier}, {own}" if earlier else own


def _word(text: str) -> BareItem:
    return Token(text) if _TOKEN.fullmatch(text) else text
