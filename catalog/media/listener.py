"""Hears of worker events at once, and looks for them every few seconds in any case."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime

import asyncpg

from catalog.database import PROGRAM
from catalog.media.ports import UnitOfWork
from catalog.media.use_cases import consume_events
from config.contracts.jobs import EVENTS_CHANNEL
from config.runtime.postgres import connect_arguments, dsn_of
from config.settings.shared import PostgresSettings

# A notification can be lost with its connection; the rows cannot.
_POLL_SECONDS = 5.0


async def listen(
    settings: PostgresSettings, units: Callable[[], UnitOfWork], clock: Callable[[], datetime]
) -> None:
    """Apply worker events until cancelled; a lost connection ends it with an error."""
    wake = asyncio.Event()
    connection = await asyncpg.connect(
        dsn_of(settings), **connect_arguments(settings, program=f"{PROGRAM}-events")
    )
    try:
        connection.add_termination_listener(lambda *_: wake.set())
        await connection.add_listener(EVENTS_CHANNEL, lambda *_: wake.set())
        while True:
            wake.clear()
            await consume_events(units, now=clock())
            if connection.is_closed():
                raise ConnectionError("the connection that listens for events was lost")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await wake.wait()
    finally:
        # The server may be gone: closing must not wait for its goodbye.
        connection.terminate()
