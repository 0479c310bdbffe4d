"""Where content keys come from: a master secret, or the operator's files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from config.contracts.content_keys import KEY_BYTES, KID_BYTES, BadKeyId, KeyId
from config.contracts.paths import BadPath, checked_path
from config.runtime.content_keys import content_key, number_of_kid
from config.runtime.storage.base import ObjectNotFound, StorageError
from config.runtime.storage.folder import FolderStorage
from edge.errors import OriginFailed, OriginTimeout

# A disk that does not answer for so long will not help a viewer either.
_LONGEST_WAIT_SECONDS = 10.0


class KeyStore(Protocol):
    """The keys of one origin."""

    async def key(self, title: str, key_id: str) -> bytes | None:
        """The 16 bytes of a key that a playlist of ``title`` names; ``None`` if there is none."""

    async def key_of(self, title: str, kid: bytes) -> bytes | None:
        """The 16 bytes of the key with this KID; ``None`` if ``title`` has none."""


class DerivedKeyStore:
    """Keys made when they are asked for."""

    def __init__(
        self,
        masters: Mapping[str, bytes],
        *,
        period_seconds: float | None,
        clock: Callable[[], float],
    ) -> None:
        self._masters = masters
        self._period_seconds = period_seconds
        self._clock = clock

    async def key(self, title: str, key_id: str) -> bytes | None:
        """The key ``{master}.{n}``."""
        try:
            wanted = KeyId.parse(key_id)
        except BadKeyId:
            return None
        master = self._masters.get(wanted.master)
        if master is None or not self._is_due(wanted.number):
            return None
        return content_key(master, title=title, key_id=key_id)

    async def key_of(self, title: str, kid: bytes) -> bytes | None:
        """The key of a KID that one of the masters made for this title."""
        for master_id, master in self._masters.items():
            number = number_of_kid(master, title=title, master_id=master_id, kid=kid)
            if number is not None:
                if not self._is_due(number):
                    return None
                return content_key(master, title=title, key_id=kid.hex())
        return None

    def _is_due(self, number: int) -> bool:
        """Whether a key may be known by now: players ask a little ahead of what they play."""
        if self._period_seconds is None:
            return True
        return number <= self._clock() // self._period_seconds + 1


class FolderKeyStore:
    """Files of 16 bytes, ``{title}/{key id}``; for ClearKey the key id is the KID in hexadecimal digits."""

    def __init__(self, folder: Path) -> None:
        self._storage = FolderStorage(folder)

    async def key(self, title: str, key_id: str) -> bytes | None:
        """The bytes of the file, if it is a key."""
        try:
            path = checked_path(f"{title}/{key_id}")
        except BadPath:
            return None
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                return await self._read(path)
        except ObjectNotFound:
            return None
        except TimeoutError as error:
            raise OriginTimeout("The folder of keys did not answer in time.") from error
        except StorageError as error:
            raise OriginFailed("The folder of keys failed.") from error

    async def key_of(self, title: str, kid: bytes) -> bytes | None:
        """The bytes of the file that is named by the KID."""
        return await self.key(title, kid.hex()) if len(kid) == KID_BYTES else None

    async def _read(self, path: str) -> bytes | None:
        info = await self._storage.stat(path)
        if info.size_bytes != KEY_BYTES:
            return None
        chunks = [chunk async for chunk in self._storage.read(path, etag=info.etag)]
        return b"".join(chunks)
