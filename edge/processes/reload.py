"""Reads the settings again, and takes them into use only if they are good as a whole."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from config.runtime.keys import KeySet
from config.runtime.logging import get_logger
from config.runtime.processes import WrongUse
from config.settings.load import BadSettings, Settings, read_settings
from edge import metrics
from edge.cache.ads.policies import open_policies
from edge.content_keys.open import open_key_stores
from edge.geo.places import open_sources
from edge.processes.fleet import Checked, Fleet
from edge.processes.worker import WorkerFailed

log = get_logger(__name__)

_MOST_WAITING = 2


class NotReloaded(Exception):
    """The settings in use were kept; the message says why in one line."""


class Busy(NotReloaded):
    """Others wait for their reload already."""


def check(settings: Settings, folder: Path, *, number: int) -> Checked:
    """The settings with a copy of the key file as it is now, so that a later change does not reach a worker unasked.

    ``WrongUse`` if the keys cannot be used, or could be fetched as files, files of places cannot be read, or rules of
    ad breaks are not there.
    A plain proxy needs no keys.
    """
    open_key_stores(settings, clock=time.time)
    open_sources(settings.edge.geo)
    open_policies(settings.edge)
    if settings.tokens.jwks_url is not None:  # the workers fetch
        return Checked(settings=settings, keys_file=None)
    source = settings.keys_file
    needless = settings.edge.root_origin is not None and settings.tokens.keys_file is None
    if needless and not source.exists():
        return Checked(settings=settings, keys_file=None)
    KeySet.read(source)
    copy = folder / f"keys-{number}.json"
    copy.touch(mode=0o600)
    try:
        shutil.copyfile(source, copy)
        KeySet.read(copy)  # it may have changed between the two
    except OSError as error:
        raise WrongUse(f"{error.filename}: {error.strerror}") from error
    return Checked(settings=settings, keys_file=copy)


class Reloader:
    """One reload or restart at a time."""

    def __init__(self, fleet: Fleet, *, read: Callable[[], Settings] = read_settings) -> None:
        self._fleet = fleet
        self._read = read
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._number = 1
        self.last_error: str | None = None
        self.last_at = time.time()
        metrics.RELOAD_SUCCESS.set(1)
        metrics.RELOAD_TIMESTAMP.set(self.last_at)

    async def reload(self) -> tuple[str, ...]:
        """Go over to the settings as they are now; which changes need a whole restart. ``NotReloaded`` otherwise."""
        async with _Turn(self):
            old = self._fleet.checked
            try:
                checked = await asyncio.to_thread(self._check_anew)
                await self._fleet.roll(checked, reason="reload")
            except (BadSettings, WrongUse, WorkerFailed) as error:
                self.last_error = str(error)
                metrics.RELOAD_SUCCESS.set(0)
                log.error("reload refused", error=str(error))
                self._forget_keys()
                raise NotReloaded(str(error)) from error
            self._forget_keys()
            self.last_error = None
            self.last_at = time.time()
            metrics.RELOAD_SUCCESS.set(1)
            metrics.RELOAD_TIMESTAMP.set(self.last_at)
            later = fixed_changes(old.settings, checked.settings)
            log.info("reloaded", restart_needed=later)
            return later

    async def restart(self) -> None:
        """Replace every worker, with the settings in use."""
        async with _Turn(self):
            try:
                await self._fleet.roll(self._fleet.checked, reason="restart")
            except WorkerFailed as error:
                log.error("restart failed", error=str(error))
                raise NotReloaded(str(error)) from error
            log.info("restarted")

    def _check_anew(self) -> Checked:
        self._number += 1
        return check(self._read(), self._fleet.folder, number=self._number)

    def _forget_keys(self) -> None:
        used = self._fleet.checked.keys_file
        for path in self._fleet.folder.glob("keys-*.json"):
            if path != used:
                path.unlink(missing_ok=True)

    async def enter(self) -> None:
        """Wait for one's turn."""
        if self._waiting >= _MOST_WAITING:
            raise Busy("a reload is running and others wait already")
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Let the next one begin."""
        self._lock.release()


class _Turn:
    """The time in which one reload or restart is done."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader

    async def __aenter__(self) -> None:
        await self._reloader.enter()

    async def __aexit__(self, *_error: object) -> None:
        self._reloader.leave()


def fixed_changes(old: Settings, new: Settings) -> tuple[str, ...]:
    """The settings that differ and that the parent read once for its whole life."""
    pairs = {
        "var_dir": (old.var_dir, new.var_dir),
        "log": (old.log, new.log),
        "redis": (old.redis, new.redis),
        "edge.listen": (old.edge.listen, new.edge.listen),
        "edge.admin": (old.edge.admin, new.edge.admin),
        "edge.workers": (old.edge.workers, new.edge.workers),
        "tokens.revocation.most": (old.tokens.revocation.most, new.tokens.revocation.most),
        "sessions": (old.sessions, new.sessions),
        "edge.http": (old.edge.http.backlog, new.edge.http.backlog),
    }
    return tuple(name for name, (before, after) in pairs.items() if before != after)
