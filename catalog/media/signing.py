"""Signs playback tokens with the keys of a file, and notices when the file is replaced."""

from __future__ import annotations

from pathlib import Path

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import BadKeys, KeySet
from config.runtime.logging import get_logger

log = get_logger(__name__)


class FileSigner:
    """The keys of a JWK Set file; a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = self._stat()
        self._keys = _with_private_key(path)

    def sign(self, claims: PlaybackClaims) -> str:
        """The token of these claims."""
        version = self._stat()
        if version != self._version:
            self._version = version
            try:
                self._keys = _with_private_key(self._path)
            except BadKeys as error:
                log.error("new signing keys cannot be used", error=str(error))
        return self._keys.sign(claims)

    def _stat(self) -> tuple[int, int]:
        try:
            stat = self._path.stat()
        except OSError:
            return (0, 0)
        return stat.st_mtime_ns, stat.st_ino


def _with_private_key(path: Path) -> KeySet:
    keys = KeySet.read(path)
    if all(key.signing is None for key in keys.keys.values()):
        raise BadKeys(f"{path}: no private key to sign with")
    return keys
