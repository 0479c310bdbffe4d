"""What processes before this one left in their journals: told to the catalog under their names, and played on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from config.contracts.sessions import SessionStart, StopReason
from config.contracts.stream_events import KINDS, StreamPart, StreamStopped, part_or_end
from config.runtime.logging import get_logger
from edge import metrics
from edge.sessions.journal import Found, Kept, Word, others, read_journal
from edge.sessions.keeping import Keeper
from edge.sessions.outgoing import Outgoing

log = get_logger(__name__)

_AT_ONCE = 500


class Heir(Protocol):
    """Who goes on with what still played."""

    def adopt(
        self, start: SessionStart, *, seen_at: float, revision: int, reason: StopReason | None
    ) -> None: ...


async def recover(
    folder: Path, heir: Heir, outgoing: Outgoing, keeper: Keeper, *, boot: str, node: str
) -> None:
    """Take over every other journal; one goes only when ours has all of it on the disk."""
    for path in await asyncio.to_thread(others, folder, boot=boot):
        try:
            found = await asyncio.to_thread(read_journal, path)
        except OSError as error:
            log.error("a journal of sessions cannot be read", file=path.name, error=str(error))
            continue
        is_whole = await _take(found, heir, outgoing, keeper.said, node)
        is_kept = await keeper.turn(sync=True)
        log.info(
            "took over what was not stored",
            file=path.name,
            sessions=len(found.sessions),
            words=len(found.words),
            torn=found.is_torn,
        )
        if is_whole and is_kept:
            await asyncio.to_thread(path.unlink, missing_ok=True)


async def _take(
    found: Found, heir: Heir, outgoing: Outgoing, keep: Callable[[Word], None], node: str
) -> bool:
    is_whole = True
    told = [(word.kind, word.text) for word in found.words.values() if word.kind in KINDS]
    for kind, text in told:
        word = outgoing.add_text(kind, text)
        is_whole = is_whole and word is not None
        if word is not None:
            keep(word)
    for number, kept in enumerate(found.sessions.values(), start=1):
        word = outgoing.add(_last_of(kept, node))
        is_whole = is_whole and word is not None
        if word is not None:
            keep(word)
        heir.adopt(kept.start, seen_at=kept.seen_at, revision=kept.revision, reason=kept.reason)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    if not is_whole:
        metrics.SESSION_DROPPED.labels("event").inc()
    return is_whole


def _last_of(kept: Kept, node: str) -> StreamPart | StreamStopped:
    return part_or_end(
        start=kept.start,
        edge=node,
        at=kept.at,
        counted=kept.counted,
        quality=kept.quality,
        part=kept.name,
        reason=kept.reason,
        revision=kept.revision,
    )
