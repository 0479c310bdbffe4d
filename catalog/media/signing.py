"""Signs playback tokens with the keys of a file, and notices when the file is replaced."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import BadKeys, KeySet
from config.runtime.logging import get_logger

log = get_logger(__name__)

Version = tuple[int, int, int, int]


class FileSigner:
    """The keys of a JWK Set file; a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = self._stat()
        self._keys = _with_private_key(path)

    def sign(self, claims: PlaybackClaims) -> str:
        """The token of these claims."""
        return self._current().sign(claims)

    def published(self) -> dict[str, Any]:
        """A JWK Set of what everybody may see: keys that will sign soon, and those whose tokens still hold, too."""
        return self._current().at(time.time()).public()

    def _current(self) -> KeySet:
        version = self._stat()
        if version != self._version:
            self._version = version
            try:
                self._keys = _with_private_key(self._path)
            except BadKeys as error:
                log.error("new signing keys cannot be used", error=str(error))
        return self._keys

    def _stat(self) -> Version | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _with_private_key(path: Path) -> KeySet:
    keys = KeySet.read(path)
    if all(key.signing is None for key in keys.keys.values()):
        raise BadKeys(f"{path}: no private key to sign with")
    return keys
