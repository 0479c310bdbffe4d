"""What is done with the events of edges, and with what was stored of them when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from catalog import metrics
from catalog.streams.domain import subject_hash
from catalog.streams.ports import UnitOfWork, Unstorable
from catalog.streams.reading import Unreadable, read
from catalog.streams.told import Batch, Told, advance, boots_of, is_forgotten
from config.contracts.stream_events import KINDS, Entry
from config.runtime.logging import get_logger

log = get_logger(__name__)

Units = Callable[[], UnitOfWork]

# An edge that says nothing of a running session for so long is gone for good; if not, its next word mends that.
_SILENT = timedelta(hours=6)
# A journal that lay on a machine for longer than this is not believed to come back.
_KEEP_BOOTS = timedelta(days=30)
_AT_ONCE = 5000


async def store_events(entries: Sequence[Entry], *, units: Units, now: datetime) -> dict[str, int]:
    """Store what is new of these, all or nothing; up to where each of their boots is stored now."""
    if not entries:
        return {}
    try:
        return await _store(entries, units(), now=now)
    except Unstorable as error:
        if len(entries) == 1:
            cause = type(error.__cause__).__name__  # its text may name the viewer
            log.error("a stream event cannot be stored", boot=entries[0].boot, error=cause)
            return await _store(entries, units(), now=now, without=True)
    # One of them: those around it must not suffer.
    middle = len(entries) // 2
    first = await store_events(entries[:middle], units=units, now=now)
    return first | await store_events(entries[middle:], units=units, now=now)


async def _store(
    entries: Sequence[Entry], uow: UnitOfWork, *, now: datetime, without: bool = False
) -> dict[str, int]:
    async with uow:
        stored = await uow.streams.lock_boots(boots_of(entries), now=now)
        new, reached = advance(stored, entries)
        told = [] if without else _readable(new)
        hashes = {subject_hash(item.event.start.subject) for item in told}
        forgotten = await uow.streams.forgotten(hashes)
        batch = Batch()
        for item in told:
            if not is_forgotten(item.event.start, forgotten):
                batch.add(item)
        await uow.streams.store(batch)
        # In the same commit as their effects: what is sent again is stored once.
        await uow.streams.set_boots(reached, now=now)
        await uow.commit()
    metrics.STREAM_EVENTS.labels("any", "again").inc(len(entries) - len(new))
    for item in told:
        metrics.STREAM_EVENTS.labels(item.event.NAME, "stored").inc()
    return reached


def _readable(entries: Sequence[Entry]) -> list[Told]:
    found = []
    for entry in entries:
        try:
            found.append(read(entry))
        except Unreadable as error:
            # One that cannot be read now never can be: it must not stop those behind it.
            kind = entry.kind if entry.kind in KINDS else "unknown"
            metrics.STREAM_EVENTS.labels(kind, "unreadable").inc()
            log.warning("a stream event cannot be read", kind=kind, field=str(error)[:64])
    return found


async def stored_boots(*, uow: UnitOfWork, now: datetime) -> dict[str, int]:
    """Up to where each boot is stored that was heard of lately."""
    async with uow:
        return await uow.streams.recent_boots(since=now - _KEEP_BOOTS)


async def forget_old_streams(*, units: Units, retention: timedelta, now: datetime) -> int:
    """Remove what is older than ``retention``, stop what is silent for good; how many sessions were removed."""
    async with units() as uow:
        await uow.streams.remove_old_boots(before=now - _KEEP_BOOTS)
        await uow.streams.remove_old_forgotten(before=now - max(retention, _KEEP_BOOTS))
        await uow.commit()
    removed = 0
    while True:  # in pieces, none of which holds rows for long
        async with units() as uow:
            streams = uow.streams
            closed = await streams.close_silent(before=now - _SILENT, limit=_AT_ONCE)
            sessions = await streams.remove_old(before=now - retention, limit=_AT_ONCE)
            refused = await streams.remove_old_rejections(before=now - retention, limit=_AT_ONCE)
            await uow.commit()
        removed += sessions
        if max(closed, sessions, refused) < _AT_ONCE:
            return removed
