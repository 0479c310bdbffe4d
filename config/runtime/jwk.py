"""One JSON Web Key (RFC 7517): what it may be used for, and that it is strong enough."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from config.runtime.processes import WrongUse

KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")

# RFC 7518 section 3.1, RFC 8037 section 3.1; RSA with PKCS #1 v1.5 is only ever verified.
_KEY_TYPES = {"EdDSA": "OKP", "ES256": "EC", "HS256": "oct", "PS256": "RSA", "RS256": "RSA"}
_CURVES = {"EdDSA": "Ed25519", "ES256": "P-256"}
_CONTENT_KEY_BYTES = {"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}
NEW_ALGORITHMS = ("EdDSA", "ES256", "HS256", "PS256")

# RFC 7518 section 3.2: at least as long as the hash.
_LEAST_SECRET_BYTES = 32
_MOST_SECRET_BYTES = 512
# RFC 7518 section 3.3 sets the least; beyond the most a check would cost a stranger's choice of time.
_LEAST_RSA_BITS, _MOST_RSA_BITS, _MOST_RSA_EXPONENT_BITS = 2048, 8192, 32
_NEW_RSA_BITS = 2048

# What nobody but the signer may see (RFC 7518 sections 6.2.2, 6.3.2, 6.4).
_SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class BadKeys(WrongUse):
    """Keys cannot be used; the message says why, without showing one."""


class NotUnderstood(BadKeys):
    """A key of a kind that is not used here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, usable only with the algorithm it was made for."""

    key_id: str
    algorithm: str
    use: Literal["sig", "enc"] = "sig"
    verifying: Any  # public key, or the secret's bytes; None: it must not verify
    signing: Any | None  # private key, or the secret's bytes; None: it cannot sign, or must not
    content_key: bytes | None = None  # of JWE 'dir' (RFC 7518 section 4.5), for use 'enc'
    not_before: int = 0  # seconds since the epoch: it signs from then on
    expires_at: int | None = None  # seconds since the epoch: from then on it verifies nothing

    @property
    def is_secret(self) -> bool:
        """Whether whoever knows this key could sign or decrypt."""
        return (
            self.signing is not None
            or self.content_key is not None
            or isinstance(self.verifying, bytes)
        )

    def holds_at(self, now: float) -> bool:
        """Whether it has not ended."""
        return self.expires_at is None or now < self.expires_at

    def public_jwk(self) -> dict[str, Any] | None:
        """What may be shown to everybody; ``None`` for a secret that is shared."""
        public: dict[str, Any]
        match self.verifying:
            case ed25519.Ed25519PublicKey():
                public = OKPAlgorithm.to_jwk(self.verifying, as_dict=True)
            case ec.EllipticCurvePublicKey():
                public = ECAlgorithm.to_jwk(self.verifying, as_dict=True)
            case rsa.RSAPublicKey():
                public = RSAAlgorithm.to_jwk(self.verifying, as_dict=True)
                del public["key_ops"]  # 'use' says the same
            case _:
                return None
        public |= {"kid": self.key_id, "alg": self.algorithm, "use": "sig"}
        if self.not_before:
            public["nbf"] = self.not_before
        if self.expires_at is not None:
            public["exp"] = self.expires_at
        return public


def has_secret_parts(item: Mapping[str, Any]) -> bool:
    """Whether a JWK shows what only its owner may know."""
    return any(name in item for name in _SECRET_MEMBERS)


def read_key(item: object) -> Key:
    """Check one JWK: ``NotUnderstood`` if it is of a kind that is not used here, else ``BadKeys``."""
    if not isinstance(item, dict):
        raise BadKeys("a key is not an object")
    key_id, algorithm = item.get("kid"), item.get("alg")
    if not isinstance(key_id, str) or not KEY_ID.match(key_id):
        raise BadKeys("a key has no kid of 1 to 64 letters, digits and '_.-'")
    try:
        if isinstance(algorithm, str) and algorithm in _CONTENT_KEY_BYTES:
            return _content_key(item, key_id, algorithm)
        if isinstance(algorithm, str) and _KEY_TYPES.get(algorithm) == item.get("kty"):
            return _signing_key(item, key_id, algorithm)
    except BadKeys as error:
        raise BadKeys(f"key {key_id}: {error}") from error.__cause__
    known = ", ".join((*_KEY_TYPES, *_CONTENT_KEY_BYTES))
    raise NotUnderstood(f"key {key_id}: alg and kty are not one of {known}")


def new_jwk(
    algorithm: str, *, key_id: str | None = None, now: float | None = None
) -> dict[str, Any]:
    """A new key for signing, with its private part."""
    made_at = int(time.time() if now is None else now)
    jwk: dict[str, Any]
    match algorithm:
        case "EdDSA":
            jwk = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
        case "ES256":
            jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        case "PS256":
            private = rsa.generate_private_key(public_exponent=65537, key_size=_NEW_RSA_BITS)
            jwk = RSAAlgorithm.to_jwk(private, as_dict=True)
            del jwk["key_ops"]  # 'use' says the same
        case "HS256":
            secret = secrets.token_bytes(_LEAST_SECRET_BYTES)
            jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}
        case _:
            raise BadKeys(f"new keys are for one of {', '.join(NEW_ALGORITHMS)}")
    if key_id is None:
        key_id = f"{time.strftime('%Y%m%d', time.gmtime(made_at))}-{secrets.token_hex(4)}"
    elif not KEY_ID.match(key_id):
        raise BadKeys("a kid has 1 to 64 letters, digits and '_.-'")
    return {"kid": key_id, "alg": algorithm, "use": "sig", "iat": made_at, **jwk}


def instant(item: Mapping[str, Any], name: str) -> int | None:
    """A time in seconds since the epoch, if the key has it."""
    value = item.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadKeys(f"{name} is not a whole number of seconds since the epoch")
    return value


def _content_key(item: dict[str, Any], key_id: str, algorithm: str) -> Key:
    # RFC 7517 section 4.2; a missing use is not enough for a key that could also be a signer's secret.
    if item.get("kty") != "oct" or item.get("use") != "enc":
        raise BadKeys(f"{algorithm} needs kty oct and use enc")
    operations = _operations(item)
    if operations is not None and "decrypt" not in operations:
        raise BadKeys("its key_ops do not allow decrypt")
    secret = _secret(item)
    if len(secret) != _CONTENT_KEY_BYTES[algorithm]:
        raise BadKeys(f"{algorithm} needs exactly {_CONTENT_KEY_BYTES[algorithm]} bytes")
    return Key(
        key_id=key_id,
        algorithm=algorithm,
        use="enc",
        verifying=None,
        signing=None,
        content_key=secret,
        not_before=instant(item, "nbf") or 0,
        expires_at=instant(item, "exp"),
    )


def _signing_key(item: dict[str, Any], key_id: str, algorithm: str) -> Key:
    if item.get("use", "sig") != "sig":
        raise BadKeys("not a signing key")
    verifying: Any
    signing: Any | None
    if algorithm == "HS256":
        verifying = signing = _signing_secret(item)
    else:
        verifying, signing = _key_pair(item, algorithm)
    may_sign, may_verify = signing is not None and algorithm != "RS256", True
    operations = _operations(item)
    if operations is not None:
        may_sign = may_sign and "sign" in operations
        # RFC 7517 section 4.3: a private key says 'sign', and its public half verifies all the same.
        pair = signing is not None and algorithm != "HS256" and "sign" in operations
        may_verify = pair or "verify" in operations
    if not may_verify and not may_sign:
        raise BadKeys("its key_ops allow neither sign nor verify")
    return Key(
        key_id=key_id,
        algorithm=algorithm,
        verifying=verifying if may_verify else None,
        signing=signing if may_sign else None,
        not_before=instant(item, "nbf") or 0,
        expires_at=instant(item, "exp"),
    )


def _signing_secret(item: Mapping[str, Any]) -> bytes:
    secret = _secret(item)
    if len(secret) < _LEAST_SECRET_BYTES:
        raise BadKeys(f"shorter than {_LEAST_SECRET_BYTES} bytes")
    if len(secret) > _MOST_SECRET_BYTES:
        raise BadKeys(f"longer than {_MOST_SECRET_BYTES} bytes")
    return secret


def _operations(item: Mapping[str, Any]) -> frozenset[str] | None:
    operations = item.get("key_ops")
    if operations is None:
        return None
    # RFC 7517 section 4.3: an array of different names.
    if (
        not isinstance(operations, list)
        or not all(isinstance(name, str) for name in operations)
        or len(set(operations)) != len(operations)
    ):
        raise BadKeys("key_ops is not a list of different names")
    return frozenset(operations)


def _secret(item: Mapping[str, Any]) -> bytes:
    text = item.get("k")
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise BadKeys("its secret is missing or damaged")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadKeys("its secret is missing or damaged") from None


def _key_pair(item: dict[str, Any], algorithm: str) -> tuple[Any, Any | None]:
    """The public half, and the private one if it is there."""
    if algorithm in _CURVES and item.get("crv") != _CURVES[algorithm]:
        raise BadKeys(f"{algorithm} needs the curve {_CURVES[algorithm]}")
    try:
        key = PyJWK(item, algorithm).key  # refuses a private part that does not fit the public one
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
        # PyJWT does not check that every part is there; what it says may show one.
        raise BadKeys("a part is missing or damaged") from None
    private = key if "d" in item else None
    public = key if private is None else key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        if not _LEAST_RSA_BITS <= public.key_size <= _MOST_RSA_BITS:
            raise BadKeys(f"RSA keys have {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits")
        if public.public_numbers().e.bit_length() > _MOST_RSA_EXPONENT_BITS:
            raise BadKeys("its public exponent is too large")
    return public, private
