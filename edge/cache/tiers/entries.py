"""What the index knows of one object on disk, without touching the disk."""

from __future__ import annotations

from dataclasses import dataclass

from edge.cache.tiers.format import PREAMBLE_BYTES, Preamble

_DISK_BLOCK = 4096


@dataclass(slots=True, kw_only=True, eq=False)
class DiskEntry:
    """One version of one object; a newer version is another entry."""

    key: str
    tags: tuple[str, ...]
    meta_bytes: int
    body_bytes: int
    stamp: int
    stale: bool = False  # softly purged: validate before use
    ready: bool = False  # False while it is still to be written
    warm: bool = False  # written or read by this process: its name is not far
    freq: int = 0
    alive: bool = True  # False once evicted, purged, replaced or found damaged

    @classmethod
    def of(cls, preamble: Preamble, key: str, tags: tuple[str, ...]) -> DiskEntry:
        """The entry of a file that is there."""
        return cls(
            key=key,
            tags=tags,
            meta_bytes=preamble.meta_bytes,
            body_bytes=preamble.body_bytes,
            stamp=preamble.stamp,
            stale=not preamble.fresh,
            ready=True,
        )

    @property
    def body_at(self) -> int:
        return PREAMBLE_BYTES + self.meta_bytes

    @property
    def file_bytes(self) -> int:
        return self.body_at + self.body_bytes

    @property
    def size(self) -> int:
        """What it takes on disk, in whole blocks."""
        return -(-self.file_bytes // _DISK_BLOCK) * _DISK_BLOCK
