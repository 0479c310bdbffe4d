"""Signing keys as a JWK Set (RFC 7517), and the tokens signed with them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK
from jwt.algorithms import OKPAlgorithm

from config.contracts.tokens import ALGORITHMS, PlaybackClaims
from config.runtime.processes import WrongUse

_KEY_TYPES = {"EdDSA": "OKP", "ES256": "EC", "HS256": "oct"}
_MAX_FILE_BYTES = 256 * 1024


class BadKeys(WrongUse):
    """The key file cannot be used; the message says why, without showing a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, usable only with the algorithm it was made for."""

    key_id: str
    algorithm: str
    verifying: Any
    signing: Any | None  # None for a public key


@dataclass(frozen=True, slots=True)
class KeySet:
    """Every key by its id; the first one with a private part signs."""

    keys: dict[str, Key]

    @classmethod
    def read(cls, path: Path) -> KeySet:
        """Read a JWK Set file, or raise ``BadKeys``."""
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                raise BadKeys(f"{path}: larger than {_MAX_FILE_BYTES} bytes")
            document = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise BadKeys(f"{path}: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise BadKeys(f"{path}: not a JWK Set")
        keys = [_read_key(item, path) for item in document["keys"]]
        if not keys:
            raise BadKeys(f"{path}: no keys")
        if len({key.key_id for key in keys}) != len(keys):
            raise BadKeys(f"{path}: a kid stands twice")
        return cls({key.key_id: key for key in keys})

    def sign(self, claims: PlaybackClaims) -> str:
        """The compact JWS (RFC 7515) of these claims."""
        for key in self.keys.values():
            if key.signing is not None:
                headers = {"kid": key.key_id}
                return jwt.encode(
                    claims.to_json(), key.signing, algorithm=key.algorithm, headers=headers
                )
        raise BadKeys("the key file holds no private key")


def make_key_file(path: Path) -> None:
    """Write a JWK Set with one new Ed25519 key, readable by its owner only; keeps a file that is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    jwk: dict[str, Any] = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    now = time.strftime("%Y%m%d", time.gmtime())
    jwk |= {"kid": f"{now}-{secrets.token_hex(4)}", "alg": "EdDSA", "use": "sig"}
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump({"keys": [jwk]}, file)
        # Unlike a rename, a link replaces nothing: of two processes that start at once one wins, and both use its key.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _read_key(item: Any, path: Path) -> Key:
    if not isinstance(item, dict):
        raise BadKeys(f"{path}: a key is not an object")
    key_id, algorithm = item.get("kid"), item.get("alg")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= 64:
        raise BadKeys(f"{path}: a key has no kid of 1 to 64 characters")
    if algorithm not in ALGORITHMS or item.get("kty") != _KEY_TYPES[algorithm]:
        raise BadKeys(f"{path}: key {key_id}: alg and kty are not one of {', '.join(ALGORITHMS)}")
    if item.get("use", "sig") != "sig":
        raise BadKeys(f"{path}: key {key_id}: not a signing key")
    try:
        key = PyJWK(item, algorithm).key
    except jwt.PyJWTError as error:
        raise BadKeys(f"{path}: key {key_id}: {error}") from error
    except (KeyError, TypeError, ValueError):  # PyJWT does not check that every part is there
        raise BadKeys(f"{path}: key {key_id}: a part is missing or damaged") from None
    if algorithm == "HS256":
        # RFC 7518 section 3.2: at least as long as the hash.
        if len(key) < 32:
            raise BadKeys(f"{path}: key {key_id}: shorter than 32 bytes")
        return Key(key_id=key_id, algorithm=algorithm, verifying=key, signing=key)
    private = "d" in item
    verifying = key.public_key() if private else key
    return Key(
        key_id=key_id, algorithm=algorithm, verifying=verifying, signing=key if private else None
    )
