"""The digest that names a source."""

from __future__ import annotations

import hashlib
from pathlib import Path

from config.runtime.threads import Checkpoint

_CHUNK_BYTES = 2**20


def sha256_of(path: Path, checkpoint: Checkpoint) -> str:
    """The SHA-256 of a file, in hex; blocking."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checkpoint()
            digest.update(chunk)
    return digest.hexdigest()
