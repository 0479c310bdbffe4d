"""Keeps the journal as the registry changes: what changed since the last turn, in slices, written by a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from config.runtime.logging import get_logger
from edge import metrics
from edge.sessions.journal import (
    Journal,
    Word,
    pack_figures,
    pack_forgotten,
    pack_named,
    pack_stored,
    pack_word,
)
from edge.sessions.life import Session
from edge.sessions.outgoing import Outgoing
from edge.sessions.table import Table

log = get_logger(__name__)

_AT_ONCE = 250
_SYNC_SECONDS = 5.0
_SMALL_BYTES = 2**20
_PER_SESSION_BYTES = 600
_TRY_AGAIN_SECONDS = 30.0
_MOST_RECORDS = 100_000


class Keeper:
    """Figures are absolute, so that only the last of them matters; a disk that fails costs nothing while we live."""

    def __init__(
        self,
        journal: Journal,
        table: Table,
        outgoing: Outgoing,
        *,
        most_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._table = table
        self._outgoing = outgoing
        self._most_bytes = most_bytes
        self._clock = clock
        self._changed: dict[str, Session] = {}  # bounded by the registry
        self._records: list[bytes] = []  # bounded: beyond, the file is written anew
        self._live_bytes = 0  # of the file when it was written anew last
        self._needs_anew = False
        self._anew_at = 0.0
        self._synced_at = 0.0
        self._is_failing = False
        self._turn = asyncio.Lock()
        # One thread, so that what a cancelled turn left to it ends before the next begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="session-journal")

    def changed(self, session: Session) -> None:
        """Its figures are to be written."""
        self._changed[session.name] = session

    def forgotten(self, session: Session) -> None:
        """It is known no longer."""
        self._changed.pop(session.name, None)
        if session.is_kept:
            self._write(pack_forgotten(session))

    def said(self, word: Word) -> None:
        """An event that waits."""
        self._write(pack_word(word))

    def stored(self, number: int) -> None:
        """The catalog has all events up to ``number``."""
        self._write(pack_stored(number))

    def anew(self) -> None:
        """What the file holds besides what is known now is to go at once."""
        self._needs_anew = True
        self._anew_at = 0.0

    async def turn(self, *, sync: bool = False) -> bool:
        """Have the disk know what changed (``sync``: also after a power failure); whether it does."""
        async with self._turn:
            now = self._clock()
            try:
                if self._is_to_be_anew(now):
                    self._anew_at = now
                    await self._write_anew()
                elif self._is_full():
                    return False
                await self._append()
                if sync or abs(now - self._synced_at) >= _SYNC_SECONDS:
                    self._synced_at = now
                    await self._in_thread(self._journal.sync)
            except OSError as error:
                self._failed(error)
                return False
            finally:
                metrics.SESSION_JOURNAL_BYTES.set(self._journal.bytes)
            if self._is_failing:
                self._is_failing = False
                log.info("what sessions were given is kept on the disk again")
            return True

    def _failed(self, error: OSError) -> None:
        metrics.SESSION_JOURNAL_FAILURES.inc()
        if not self._is_failing:
            log.error("what sessions were given is not kept on the disk", error=str(error))
        self._is_failing = True
        self._needs_anew = True  # nobody knows what the file holds

    def close(self) -> None:
        """Let go of the file; what is being written is first."""
        self._thread.shutdown()
        self._journal.close()

    def _is_full(self) -> bool:
        if self._needs_anew or self._journal.bytes > self._most_bytes:
            metrics.SESSION_DROPPED.labels("journal").inc()
            return True
        return False

    def _is_to_be_anew(self, now: float) -> bool:
        if self._needs_anew or self._journal.bytes > self._most_bytes:
            return abs(now - self._anew_at) >= _TRY_AGAIN_SECONDS
        live = max(_SMALL_BYTES, self._live_bytes, len(self._table) * _PER_SESSION_BYTES)
        return self._journal.bytes > 4 * live

    async def _append(self) -> None:
        records, self._records = self._records, []
        changed, self._changed = self._changed, {}
        try:
            packed = records + await self._packed(changed.values())
            if packed:
                await self._in_thread(self._journal.append, packed)
        except BaseException as error:
            self._put_back(changed, records, error)
            raise

    async def _write_anew(self) -> None:
        """What changes meanwhile is written behind it at the next turn."""
        records, self._records = self._records, []
        changed, self._changed = self._changed, {}
        self._needs_anew = False  # who is forgotten from here on needs it once more
        try:
            for session in self._table:
                session.is_kept = False
            everything = list(self._table)
            packed = await self._packed(everything)
            packed += map(pack_word, self._outgoing.waiting)
            packed.append(pack_stored(self._outgoing.stored))
            await self._in_thread(self._journal.write_anew, packed)
        except BaseException as error:
            self._put_back(changed, records, error)
            raise
        self._live_bytes = self._journal.bytes
        for session in everything:  # forgotten meanwhile, and said so to the file before
            if self._table.find(session.id) is not session:
                self._write(pack_forgotten(session))

    def _put_back(
        self, changed: dict[str, Session], records: list[bytes], error: BaseException
    ) -> None:
        self._changed = changed | self._changed
        self._records = records + self._records
        if not isinstance(error, OSError):
            self.anew()  # cancelled: which of them the file names already is not known

    async def _packed(self, sessions: Iterable[Session]) -> list[bytes]:
        packed: list[bytes] = []
        for number, session in enumerate(sessions, start=1):
            if not session.is_kept:
                packed.append(pack_named(session))
                session.is_kept = True
            packed.append(pack_figures(session))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
        return packed

    async def _in_thread(self, work: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _write(self, record: bytes) -> None:
        self._records.append(record)
        if len(self._records) > _MOST_RECORDS:
            self._records.clear()
            self._needs_anew = True
