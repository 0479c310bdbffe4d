"""Signing keys as a JWK Set (RFC 7517), and the tokens signed with them."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt

from config.contracts.tokens import ALGORITHMS, PlaybackClaims
from config.runtime.jwk import (
    BadKeys,
    Key,
    NotUnderstood,
    has_secret_parts,
    new_jwk,
    read_key,
)
from config.runtime.key_files import Content, locked, read_file, require_owner_only, write_file

__all__ = ["BadKeys", "Key", "KeySet", "make_key_file", "parse_document"]

_MOST_KEYS = 256


@dataclass(frozen=True, slots=True)
class KeySet:
    """Every key by its id."""

    keys: Mapping[str, Key]

    @classmethod
    def read(cls, path: Path, *, now: float | None = None) -> KeySet:
        """The keys of a JWK Set file that have not ended, or ``BadKeys``."""
        return cls.in_file(read_file(path), path, now=now)

    @classmethod
    def in_file(cls, content: Content, path: Path, *, now: float | None = None) -> KeySet:
        """The keys of a JWK Set file that has been read already."""
        found = cls.parse(content.data, source=str(path))
        if any(key.is_secret for key in found.keys.values()):
            require_owner_only(content, path)
        return found.at(time.time() if now is None else now)

    @classmethod
    def parse(cls, data: bytes, *, source: str, foreign: bool = False) -> KeySet:
        """The keys in the text of a JWK Set, or ``BadKeys``."""
        return cls.of(parse_document(data, source=source), source=source, foreign=foreign)

    @classmethod
    def of(cls, document: Mapping[str, Any], *, source: str, foreign: bool = False) -> KeySet:
        """The keys of a JWK Set, or ``BadKeys``.

        In a ``foreign`` set, which somebody else publishes, kinds of keys that are not used here are passed over (RFC
        7517 section 5), and there must be no secret.
        """
        items = document.get("keys")
        if not isinstance(items, list):
            raise BadKeys(f"{source}: not a JWK Set")
        if len(items) > _MOST_KEYS:
            raise BadKeys(f"{source}: more than {_MOST_KEYS} keys")
        keys: dict[str, Key] = {}
        for item in items:
            if foreign and isinstance(item, dict) and has_secret_parts(item):
                raise BadKeys(f"{source}: shows a private key or a secret")
            try:
                key = read_key(item)
                keys[key.key_id] = _joined(keys[key.key_id], key) if key.key_id in keys else key
            except NotUnderstood as error:
                if not foreign:
                    raise BadKeys(f"{source}: {error}") from error.__cause__
            except BadKeys as error:
                raise BadKeys(f"{source}: {error}") from error.__cause__
        if not keys:
            raise BadKeys(f"{source}: no keys")
        return cls(keys)

    def to_verify(self, key_id: str) -> Key | None:
        """The key of this name, if it may verify signatures."""
        key = self.keys.get(key_id)
        return key if key is not None and key.use == "sig" and key.verifying is not None else None

    def to_decrypt(self, key_id: str) -> Key | None:
        """The key of this name, if it is for decrypting."""
        key = self.keys.get(key_id)
        return key if key is not None and key.content_key is not None else None

    def to_sign(self, key_id: str) -> Key | None:
        """The key of this name, if it can sign; whether its time has come is not looked at."""
        key = self.keys.get(key_id)
        return key if key is not None and key.signing is not None else None

    def signing_key(
        self, *, now: float | None = None, algorithms: Collection[str] = ALGORITHMS
    ) -> Key:
        """Of the keys that sign at ``now`` the one that began last; of several, that which stands first."""
        instant = time.time() if now is None else now
        able = [
            key
            for key in self.keys.values()
            if key.signing is not None and key.algorithm in algorithms
        ]
        if not able:
            raise BadKeys("the key file holds no private key")
        active = [key for key in able if key.not_before <= instant and key.holds_at(instant)]
        if not active:
            raise BadKeys(
                "no private key of the key file signs now: none has begun, or all have ended"
            )
        return max(active, key=lambda key: key.not_before)

    def sign(self, claims: PlaybackClaims) -> str:
        """The compact JWS (RFC 7515) of these claims, by the key that signs when they are issued."""
        key = self.signing_key(now=claims.issued_at)
        private: Any = key.signing
        return jwt.encode(
            claims.to_json(), private, algorithm=key.algorithm, headers={"kid": key.key_id}
        )

    def at(self, now: float) -> KeySet:
        """The keys that have not ended at ``now``."""
        if all(key.holds_at(now) for key in self.keys.values()):
            return self
        return KeySet({name: key for name, key in self.keys.items() if key.holds_at(now)})

    def next_end(self) -> float:
        """When the first of them ends, in seconds since the epoch."""
        ends = (key.expires_at for key in self.keys.values() if key.expires_at is not None)
        return min(ends, default=float("inf"))

    def public(self) -> dict[str, Any]:
        """A JWK Set of what everybody may see."""
        shown = (key.public_jwk() for key in self.keys.values())
        return {"keys": [jwk for jwk in shown if jwk is not None]}


def parse_document(data: bytes, *, source: str) -> dict[str, Any]:
    """A JSON object in which no name stands twice (RFC 7517 section 4), or ``BadKeys``."""
    try:
        document = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise BadKeys(f"{source}: nested too deeply") from None
    except ValueError as error:
        raise BadKeys(f"{source}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadKeys(f"{source}: not a JWK Set")
    return document


def make_key_file(path: Path) -> None:
    """Write a JWK Set with one new Ed25519 key, readable by its owner only; keeps a file that is there."""
    if path.exists():
        return
    with locked(path) as file:
        if (
            not file.exists()
        ):  # of two processes that start at once one makes the key, and both use it
            write_file(file, json.dumps({"keys": [new_jwk("EdDSA")]}).encode())


def _joined(first: Key, second: Key) -> Key:
    """A public and a private form of the same key are one key, as in RFC 9246 Appendix A; other twins are refused."""
    one, other = first.public_jwk(), second.public_jwk()
    twins = one is not None and one == other
    if not twins or (first.signing is None) == (second.signing is None):
        raise BadKeys(f"the kid {first.key_id} stands twice")
    return replace(first, signing=first.signing or second.signing)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return result


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
