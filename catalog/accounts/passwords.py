"""Argon2id off the event loop: few at a time, and only so many in the queue."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from catalog.errors import TooBusy

_MAX_WAITING = 64

P = ParamSpec("P")
T = TypeVar("T")


class Argon2Passwords:
    """Hashes and checks passwords; one check takes about 130 ms and 64 MiB."""

    def __init__(
        self, hasher: PasswordHash | None = None, *, parallel: int = os.cpu_count() or 1
    ) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._slots = asyncio.Semaphore(parallel)
        self._parallel = parallel
        self._waiting = 0
        self._nobody: str | None = None

    async def prepare(self) -> None:
        """Make the hash that unknown logins are checked against, so that the first of them is no slower."""
        self._nobody = await self.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether they match, and a new hash if the stored one is out of date; ``None`` takes as long."""
        if stored is None:
            if self._nobody is None:
                await self.prepare()
            await self._run(self._hasher.verify, password, self._nobody or "")
            return False, None
        try:
            return await self._run(self._hasher.verify_and_update, password, stored)
        except UnknownHashError:
            return False, None

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _MAX_WAITING + self._parallel:
            raise TooBusy
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
