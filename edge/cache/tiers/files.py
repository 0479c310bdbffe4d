"""Names, writing and removing of stored objects. Everything here blocks and belongs into a thread."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.format import STALE, STATE_AT, Damaged, Head, Preamble
from edge.cache.tiers.purge import base_of

T = TypeVar("T")

DIGEST_BYTES = 16
_FIRST_READ_BYTES = 4096
_INCOMING = "incoming"
_ATTEMPTS = 5
_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})\Z")
_TEMPORARY = re.compile(r"[0-9]+-[0-9]+-[0-9a-f]{16}\Z")
_FOLDER = re.compile(r"[0-9a-f]{1,2}\Z")
# Of this process, which says nothing about the file.
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# Whatever lies in the folder is opened without following links and without waiting for a pipe's other end.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def digest_of(key: str) -> bytes:
    """What a key's file is named by. The first half is that of its URL, so that variants and slices share an owner."""
    return _half(base_of(key)) + _half(key)


def path_of(root: str, digest: bytes, stamp: int) -> str:
    """Where one version of an object lies; no two versions share a name, so none is removed for another."""
    name = digest.hex()
    return f"{root}/{name[0]}/{name[1:3]}/{name}-{stamp:016x}"


def path_in(root: str, entry: DiskEntry) -> str:
    """Where the file of ``entry`` lies."""
    return path_of(root, digest_of(entry.key), entry.stamp)


def write(root: str, digest: bytes, stamp: int, slot: int, head: bytes, body: bytes) -> None:
    """Write an object so that it is there whole or not at all; an ``OSError`` leaves nothing behind.

    It is not synced: after a power cut, lengths and checksums tell.
    """
    final = path_of(root, digest, stamp)
    temporary, fd = _create(f"{root}/{_INCOMING}/{os.getpid()}-{slot}", stamp)
    try:
        try:
            _write_all(fd, [head, body])
            # Under the lock until it has its name: others remove what nobody holds.
            _with_folder(final, lambda: Path(temporary).rename(final))
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def remove(path: str) -> None:
    """Remove a file; an ``OSError`` if it is still there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        Path(path).unlink()


def mark_stale(path: str) -> None:
    """Note in the file that it must be validated before use; nothing if it is gone."""
    with suppress(FileNotFoundError, NotADirectoryError):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, STALE, STATE_AT)
        finally:
            os.close(fd)


def open_for_reading(path: str) -> int:
    """A descriptor of the file; an ``OSError`` if there is none."""
    return os.open(path, _READ)


def read_exactly(fd: int, length: int, at: int) -> bytes:
    """``length`` bytes from there; ``Damaged`` if the file ends before."""
    data = os.pread(fd, length, at)
    if len(data) == length:
        return data
    parts = [data]
    got = len(data)
    while got < length:  # one read returns at most 2 GiB, and a signal may cut it short
        part = os.pread(fd, length - got, at + got)
        if not part:
            raise Damaged("the file is cut")
        parts.append(part)
        got += len(part)
    return b"".join(parts)


def scan(root: str, owns: Callable[[bytes], bool]) -> list[DiskEntry]:
    """All objects of this process, oldest first.

    Of its own files, those that are not whole are removed, and all but the newest of each key. Nothing else is touched.
    """
    Path(root, _INCOMING).mkdir(parents=True, exist_ok=True)
    _remove_abandoned(f"{root}/{_INCOMING}")
    newest: dict[bytes, DiskEntry] = {}
    for path, digest, stamp in _objects(root):
        if not owns(digest):
            continue
        entry = _checked_entry(path, digest, stamp)
        if entry is None:
            with suppress(OSError):
                Path(path).unlink()
            continue
        other = newest.get(digest)
        if other is not None:
            older = min(stamp, other.stamp)
            with suppress(OSError):
                Path(path_of(root, digest, older)).unlink()
            if older == stamp:
                continue
        newest[digest] = entry
    return sorted(newest.values(), key=lambda entry: entry.stamp)


def _objects(root: str) -> Iterator[tuple[str, bytes, int]]:
    for first in _entries(root):
        if not _FOLDER.match(first.name) or not first.is_dir(follow_symlinks=False):
            continue
        for second in _entries(first.path):
            if not _FOLDER.match(second.name) or not second.is_dir(follow_symlinks=False):
                continue
            for entry in _entries(second.path):
                if match := _NAME.match(entry.name):
                    yield entry.path, bytes.fromhex(match[1]), int(match[2], 16)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _checked_entry(path: str, digest: bytes, stamp: int) -> DiskEntry | None:
    """The entry of a file, or ``None`` if the file is not one that this program wrote in whole under this name."""
    try:
        fd = os.open(path, _READ)
    except OSError as error:
        if error.errno in _SHORTAGE:
            raise
        return None
    try:
        data = os.pread(fd, _FIRST_READ_BYTES, 0)
        preamble = Preamble.parse(data)
        if len(data) < preamble.body_at:
            data = read_exactly(fd, preamble.body_at, 0)
        head = Head.parse(data, file_bytes=os.fstat(fd).st_size)
    except (OSError, Damaged):
        return None
    finally:
        os.close(fd)
    if digest_of(head.key) != digest or preamble.stamp != stamp:
        return None
    return DiskEntry.of(preamble, head.key, head.tags)


def _remove_abandoned(folder: str) -> None:
    """Remove what dead processes were writing."""
    for entry in _entries(folder):
        if not _TEMPORARY.match(entry.name):
            continue
        with suppress(OSError):
            fd = os.open(entry.path, _READ)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink()
            finally:
                os.close(fd)


def _create(prefix: str, stamp: int) -> tuple[str, int]:
    """A new file, locked; the lock ends with the process, by which others know a file that nobody writes any more."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for attempt in range(_ATTEMPTS):
        path = f"{prefix}-{stamp + attempt:016x}"
        fd = _with_folder(path, partial(os.open, path, flags, 0o600))
        try:
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A process that starts may have found it before it was locked, and removed it.
                if os.fstat(fd).st_nlink:
                    return path, fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise BlockingIOError(errno.EAGAIN, "others removed what was being written")


def _with_folder(path: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return act()


def _write_all(fd: int, parts: list[bytes]) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(fd, view) :]


def _half(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES // 2).digest()
