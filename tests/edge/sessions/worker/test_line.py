"""The line between workers and the registry, over a real socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.contracts.sessions import Counted, Playing, Quality, SessionStart
from edge.errors import NoSessions, StreamEnded, StreamRefused, TooManyStreams
from edge.sessions.line import RegistryLine
from edge.sessions.registry import NoRegistry, Report
from edge.sessions.serving import serving_registry
from tests.edge.sessions.worker.book import Book


def start(name: str = "one") -> SessionStart:
    return SessionStart(
        id=name,
        grant="grant",
        subject="user:ü",
        content="/vod/title/",
        started_at=1,
        ends_at=2,
        limit=3,
        device="tv",
        agent="Roku",
        country="DE",
        network="aa",
    )


def report(name: str) -> Report:
    return Report(
        id=name,
        counted=Counted(requests=3, bytes=2**40, segments=2, renditions={"720p": 2}),
        quality=Quality(stalls=1, stall_ms=1200, is_estimate=True),
        seen_at=12.5,
        paused=True,
        life=7,
    )


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def line(book: Book, tmp_path: Path) -> AsyncIterator[RegistryLine]:
    path = tmp_path / "sessions.sock"
    async with serving_registry(book, path):
        line = RegistryLine(path, seconds=5)
        yield line
        await line.close()


async def test_everything_arrives_as_it_was_said(line: RegistryLine, book: Book) -> None:
    book.ended, book.unknown, book.caps = {"a": "kicked"}, ("b",), {"c": 720, "d": None}
    book.forgotten = ("e",)

    await line.open(start(), joins=True)
    answer = await line.tell("w0a-1", [report("one"), report("two")])
    await line.stop("one")

    assert book.asked == [("one", True)]
    assert book.starts["one"] == start()
    assert book.told == [("w0a-1", report("one")), ("w0a-1", report("two"))]
    assert book.stopped == ["one"]
    assert (answer.ended, answer.unknown, answer.forgotten, answer.caps) == (
        {"a": "kicked"},
        ("b",),
        ("e",),
        {"c": 720, "d": None},
    )


@pytest.mark.parametrize("kind", [StreamEnded, NoSessions, StreamRefused])
async def test_a_refusal_arrives_as_its_kind(
    line: RegistryLine, book: Book, kind: type[StreamRefused]
) -> None:
    book.refuse_with = kind()
    with pytest.raises(kind):
        await line.open(start(), joins=False)


async def test_a_refusal_for_the_number_says_what_plays(line: RegistryLine, book: Book) -> None:
    playing = (Playing(session="a", content="/vod/a/", device="tv", started_at=5),)
    book.refuse_with = TooManyStreams(playing)
    with pytest.raises(TooManyStreams) as refused:
        await line.open(start(), joins=False)
    assert refused.value.playing == playing


async def test_one_slow_question_keeps_no_other_waiting(line: RegistryLine, book: Book) -> None:
    book.hold = asyncio.Event()
    slow = asyncio.create_task(line.open(start("slow"), joins=False))
    await line.tell("w", [])
    assert not slow.done()
    book.hold.set()
    await slow


async def test_a_thousand_questions_at_once_are_all_answered(
    line: RegistryLine, book: Book
) -> None:
    names = [f"s{number}" for number in range(1000)]
    await asyncio.gather(*(line.open(start(name), joins=False) for name in names))
    assert set(book.starts) == set(names)


async def test_a_registry_that_fails_says_so_and_goes_on(
    line: RegistryLine, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    book.refuse_with = RuntimeError("no such thing")
    with pytest.raises(NoRegistry):
        await line.open(start(), joins=False)
    book.refuse_with = None
    await line.open(start(), joins=False)


async def test_who_waits_longer_than_allowed_is_told(book: Book, tmp_path: Path) -> None:
    book.hold = asyncio.Event()
    async with serving_registry(book, tmp_path / "s"):
        line = RegistryLine(tmp_path / "s", seconds=0.05)
        with pytest.raises(NoRegistry):
            await line.open(start(), joins=False)
        await line.close()
        book.hold.set()


async def test_nobody_at_the_other_end_is_told_at_once(tmp_path: Path) -> None:
    line = RegistryLine(tmp_path / "nobody", seconds=60)
    with pytest.raises(NoRegistry):
        await line.open(start(), joins=False)
    await line.close()


async def test_a_line_that_broke_is_opened_anew(book: Book, tmp_path: Path) -> None:
    path = tmp_path / "s"
    line = RegistryLine(path, seconds=5)
    async with serving_registry(book, path):
        await line.tell("w", [])
    with pytest.raises(NoRegistry):
        await line.tell("w", [])
    async with serving_registry(book, path):
        await line.tell("w", [report("one")])
    assert [held.id for _, held in book.told] == ["one"]
    await line.close()


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(struct.pack("!I", 3) + b"abc", id="no message"),
        pytest.param(struct.pack("!I", 2**31) + b"abc", id="endless"),
        pytest.param(b"\0\0", id="cut off"),
    ],
)
async def test_garbage_ends_its_own_line_only(
    line: RegistryLine, tmp_path: Path, garbage: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "sessions.sock"))
    writer.write(garbage)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await line.tell("w", [])
