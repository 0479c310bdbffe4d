"""The worker's folder for work in progress: locked while it lives, removed when its owner is dead."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.runtime.logging import get_logger

log = get_logger(__name__)

_PREFIX = "worker-"
_LOCK = ".lock"


@contextlib.contextmanager
def worker_folder(root: Path) -> Iterator[Path]:
    """A folder of this process alone, removed at the end; folders that dead workers left are removed first."""
    root.mkdir(parents=True, exist_ok=True)
    # One worker at a time starts here, so that none removes a folder whose owner is about to lock it.
    with (root / _LOCK).open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        remove_leftovers(root)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def job_folder(worker: Path) -> Iterator[Path]:
    """A folder of one attempt, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=worker))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(root: Path) -> int:
    """Remove the folders of workers that died, and count them: the kernel dropped their locks with them."""
    removed = 0
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # its owner lives, or it went away meanwhile
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                removed += 1
            finally:
                os.close(lock)
    if removed:
        log.info("scratch of dead workers removed", count=removed)
    return removed
