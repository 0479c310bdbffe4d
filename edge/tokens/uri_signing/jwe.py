"""Encrypted claims (RFC 9246 sections 2.1.2 and 2.1.10): a JWE (RFC 7516) under a key that both sides know."""

from __future__ import annotations

from functools import lru_cache

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from config.runtime.jwk import KEY_ID
from config.runtime.keys import KeySet
from edge.errors import TokenBadClaims, TokenMalformed, TokenUnknownKey, TokenUnsupported
from edge.tokens.strict import base64url, json_object

_NONCE_BYTES, _TAG_BYTES = 12, 16  # RFC 7518 section 5.3
_CHANGES_MEANING = ("crit", "zip")


def opened(text: str, keys: KeySet, *, claim: str) -> str:
    """The text inside, or a ``NotAllowed`` that names the claim."""
    try:
        header, encrypted_key, nonce, _, tag = [base64url(part) for part in text.split(".")]
    except (ValueError, TokenMalformed) as error:
        raise TokenBadClaims(f"The token's {claim} is not encrypted as it must be.") from error
    method, secret = _key_of(header, keys, claim)
    if encrypted_key or len(nonce) != _NONCE_BYTES or len(tag) != _TAG_BYTES:
        raise TokenBadClaims(f"The token's {claim} is not encrypted as its header says.")
    try:
        plain = jwe.decrypt_compact(text, _imported(secret), algorithms=["dir", method]).plaintext
        return (plain or b"").decode()
    except (JoseError, ValueError) as error:
        raise TokenBadClaims(f"The token's {claim} cannot be decrypted.") from error


@lru_cache(maxsize=64)
def _imported(secret: bytes) -> OctKey:
    return OctKey.import_key(secret)


def _key_of(data: bytes, keys: KeySet, claim: str) -> tuple[str, bytes]:
    """The content encryption, which is the key's own, and the key."""
    header = json_object(data)
    if header.get("alg") != "dir" or any(name in header for name in _CHANGES_MEANING):
        raise TokenUnsupported(f"The token's {claim} is encrypted in a way that is not supported.")
    method, key_id = header.get("enc"), header.get("kid")
    if key_id is None:
        found = [key for key in keys.keys.values() if key.algorithm == method]
    elif isinstance(key_id, str) and KEY_ID.match(key_id):
        found = [key for key in (keys.to_decrypt(key_id),) if key is not None]
    else:
        found = []
    secrets = [(key.algorithm, key.content_key) for key in found if key.content_key is not None]
    match secrets:
        case [(algorithm, bytes() as secret)] if algorithm == method:
            return algorithm, secret
        case [_]:
            raise TokenBadClaims(
                f"The token's {claim} is encrypted in another way than its key is for."
            )
    raise TokenUnknownKey(
        f"The edge does not know the key that the token's {claim} is encrypted with."
    )
