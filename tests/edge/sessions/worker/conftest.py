"""A worker's sessions with a clock that stands still."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from config.contracts.grants import Grant
from config.settings.sessions import SessionSettings
from edge.sessions.naming import Facts
from edge.sessions.viewing import Viewing
from edge.sessions.worker import Reader, Sessions
from edge.tokens.verified import Remembered
from tests.edge.sessions.worker.book import Book

NOW = 1_800_000_000.0


class Clock:
    """Seconds since the epoch, as a test wants them."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Worker:
    """One process that follows sessions."""

    def __init__(self, book: Book, settings: SessionSettings, reader: Reader | None = None) -> None:
        self.book = book
        self.clock = Clock()
        self.sessions = Sessions(
            book, settings, worker="w0a", secret=b"secret", clock=self.clock, reader=reader
        )

    async def enter(
        self, held: Remembered, path: str = "/vod/a/master.m3u8", *, manifest: bool = True
    ) -> Viewing:
        """A request, counted."""
        viewing = await self.sessions.entered(held, path, Facts, is_manifest=manifest)
        viewing.asked(self.clock(), manifest=manifest)
        return viewing


def held(*prefixes: str, session: str = "session-1", **changes: Any) -> Remembered:
    """A token of a session, just verified."""
    grant = Grant(
        subject="user:1",
        session=session,
        not_before=0,
        expires_at=int(NOW) + 3600,
        key_id="k",
        path_prefixes=prefixes or ("/vod/a/",),
    )
    return Remembered(dataclasses.replace(grant, **changes), leeway_seconds=0)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def make(book: Book) -> AsyncIterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def worker(*, reader: Reader | None = None, **settings: Any) -> Worker:
        made = Worker(book, SessionSettings.model_validate(settings), reader)
        workers.append(made)
        return made

    yield worker
    for one in workers:
        await one.sessions.close()
