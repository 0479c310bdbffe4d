"""What every form of storage can do, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Bytes that a read yields at a time.
CHUNK_BYTES = 256 * 1024


class StorageError(Exception):
    """Storage could not do what it was asked; trying later may help."""


class ObjectNotFound(StorageError):
    """There is no object with this key."""


class ObjectChanged(StorageError):
    """The object is no longer the one that was looked at."""


class StorageFull(StorageError):
    """Storage has no room left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What is known of an object without reading it."""

    key: str
    size_bytes: int
    etag: str  # an entity tag with its quotes, RFC 9110 section 8.8.3
    modified_at: float  # seconds since the epoch, UTC


class Storage(Protocol):
    """Objects by key (see ``config.contracts.paths``); a key is written whole or not at all."""

    async def stat(self, key: str) -> ObjectInfo:
        """Describe an object, or raise ``ObjectNotFound``."""
        ...

    def read(
        self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes ``start`` to ``stop`` (exclusive); raise ``ObjectChanged`` if ``etag`` no longer holds."""
        ...

    async def write(self, key: str, body: bytes) -> ObjectInfo:
        """Create or replace a small object."""
        ...

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        """Create or replace an object from a file; ``move`` lets the file go."""
        ...

    async def download(self, key: str, target: Path) -> ObjectInfo:
        """Copy an object to a local file, or raise ``ObjectNotFound``."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """Yield every key that starts with ``prefix``, in no order."""
        ...
