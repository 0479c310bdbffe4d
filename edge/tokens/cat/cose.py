"""COSE_Mac0 and COSE_Sign1 (RFC 9052), verified with the algorithm of the key, whatever the token says.

The `cwt` library is not used: it takes the algorithm, critical parameters, equal keys and what stands behind the token
as they come (all four were tried). The two structures are put together here, `cryptography` does the rest.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from config.contracts.tokens import MAX_TOKEN_CHARS
from config.runtime.jwk import Key
from edge.errors import TokenBadSignature, TokenMalformed, TokenUnsupported
from edge.tokens.cat.cbor import Tagged, read
from edge.tokens.cat.names import (
    PARAMETER_ALG,
    PARAMETER_CRIT,
    PARAMETER_KID,
    TAG_CWT,
    TAG_MAC0,
    TAG_SIGN1,
)
from edge.tokens.strict import base64url

Kind = Literal["MAC0", "Signature1"]

_FORM = re.compile(r"[A-Za-z0-9_-]{24,}\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_KINDS: dict[int, Kind] = {TAG_MAC0: "MAC0", TAG_SIGN1: "Signature1"}
_TAGS: dict[Kind, int] = {kind: tag for tag, kind in _KINDS.items()}
# RFC 9052 section 2: encrypted ones, and those with several signers or recipients.
_OTHER_TAGS = frozenset({16, 96, 97, 98})
_OUTER_TAGS = frozenset({TAG_CWT}) | _KINDS.keys() | _OTHER_TAGS

# RFC 9053 sections 2 and 3, RFC 8230 section 2.
ALGORITHMS: dict[str, tuple[int, Kind]] = {
    "HS256": (5, "MAC0"),
    "ES256": (-7, "Signature1"),
    "EdDSA": (-8, "Signature1"),
    "PS256": (-37, "Signature1"),
}
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A token taken apart, of which nothing has been verified."""

    kind: Kind | None  # None: it has no tag that says so
    has_cwt_tag: bool
    algorithm: int
    key_id: str | None
    key_id_is_protected: bool
    protected: bytes
    payload: bytes
    signature: bytes


def has_form(token: str) -> bool:
    """Whether ``token`` is base64url without padding, and of a size that a token may have."""
    return len(token) <= MAX_TOKEN_CHARS and _FORM.match(token) is not None


def opened(token: str) -> Envelope:
    """Take a token apart, or ``TokenMalformed``; ``TokenUnsupported`` for the encrypted and many-signer forms."""
    if not has_form(token):
        raise TokenMalformed
    kind, has_cwt_tag, parts = _untagged(base64url(token))
    if not isinstance(parts, tuple) or len(parts) != 4:
        raise TokenMalformed
    protected, unprotected, payload, signature = parts
    if (
        type(protected) is not bytes
        or type(payload) is not bytes  # RFC 9052 section 2: null if it is elsewhere
        or type(signature) is not bytes
        or type(unprotected) is not dict
    ):
        raise TokenMalformed
    parameters = _parameters(protected)
    key_id, key_id_is_protected = _key_id(parameters, unprotected)
    algorithm = parameters.get(PARAMETER_ALG)
    if type(algorithm) is not int:
        # RFC 9052 section 3.1 also knows names, none of which is registered.
        raise TokenMalformed
    return Envelope(
        kind=kind,
        has_cwt_tag=has_cwt_tag,
        algorithm=algorithm,
        key_id=key_id,
        key_id_is_protected=key_id_is_protected,
        protected=protected,
        payload=payload,
        signature=signature,
    )


def check(envelope: Envelope, key: Key) -> None:
    """``TokenBadSignature`` unless it was signed with ``key``, by the algorithm that the key is for."""
    algorithm, kind = ALGORITHMS.get(key.algorithm, (None, None))
    if kind is None or envelope.algorithm != algorithm or envelope.kind not in (None, kind):
        raise TokenBadSignature
    signed = _to_be_signed(kind, envelope.protected, envelope.payload)
    try:
        _verify(key.verifying, envelope.signature, signed)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise TokenBadSignature from error


def sealed(claims: dict[Any, Any], key: Key, *, like: Envelope) -> bytes:
    """A token of these claims, signed with ``key``, with its tags and its key's name where those of ``like`` are."""
    algorithm, kind = ALGORITHMS.get(key.algorithm, (None, None))
    if kind is None:
        raise TokenUnsupported("This edge has no key to sign the next token with.")
    named = {PARAMETER_KID: key.key_id.encode()}
    parameters: dict[int, object] = {PARAMETER_ALG: algorithm}
    protected = cbor2.dumps(parameters | named if like.key_id_is_protected else parameters)
    payload = cbor2.dumps(claims)
    signature = _signature(key.signing, _to_be_signed(kind, protected, payload))
    item: object = [protected, {} if like.key_id_is_protected else named, payload, signature]
    if like.kind is not None:
        item = cbor2.CBORTag(_TAGS[kind], item)
    return cbor2.dumps(cbor2.CBORTag(TAG_CWT, item) if like.has_cwt_tag else item)


def _untagged(data: bytes) -> tuple[Kind | None, bool, object]:
    # Nothing but the two byte strings inside is signed, so that the rest must have one spelling.
    item = read(data, tags=_OUTER_TAGS, canonical=True)
    has_cwt_tag = False
    if isinstance(item, Tagged) and item.tag == TAG_CWT:
        has_cwt_tag, item = True, item.value
    if not isinstance(item, Tagged):
        if has_cwt_tag:  # RFC 8392 section 6: it must stand before a COSE tag
            raise TokenMalformed
        return None, False, item
    if item.tag in _OTHER_TAGS:
        raise TokenUnsupported("The token is encrypted, or has several signers or recipients.")
    kind = _KINDS.get(item.tag)
    if kind is None:
        raise TokenMalformed
    return kind, has_cwt_tag, item.value


@lru_cache(maxsize=64)  # a signer writes few
def _parameters(protected: bytes) -> Mapping[object, object]:
    parameters = read(protected)
    if type(parameters) is not dict:
        raise TokenMalformed
    _check_critical(parameters)
    return parameters


def _key_id(
    protected: Mapping[object, object], unprotected: Mapping[object, object]
) -> tuple[str | None, bool]:
    """The name of the key, and whether it is signed too; nothing else may stand unsigned."""
    is_protected = PARAMETER_KID in protected
    if unprotected.keys() - {PARAMETER_KID} or (is_protected and unprotected):
        raise TokenMalformed
    if not is_protected and not unprotected:
        return None, False
    found = (protected if is_protected else unprotected)[PARAMETER_KID]
    # RFC 9052 section 3.1 has bytes. Some signers write a text; unsigned, that would be a second spelling.
    if type(found) is bytes:
        text = found.decode("ascii", "replace")
    elif type(found) is str and is_protected:
        text = found
    else:
        raise TokenMalformed
    if not _KEY_ID.match(text):
        raise TokenMalformed
    return text, is_protected


def _check_critical(protected: Mapping[object, object]) -> None:
    """RFC 9052 section 3.1: what is critical must be there, and understood."""
    if PARAMETER_CRIT not in protected:
        return
    critical = protected[PARAMETER_CRIT]
    if type(critical) is not tuple or not critical:
        raise TokenMalformed
    for label in critical:
        if label not in (PARAMETER_ALG, PARAMETER_KID) or label not in protected:
            raise TokenUnsupported(
                "The token has a critical header parameter that is not understood."
            )


def _to_be_signed(kind: Kind, protected: bytes, payload: bytes) -> bytes:
    # RFC 9052 sections 4.4 and 6.3: the third is data that both sides know, of which there is none.
    return cbor2.dumps([kind, protected, b"", payload])


def _verify(key: object, signature: bytes, signed: bytes) -> None:
    match key:
        case bytes():
            if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), signature):
                raise InvalidSignature
        case ec.EllipticCurvePublicKey():
            if len(signature) != 64:  # RFC 9053 section 2.1: r and s, of the curve's size each
                raise InvalidSignature
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            key.verify(encode_dss_signature(r, s), signed, _ECDSA)
        case ed25519.Ed25519PublicKey():
            key.verify(signature, signed)
        case rsa.RSAPublicKey():
            key.verify(signature, signed, _PSS, hashes.SHA256())
        case _:
            raise InvalidSignature


def _signature(key: object, signed: bytes) -> bytes:
    match key:
        case bytes():
            return hmac.digest(key, signed, "sha256")
        case ec.EllipticCurvePrivateKey():
            r, s = decode_dss_signature(key.sign(signed, _ECDSA))
            return r.to_bytes(32) + s.to_bytes(32)
        case ed25519.Ed25519PrivateKey():
            return key.sign(signed)
        case rsa.RSAPrivateKey():
            return key.sign(signed, _PSS, hashes.SHA256())
        case _:
            raise TokenUnsupported("This edge has no key to sign the next token with.")
