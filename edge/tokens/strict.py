"""Decoding that takes one spelling of everything and refuses the rest."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from edge.errors import TokenBadClaims, TokenMalformed

MAX_JSON_DEPTH = 16

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def base64url(text: str) -> bytes:
    """RFC 4648 section 5 without padding, canonical: no other text decodes to the same bytes."""
    if not _BASE64URL.match(text) or len(text) % 4 == 1:
        raise TokenMalformed
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenMalformed from error
    if to_base64url(decoded) != text:
        raise TokenMalformed
    return decoded


def to_base64url(data: bytes) -> str:
    """RFC 4648 section 5 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259) whose names are unique (RFC 7519 section 4), of bounded depth, without NaN."""
    if _depth(data) > MAX_JSON_DEPTH:
        raise TokenBadClaims
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TokenBadClaims from error
    if not isinstance(value, dict):
        raise TokenBadClaims
    return value


def _depth(data: bytes) -> int:
    depth = deepest = 0
    for match in _NESTING.finditer(data):
        if match[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
