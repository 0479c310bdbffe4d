"""Uploads on the local disk: the length of a file is how far its upload is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from catalog import metrics
from catalog.errors import (
    CatalogError,
    ChecksumMismatch,
    NoRoom,
    OffsetMismatch,
    StorageUnavailable,
    TooLarge,
    UploadNotFound,
)
from catalog.media.ports import Checksum

# Big enough that a thread is worth its trouble, small enough that a few uploads cost no memory.
_WRITE_BYTES = 2**20


class FolderSpool:
    """One file for every upload; file work runs in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, media_id: UUID) -> Path:
        """Where the bytes of an upload lie."""
        return self._folder / str(media_id)

    async def size(self, media_id: UUID) -> int | None:
        """Bytes that are there, ``None`` without a file."""
        try:
            return (await asyncio.to_thread(self.path(media_id).stat)).st_size
        except FileNotFoundError:
            return None

    async def create(self, media_id: UUID) -> None:
        """Make an empty file."""
        with _translated():
            await asyncio.to_thread(self._create, media_id)

    async def append(
        self,
        media_id: UUID,
        *,
        offset: int,
        most: int,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> int:
        """Write the pieces at ``offset``; the new size, durable.

        More than ``most`` bytes are none at all. So is a body with a checksum that does not keep it, also one
        that was cut: whether its first half was right, nobody can say.
        """
        with _translated():
            descriptor = await asyncio.to_thread(_open_at, self.path(media_id), offset)
        writer = _Writer(descriptor, checksum)
        kept = False
        try:
            written = 0
            async with contextlib.aclosing(_batched(pieces)) as batches:
                async for batch in batches:
                    written += len(batch)
                    if written > most:
                        raise TooLarge
                    with _translated():
                        await asyncio.to_thread(writer.write, batch)
                    metrics.UPLOAD_BYTES.inc(len(batch))
            if checksum is not None and not checksum.is_kept():
                raise ChecksumMismatch
            kept = True
        except TooLarge:
            raise
        except BaseException:
            kept = checksum is None
            raise
        finally:
            # Also when this request is cancelled: the next one finds either all of it or nothing.
            size = await asyncio.shield(asyncio.to_thread(writer.finish, None if kept else offset))
        return size

    async def remove(self, media_id: UUID) -> None:
        """Forget the bytes; a file that is not there is fine."""
        await asyncio.to_thread(self.path(media_id).unlink, missing_ok=True)

    async def older_than(self, at: datetime) -> list[UUID]:
        """The uploads whose files nobody has written to since then."""
        return await asyncio.to_thread(self._older_than, at.timestamp())

    def _older_than(self, at: float) -> list[UUID]:
        if not self._folder.is_dir():
            return []
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(ValueError, FileNotFoundError):
                    if entry.stat().st_mtime < at:
                        found.append(UUID(entry.name))
        return found

    def _create(self, media_id: UUID) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.path(media_id).open("xb").close()


class _Writer:
    """The end of one file."""

    def __init__(self, descriptor: int, checksum: Checksum | None) -> None:
        self._descriptor = descriptor
        self._checksum = checksum

    def write(self, data: bytes) -> None:
        """Write all of it, or as much as fits and then raise."""
        if self._checksum is not None:
            self._checksum.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def finish(self, cut_to: int | None) -> int:
        """Make what is kept durable and close the file; its size."""
        try:
            if cut_to is not None:
                os.ftruncate(self._descriptor, cut_to)
            os.fsync(self._descriptor)
            return os.fstat(self._descriptor).st_size
        finally:
            os.close(self._descriptor)


async def _batched(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in fewer, larger pieces; what came before a failure is not lost."""
    buffer = bytearray()
    failure: CatalogError | None = None
    try:
        async for piece in pieces:
            buffer += piece
            if len(buffer) >= _WRITE_BYTES:
                yield bytes(buffer)
                buffer.clear()
    except CatalogError as error:  # the client was too slow or left
        failure = error
    if buffer:
        yield bytes(buffer)
    if failure is not None:
        raise failure


def _open_at(path: Path, offset: int) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    size = os.fstat(descriptor).st_size
    if size != offset:
        os.close(descriptor)
        raise OffsetMismatch(size)
    return descriptor


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UploadNotFound from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoRoom from error
        raise StorageUnavailable from error
