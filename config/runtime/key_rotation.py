"""New keys for old ones without refusing a token: a key is published, then signs, then verifies only, then ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from config.runtime.jwk import NEW_ALGORITHMS, BadKeys, Key, new_jwk
from config.runtime.key_files import (
    locked,
    read_file,
    require_owner_only,
    write_file,
)
from config.runtime.keys import KeySet, parse_document

_FIRST_ALGORITHM = "EdDSA"

State = Literal["waits", "signs", "verifies", "decrypts", "ended"]
Jwk = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did."""

    key_id: str
    signs_from: int  # seconds since the epoch
    retired: tuple[str, ...]  # verify until ``retired_until``
    retired_until: int
    dropped: tuple[str, ...]  # verify nothing any more


def add_key(
    path: Path, *, algorithm: str | None, key_id: str | None, publish_seconds: float, now: float
) -> Key:
    """Add a key that begins to sign when everybody has had time to read it; the first of a file begins at once."""

    def change(items: list[Jwk]) -> tuple[list[Jwk], str]:
        jwk = _new_key(items, algorithm=algorithm, key_id=key_id, now=now)
        if _signers(items):
            jwk["nbf"] = int(now + publish_seconds)
        return [*items, jwk], jwk["kid"]

    keys, added = _changed(path, change)
    return keys.keys[added]


def rotate(
    path: Path,
    *,
    algorithm: str | None = None,
    key_id: str | None = None,
    publish_seconds: float,
    overlap_seconds: float,
    now: float,
) -> Rotated:
    """Add a key that begins to sign later, from when on the others verify for as long as their tokens can hold."""

    def change(items: list[Jwk]) -> tuple[list[Jwk], Rotated]:
        ended = [item for item in items if _ends(item, before=now)]
        kept = [item for item in items if item not in ended]
        jwk = _new_key(kept, algorithm=algorithm, key_id=key_id, now=now)
        signers = _signers(kept)
        begins = int(now + publish_seconds) if signers else int(now)
        if signers:
            jwk["nbf"] = begins
        until = begins + int(overlap_seconds)
        retired = [item for item in signers if item.get("exp") is None]
        for item in retired:
            item["exp"] = until
        return [*kept, jwk], Rotated(
            key_id=jwk["kid"],
            signs_from=begins,
            retired=_names(retired),
            retired_until=until,
            dropped=_names(ended),
        )

    return _changed(path, change)[1]


def replace_now(
    path: Path, *, algorithm: str | None = None, key_id: str | None = None, now: float
) -> Rotated:
    """Put a new key in the place of every one that could sign, at once: tokens of the old ones are refused."""

    def change(items: list[Jwk]) -> tuple[list[Jwk], Rotated]:
        jwk = _new_key(items, algorithm=algorithm, key_id=key_id, now=now)
        # A public form of a key that others may have the private form of is no better than that.
        gone = set(_names(_signers(items))) | {
            item["kid"] for item in items if _ends(item, before=now)
        }
        kept = [item for item in items if item["kid"] not in gone]
        return [*kept, jwk], Rotated(
            key_id=jwk["kid"],
            signs_from=int(now),
            retired=(),
            retired_until=int(now),
            dropped=tuple(sorted(gone)),
        )

    return _changed(path, change)[1]


def all_keys(path: Path) -> KeySet:
    """Every key of the file, those that have ended included."""
    return KeySet.read(path, now=0)


def state_of(key: Key, keys: KeySet, *, now: float) -> State:
    """What a key of these does at ``now``."""
    if not key.holds_at(now):
        return "ended"
    if key.use == "enc":
        return "decrypts"
    if key.signing is None:
        return "verifies"
    if key.not_before > now:
        return "waits"
    chosen = keys.signing_key(now=now, algorithms=NEW_ALGORITHMS)
    return "signs" if chosen is key else "verifies"


def _new_key(items: list[Jwk], *, algorithm: str | None, key_id: str | None, now: float) -> Jwk:
    jwk = new_jwk(algorithm or _usual_algorithm(items), key_id=key_id, now=now)
    if any(item.get("kid") == jwk["kid"] for item in items):
        raise BadKeys(f"there is a key {jwk['kid']} already")
    return jwk


def _usual_algorithm(items: list[Jwk]) -> str:
    """That of the newest key that can sign."""
    algorithms = [item["alg"] for item in _signers(items) if item["alg"] in NEW_ALGORITHMS]
    return algorithms[-1] if algorithms else _FIRST_ALGORITHM


def _signers(items: list[Jwk]) -> list[Jwk]:
    return [
        item for item in items if item.get("use", "sig") == "sig" and ("d" in item or "k" in item)
    ]


def _ends(item: Jwk, *, before: float) -> bool:
    end = item.get("exp")
    return end is not None and end <= before


def _names(items: list[Jwk]) -> tuple[str, ...]:
    return tuple(item["kid"] for item in items)


def _changed(path: Path, change: Callable[[list[Jwk]], tuple[list[Jwk], T]]) -> tuple[KeySet, T]:
    """Change the keys of a file; what it then says is checked before it is written."""
    with locked(path) as file:
        before = read_file(file) if file.exists() else None
        document: Jwk = {"keys": []}
        if before is not None:
            document = parse_document(before.data, source=str(path))
            found = KeySet.of(document, source=str(path))
            if any(key.is_secret for key in found.keys.values()):
                require_owner_only(before, path)
            else:  # it was for everybody to read, and is so no more
                before = replace(before, mode=before.mode & 0o700)
        items, result = change(document["keys"])
        after = document | {"keys": items}
        keys = KeySet.of(after, source=str(path))
        try:
            write_file(file, json.dumps(after, indent=1).encode(), like=before)
        except OSError as error:
            raise BadKeys(f"{path}: {error.strerror}") from error
    return keys, result
