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
_STANDARD = bytes.maketrans(b"-_", b"+/")
# Of the last character of a text that is no multiple of four long, bits are left over: they are zero, or else there
# would be several texts for the same bytes (RFC 4648 section 3.5).
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def base64url(text: str) -> bytes:
    """RFC 4648 section 5 without padding, canonical: no other text decodes to the same bytes."""
    over = len(text) % 4
    if not _BASE64URL.match(text) or over == 1 or (over and text[-1] not in _LAST[over]):
        raise TokenMalformed
    padding = b"=" * (4 - over) if over else b""
    try:
        return binascii.a2b_base64(text.encode().translate(_STANDARD) + padding)
    except (binascii.Error, ValueError) as error:
        raise TokenMalformed from error


def to_base64url(data: bytes) -> str:
    """RFC 4648 section 5 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259) whose names are unique (RFC 7519 section 4), of bounded depth, without NaN."""
    # Brackets within texts count too: where there are few of them nothing can be deep.
    if data.count(b"[") + data.count(b"{") > MAX_JSON_DEPTH and _depth(data) > MAX_JSON_DEPTH:
        raise TokenBadClaims
    try:
        value = _JSON.decode(data.decode())
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


# UTF-8 and nothing else (RFC 8259 section 8.1): json.loads would guess the encoding of bytes.
_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
