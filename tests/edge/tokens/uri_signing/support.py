"""Keys, tokens and requests for the tests of URI signing."""

from __future__ import annotations

import hmac
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwe
from joserfc.jwk import OctKey

from config.contracts.grants import Asked
from config.runtime.jwk import Key, new_jwk
from config.runtime.keys import KeySet
from config.settings.schemes.uri_signing import UriSigning
from edge.tokens.strict import base64url, to_base64url
from edge.tokens.uri_signing.verifier import UriSigningVerifier, open_uri_signing
from edge.tokens.verifier import FixedKeys

VECTORS = Path(__file__).parents[4].parent / "shared" / "vectors" / "rfc9246.json"
DATA = Path(__file__).parent / "data"

NOW = 1_700_000_000.0
URL = "https://cdn.example"
ANYTHING = r"regex:https://cdn\.example/.*"

SIGNING = {
    key_id: new_jwk(algorithm, key_id=key_id)
    for key_id, algorithm in (("es", "ES256"), ("ed", "EdDSA"), ("hs", "HS256"), ("hs2", "HS256"))
}
CONTENT = {
    "kty": "oct",
    "kid": "enc",
    "use": "enc",
    "alg": "A256GCM",
    "k": to_base64url(bytes(range(32))),
}
KEYS = KeySet.of({"keys": [*SIGNING.values(), CONTENT]}, source="tests")


def settings(**fields: Any) -> UriSigning:
    """Settings that accept what the tests sign."""
    return UriSigning.model_validate(
        {
            "scheme": "uri-signing",
            "keys_file": "keys.json",
            "issuers": ["origin"],
            "audiences": ["edge"],
            **fields,
        }
    )


def verifier(keys: KeySet = KEYS, **fields: Any) -> UriSigningVerifier:
    """A verifier as the edge opens it."""
    return open_uri_signing(
        "tests", settings(**fields), keys=FixedKeys(keys), public_url=URL, leeway_seconds=30
    )


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good token; one that is ``None`` is left out."""
    full = {"iss": "origin", "exp": int(NOW) + 600, "cdniuc": ANYTHING, **changed}
    return {name: value for name, value in full.items() if value is not None}


def mint(
    payload: dict[str, Any] | bytes | None = None, *, key_id: str = "es", **header: Any
) -> str:
    """A token signed without the library that verifies it; members of the header that are ``None`` go."""
    key = KEYS.keys[key_id]
    full = {"alg": key.algorithm, "kid": key_id, **header}
    named = {name: value for name, value in full.items() if value is not None}
    data = payload if isinstance(payload, bytes) else json.dumps(payload or claims()).encode()
    covered = f"{to_base64url(json.dumps(named).encode())}.{to_base64url(data)}"
    return f"{covered}.{to_base64url(_signature(key, covered.encode()))}"


def _signature(key: Key, covered: bytes) -> bytes:
    match key.signing:
        case EllipticCurvePrivateKey() as private:
            numbers = decode_dss_signature(private.sign(covered, ECDSA(SHA256())))
            return b"".join(number.to_bytes(32, "big") for number in numbers)
        case Ed25519PrivateKey() as private:
            return private.sign(covered)
        case secret:
            assert isinstance(secret, bytes)
            return hmac.digest(secret, covered, "sha256")


def encrypted(text: str, **header: Any) -> str:
    """A JWE of ``text`` for the tests' content key."""
    full = {"alg": "dir", "enc": "A256GCM", "kid": "enc", **header}
    named = {name: value for name, value in full.items() if value is not None}
    key = OctKey.import_key(bytes(range(32)))
    return jwe.encrypt_compact(named, text.encode(), key, algorithms=["dir", "A256GCM", "DEF"])


def asked(uri: str = f"{URL}/vod/title/1.m4s", *, address: str | None = None) -> Asked:
    """A request for ``uri``."""
    path = "/" + uri.partition("://")[2].partition("/")[2].partition("?")[0]
    return Asked(
        method="GET",
        uri=uri,
        scope=path,
        headers={},
        address=None if address is None else ip_address(address),
    )


def payload_of(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    value = json.loads(base64url(token.split(".")[-2]))
    assert isinstance(value, dict)
    return value
