"""Storage in a folder of this machine: atomic by rename."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from config.contracts.paths import BadPath, checked_path
from config.runtime.storage.base import (
    CHUNK_BYTES,
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    StorageError,
    StorageFull,
)
from config.runtime.threads import Checkpoint, in_thread

_TEMPORARY = ".new-"  # no key has a segment that starts with a dot
_COPY_BYTES = 2**20


class FolderStorage:
    """Objects are files below ``root``; file work runs in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def stat(self, key: str) -> ObjectInfo:
        path = self._path(key)
        with _reading(key):
            return _describe(key, await asyncio.to_thread(path.stat))

    async def read(
        self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AsyncIterator[bytes]:
        path = self._path(key)
        with _reading(key):
            file, info = await _opened(key, path)
            with file:
                if etag is not None and info.etag != etag:
                    raise ObjectChanged(key)
                left = (info.size_bytes if stop is None else min(stop, info.size_bytes)) - start
                offset = start
                while left > 0:
                    chunk = await asyncio.to_thread(
                        os.pread, file.fileno(), min(left, CHUNK_BYTES), offset
                    )
                    if not chunk:
                        raise ObjectChanged(key)
                    left -= len(chunk)
                    offset += len(chunk)
                    yield chunk

    async def write(self, key: str, body: bytes) -> ObjectInfo:
        path = self._path(key)
        with _writing(key):
            return await in_thread(lambda checkpoint: _write(key, path, body, checkpoint))

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        path = self._path(key)
        await asyncio.to_thread(source.stat)  # a source that is not there is the caller's fault
        with _writing(key):
            return await in_thread(lambda checkpoint: _place(key, path, source, move, checkpoint))

    async def download(self, key: str, target: Path) -> ObjectInfo:
        path = self._path(key)
        with _reading(key):
            file, info = await asyncio.to_thread(_open, key, path)
        with file:
            try:
                await in_thread(lambda checkpoint: _copy(file, target, checkpoint))
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return info

    async def delete(self, key: str) -> None:
        path = self._path(key)
        with _writing(key), contextlib.suppress(NotADirectoryError, IsADirectoryError):
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        for key in await asyncio.to_thread(self._walk, prefix):
            yield key

    def _walk(self, prefix: str) -> list[str]:
        folder = prefix.rpartition("/")[0]
        try:
            start = self._root / checked_path(folder) if folder else self._root
        except BadPath:  # nothing can lie there, and it may lead out of this storage
            return []
        found = []
        for parent, _, names in os.walk(start):
            for name in names:
                key = (Path(parent) / name).relative_to(self._root).as_posix()
                if key.startswith(prefix) and not name.startswith("."):
                    found.append(key)
        return found

    def _path(self, key: str) -> Path:
        try:
            return self._root / checked_path(key)
        except BadPath as error:
            raise ObjectNotFound(key) from error


def _describe(key: str, status: os.stat_result) -> ObjectInfo:
    if not stat.S_ISREG(status.st_mode):
        raise ObjectNotFound(key)
    return ObjectInfo(
        key=key,
        size_bytes=status.st_size,
        etag=f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"',
        modified_at=status.st_mtime,
    )


async def _opened(key: str, path: Path) -> tuple[BinaryIO, ObjectInfo]:
    opening = asyncio.ensure_future(asyncio.to_thread(_open, key, path))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # The thread cannot be stopped, and nobody will get what it opens.
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: asyncio.Future[tuple[BinaryIO, ObjectInfo]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


def _open(key: str, path: Path) -> tuple[BinaryIO, ObjectInfo]:
    file = path.open("rb", buffering=0)
    try:
        return file, _describe(key, os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise


def _write(key: str, path: Path, body: bytes, checkpoint: Checkpoint) -> ObjectInfo:
    def fill(temporary: Path) -> None:
        with temporary.open("xb") as file:
            file.write(body)

    return _replace(key, path, fill, checkpoint)


def _place(key: str, path: Path, source: Path, move: bool, checkpoint: Checkpoint) -> ObjectInfo:
    def fill(temporary: Path) -> None:
        with source.open("rb") as file:
            _copy(file, temporary, checkpoint)

    if move and (info := _moved(key, path, source)):
        return info
    info = _replace(key, path, fill, checkpoint)
    if move:
        source.unlink(missing_ok=True)
    return info


def _moved(key: str, path: Path, source: Path) -> ObjectInfo | None:
    """Rename the source to its place; ``None`` if it is on another file system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sync(source)
    info = _describe(key, source.stat())
    try:
        source.replace(path)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return None
        raise
    return info


def _replace(
    key: str, path: Path, fill: Callable[[Path], None], checkpoint: Checkpoint
) -> ObjectInfo:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_TEMPORARY + secrets.token_hex(8))
    try:
        fill(temporary)
        _sync(temporary)
        info = _describe(key, temporary.stat())
        checkpoint()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return info


def _copy(file: BinaryIO, target: Path, checkpoint: Checkpoint) -> None:
    with target.open("wb") as copy:
        while chunk := file.read(_COPY_BYTES):
            checkpoint()
            copy.write(chunk)


def _sync(path: Path) -> None:
    """After a power cut a name must not stand for a file without its bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ObjectNotFound(key) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file here has such a name
            raise ObjectNotFound(key) from error
        raise StorageError(f"{key}: {error.strerror}") from error


@contextlib.contextmanager
def _writing(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"no room left for {key}") from error
        raise StorageError(f"{key}: {error.strerror}") from error
