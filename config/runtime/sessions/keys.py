"""Names in Redis: all keys of one shard have one tag, so that a script may touch them in a cluster too."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from config.runtime.sessions.records import RECORD_BYTES

SHARDS: Final = 256
EDGES: Final = "kawa:{sessions}:edges"  # by tag: since when, and the node's name
EPOCH: Final = "kawa:{sessions}:epoch"
SECRET: Final = "kawa:{sessions}:key"  # noqa: S105 - its name

# Not drawn for an edge: the catalog's reservations.
RESERVED: Final = "--"

PER_BUCKET = 64  # records: a hash of that many short fields is packed tightly, and quickly searched
_FORMAT = 1  # of field and record
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."
_TAGS_TRIED = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject's records are."""

    shard: int
    bucket: int
    subject: str  # 8 characters, with which its fields begin


class Layout:
    """Where everything is, for a secret and a number of buckets."""

    __slots__ = ("_secret", "buckets", "shape")

    def __init__(self, secret: bytes, *, expected: int) -> None:
        self._secret = hashlib.blake2b(secret, digest_size=32).digest()
        self.buckets = max(1, round(expected / SHARDS / PER_BUCKET))
        print_of_secret = self._hash(b"shape", 4).hex()
        self.shape = f"{_FORMAT}.{RECORD_BYTES}.{self.buckets}.{print_of_secret}"

    def place(self, subject: str) -> Place:
        """The same at every edge."""
        digest = self._hash(subject.encode(), 10)
        return Place(
            shard_of(subject),
            int.from_bytes(digest[:4]) % self.buckets,
            base64.urlsafe_b64encode(digest[4:]).decode(),
        )

    def mark(self, subject: str) -> str:
        """22 characters that stand for a subject where its name should not be."""
        return _text(self._hash(subject.encode(), 16, person=b"mark"))

    def viewer(self, subject: str) -> bytes:
        """What is counted of a subject as a viewer."""
        return self._hash(subject.encode(), 8, person=b"viewer")

    def _hash(self, value: bytes, size: int, *, person: bytes = b"") -> bytes:
        return hashlib.blake2b(value, key=self._secret, digest_size=size, person=person).digest()


def shard_of(subject: str) -> int:
    """Needs no secret, so that it is known before Redis is."""
    return hashlib.blake2b(subject.encode(), digest_size=1, person=b"shard").digest()[0]


def bucket_key(shard: int, bucket: int) -> str:
    return f"kawa:{{s{shard}}}:{bucket}"


def epoch_key(shard: int) -> str:
    return f"kawa:{{s{shard}}}:epoch"


def title_key(content: bytes) -> str:
    """Of the name of what is played, by its hash."""
    return f"kawa:{{t{_text(content)}}}"


def viewers_key(content: str, day: date) -> str:
    digest = hashlib.blake2b(content.encode(), digest_size=16).digest()
    return f"kawa:{{u{_text(digest)}}}:{day:%Y%m%d}"


def tags_for(node: str) -> Iterator[str]:
    """Two characters that stand for a node in fields, in the order in which it would like to have them."""
    first = int.from_bytes(hashlib.blake2b(node.encode(), digest_size=4).digest())
    for number in range(_TAGS_TRIED):
        high, low = divmod((first + number * 61) % len(_DIGITS) ** 2, len(_DIGITS))
        yield _DIGITS[high] + _DIGITS[low]


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
