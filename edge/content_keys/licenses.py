"""ClearKey licences: the JSON of W3C Encrypted Media Extensions, sections 9.1.3 and 9.1.4."""

from __future__ import annotations

import json
from collections.abc import Mapping

from config.contracts.content_keys import KID_BYTES
from edge.errors import BadRequest, TokenBadClaims, TokenMalformed
from edge.tokens.strict import base64url, json_object, to_base64url

MAX_REQUEST_BYTES = 4096
MAX_KIDS = 32


def asked_kids(body: bytes) -> tuple[bytes, ...]:
    """The KIDs that a licence request names, each once; ``BadRequest`` if it is not one."""
    try:
        fields = json_object(body)
    except TokenBadClaims as error:
        raise BadRequest("The licence request is not a JSON object.") from error
    kids = fields.get("kids")
    if not isinstance(kids, list) or not 0 < len(kids) <= MAX_KIDS:
        raise BadRequest(f"The licence request names no 1 to {MAX_KIDS} kids.")
    if fields.get("type") != "temporary":
        raise BadRequest("Licences are given for the type temporary only.")
    return tuple(dict.fromkeys(_kid(kid) for kid in kids))


def license_of(keys: Mapping[bytes, bytes]) -> bytes:
    """The JWK Set (RFC 7517) of keys by KID."""
    document = {
        "keys": [
            {"kty": "oct", "k": to_base64url(key), "kid": to_base64url(kid)}
            for kid, key in keys.items()
        ],
        "type": "temporary",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _kid(text: object) -> bytes:
    try:
        kid = base64url(text) if isinstance(text, str) else b""
    except TokenMalformed:
        kid = b""
    if len(kid) != KID_BYTES:
        raise BadRequest(f"A kid is not {KID_BYTES} bytes in base64url without padding.")
    return kid
