"""One stored object as a file: a head that says everything, and a body with a checksum for each block.

    magic and version   8 bytes
    state               1 byte    ``F`` is fresh; anything else asks for validation before use. Written in place.
    head checksum       8 bytes   XXH3 of all that follows, up to the body
    meta length         4 bytes
    body length         8 bytes
    stamp               8 bytes   when it was written, in nanoseconds; unique within a process
    meta                key, tags, the engine's own head, one XXH3 per block of the body
    body

Integers are little endian. A checksum finds what a disk does to a file, not what an attacker does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

MAGIC = b"KAWAOBJ\x01"
FRESH = b"F"
STALE = b"S"
STATE_AT = len(MAGIC)
BLOCK_BYTES = 256 * 1024
MOST_META_BYTES = 2**20

_PREAMBLE = struct.Struct("<8scQIQQ")
_SUMMED_AT = STATE_AT + 1 + 8
_COUNT = struct.Struct("<I")
PREAMBLE_BYTES = _PREAMBLE.size


class Damaged(Exception):
    """The file is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preamble:
    """The part of fixed size: enough to know how long everything is."""

    fresh: bool
    checksum: int
    meta_bytes: int
    body_bytes: int
    stamp: int

    @classmethod
    def parse(cls, data: bytes) -> Preamble:
        if len(data) < PREAMBLE_BYTES:
            raise Damaged("too short")
        magic, state, checksum, meta_bytes, body_bytes, stamp = _PREAMBLE.unpack_from(data)
        if magic != MAGIC:
            raise Damaged("another magic or version")
        if meta_bytes > MOST_META_BYTES:
            raise Damaged("the meta data are too long")
        return cls(
            fresh=state == FRESH,
            checksum=checksum,
            meta_bytes=meta_bytes,
            body_bytes=body_bytes,
            stamp=stamp,
        )

    @property
    def body_at(self) -> int:
        return PREAMBLE_BYTES + self.meta_bytes

    @property
    def file_bytes(self) -> int:
        return self.body_at + self.body_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Everything but the body."""

    preamble: Preamble
    key: str
    tags: tuple[str, ...]
    head: bytes
    sums: tuple[int, ...]

    @classmethod
    def parse(cls, data: bytes, *, file_bytes: int) -> Head:
        """The head at the start of ``data``, which may go on with the body; ``Damaged`` unless it is whole."""
        preamble = Preamble.parse(data)
        if preamble.file_bytes != file_bytes:
            raise Damaged("another length")
        if len(data) < preamble.body_at:
            raise Damaged("the meta data are cut")
        if xxh3_64_intdigest(memoryview(data)[_SUMMED_AT : preamble.body_at]) != preamble.checksum:
            raise Damaged("the head's checksum is another")
        try:
            key, tags, head, at = _read_meta(data)
            count = _block_count(preamble.body_bytes)
            sums = struct.unpack(f"<{count}Q", data[at : preamble.body_at])
        except (struct.error, UnicodeDecodeError) as error:
            raise Damaged("the meta data make no sense") from error
        return cls(preamble=preamble, key=key, tags=tags, head=head, sums=sums)

    def check(self, view: memoryview, *, first_block: int = 0) -> None:
        """``Damaged`` unless ``view`` is what was written, from the start of that block on."""
        for number, at in enumerate(range(0, len(view), BLOCK_BYTES), first_block):
            if xxh3_64_intdigest(view[at : at + BLOCK_BYTES]) != self.sums[number]:
                raise Damaged("the body's checksum is another")


def encode_head(
    key: str, head: bytes, tags: tuple[str, ...], body: bytes | memoryview, *, stamp: int
) -> bytes:
    """All that stands in the file before ``body``; ``ValueError`` if that is more than is read again."""
    parts = [_counted(key.encode("utf-8", "surrogatepass")), _COUNT.pack(len(tags))]
    parts += [_counted(tag.encode("utf-8", "surrogatepass")) for tag in tags]
    parts.append(_counted(head))
    view = memoryview(body)
    sums = [
        xxh3_64_intdigest(view[at : at + BLOCK_BYTES]) for at in range(0, len(view), BLOCK_BYTES)
    ]
    parts.append(struct.pack(f"<{len(sums)}Q", *sums))
    meta = b"".join(parts)
    if len(meta) > MOST_META_BYTES:
        raise ValueError("the meta data are too long")
    whole = _PREAMBLE.pack(MAGIC, FRESH, 0, len(meta), len(view), stamp) + meta
    checksum = xxh3_64_intdigest(memoryview(whole)[_SUMMED_AT:])
    return _PREAMBLE.pack(MAGIC, FRESH, checksum, len(meta), len(view), stamp) + meta


def _read_meta(data: bytes) -> tuple[str, tuple[str, ...], bytes, int]:
    key, at = _take(data, PREAMBLE_BYTES)
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    tags = []
    for _ in range(count):
        tag, at = _take(data, at)
        tags.append(tag.decode("utf-8", "surrogatepass"))
    head, at = _take(data, at)
    return key.decode("utf-8", "surrogatepass"), tuple(tags), head, at


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    return data[at : at + length], at + length


def _counted(data: bytes) -> bytes:
    return _COUNT.pack(len(data)) + data


def _block_count(body_bytes: int) -> int:
    return -(-body_bytes // BLOCK_BYTES)
