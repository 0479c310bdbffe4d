from __future__ import annotations

import contextlib
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.sessions import Counted, Quality
from edge.errors import StreamEnded, TooManyStreams
from edge.sessions.journal import (
    Found,
    Journal,
    Word,
    pack_figures,
    pack_forgotten,
    pack_named,
    pack_stored,
    pack_word,
    read_journal,
)
from edge.sessions.life import Session
from edge.sessions.open import Together
from edge.sessions.registry import Report
from tests.edge.sessions.parent.harness import (
    NOW,
    Catalog,
    Clock,
    Edges,
    Worker,
    pass_time,
    registry_settings,
    start,
)


def played(id: str = "one", *, index: int = 1, size: int = 1000) -> Session:
    session = Session(start(id, subject="Jörg"), index=index, name=f"boot.{index}", now=NOW)
    report = Report(
        id=id,
        counted=Counted(requests=3, bytes=size, segments=2, manifests=1, renditions={"720p": 2}),
        quality=Quality(stalls=1, stall_ms=300, reported_at=NOW),
        seen_at=NOW + 5,
    )
    session.take("w0a", report, now=NOW + 6, idle_seconds=90)
    return session


def written(path: Path, records: list[bytes]) -> Found:
    journal = Journal(path)
    journal.append(records)
    journal.close()
    return read_journal(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    session = played()
    session.end("timeout", now=NOW + 100)
    word = Word(number=7, kind="StreamRejected", text='{"a":"ä"}')

    found = written(
        tmp_path / "a.log",
        [pack_named(session), pack_figures(session), pack_word(word), pack_stored(6)],
    )

    (kept,) = found.sessions.values()
    assert kept.start == session.start
    assert kept.counted == session.counted()
    assert kept.quality == session.quality()
    assert (kept.reason, kept.revision, kept.seen_at, kept.at) == ("timeout", 1, NOW + 5, NOW + 5)
    assert found.words == {7: word}
    assert not found.is_torn


def test_the_last_figures_count_and_what_was_forgotten_or_stored_is_gone(tmp_path: Path) -> None:
    one, two = played("one", index=1), played("two", index=2)
    records = [pack_named(one), pack_figures(one), pack_named(two), pack_figures(two)]
    more = played("one", index=1, size=5000)
    words = [Word(number=number, kind="StreamStopped", text="{}") for number in (1, 2, 3)]

    found = written(
        tmp_path / "a.log",
        [*records, *map(pack_word, words), pack_figures(more), pack_forgotten(two), pack_stored(2)],
    )

    assert [kept.counted.bytes for kept in found.sessions.values()] == [5000]
    assert list(found.words) == [3]


def test_a_file_that_broke_off_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    small, great = played(size=1), played(size=2)
    whole = [pack_named(small), pack_figures(small), pack_figures(great)]
    written(path, whole)
    data = path.read_bytes()
    second = len(whole[0]) + len(whole[1])
    for length in range(len(whole[0]), len(data), 3):
        path.write_bytes(data[:length])

        found = read_journal(path)

        (kept,) = found.sessions.values()
        assert kept.counted.bytes == (1 if length >= second else 0)
        assert found.is_torn or length in (len(whole[0]), second)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_damaged_file_is_read_without_an_error(garbage: bytes, at: int) -> None:
    session = played()
    data = b"".join([pack_named(session), pack_figures(session)])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "a.log"
        path.write_bytes(data[:at] + garbage + data[at:])

        found = read_journal(path)

    assert len(found.sessions) <= 2


def test_a_record_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xff\xff\xff\xff" + bytes(100))

    assert read_journal(path).is_torn


def test_what_could_not_be_written_in_whole_is_cut_off_again(tmp_path: Path) -> None:
    session = played()
    path = tmp_path / "a.log"
    journal = Journal(path)
    journal.append([pack_named(session), pack_figures(session)])
    size = journal.bytes
    with _room_for(size + 100), pytest.raises(OSError, match="too large"):
        journal.append([pack_figures(session)] * 1000)
    journal.append([pack_figures(played(size=5))])
    journal.close()

    found = read_journal(path)

    assert not found.is_torn
    assert [kept.counted.bytes for kept in found.sessions.values()] == [5]


async def test_a_process_that_was_killed_leaves_what_it_gave_to_the_next(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    await play(first, edges, size=100)
    await first.tick()

    second = await edges.add()  # nobody said good-bye
    await second.tell()
    await catalog.store()

    assert catalog.rows["one"].bytes == 100
    assert journals(edges) == [f"{second.boot}.log"]


async def test_a_session_plays_on_under_the_next_process_and_both_parts_count(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    await play(first, edges, size=100)
    await first.tick()

    second = await edges.add()
    await second.control.open(start(), joins=True)
    await play(second, edges, size=11, name="w0b")
    await second.control.stop("one")
    await second.tell()
    await catalog.store()

    row = catalog.rows["one"]
    assert (row.bytes, row.requests, row.revision, row.reason) == (111, 2, 1, "stop")


async def test_a_viewer_who_does_not_come_back_to_the_next_process_ends_as_silent(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    await play(first, edges, size=100)
    await first.tick()
    second = await edges.add()
    await pass_time([second], clock, 91)
    await second.tell()
    await catalog.store()

    row = catalog.rows["one"]
    assert (row.bytes, row.reason, row.is_stopped, row.stopped_at) == (100, "timeout", True, NOW)


async def test_who_was_kicked_is_so_under_the_next_process_too(edges: Edges, clock: Clock) -> None:
    first = await edges.add()
    await play(first, edges, size=100)
    await first.control.kick("one")
    await first.tick()
    second = await edges.add()

    with pytest.raises(StreamEnded):
        await second.control.open(start(), joins=True)


async def test_ends_and_refusals_that_nobody_stored_are_told_by_the_next_process(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    await first.control.open(start("one", limit=1), joins=False)
    with pytest.raises(TooManyStreams):
        await first.control.open(start("two", limit=1), joins=False)
    await first.control.stop("one")
    await pass_time([first], clock, 2)
    clock.wait(700)
    await pass_time([first], clock, 2)
    assert first.control.shown("one") is None

    second = await edges.add()
    await second.tell()
    await catalog.store()

    assert catalog.rows["one"].reason == "stop"
    assert [event.start.id for event in catalog.rejected] == ["two"]


async def test_a_second_death_while_taking_over_loses_nothing(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    await play(first, edges, size=100)
    await first.tick()
    await edges.add()  # takes over, tells nobody, dies
    third = await edges.add()
    await third.tell()
    await catalog.store()

    assert catalog.rows["one"].bytes == 100


async def test_a_torn_journal_gives_what_it_holds(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    worker = await play(first, edges, size=100)
    await first.tick()
    worker.give("one", 1000)
    await worker.tell()
    await first.tick()
    (path,) = (edges.folder / "edge-a").iterdir()
    path.write_bytes(path.read_bytes()[:-1])

    second = await edges.add()
    await second.tell()
    await catalog.store()

    assert catalog.rows["one"].bytes == 100


async def test_a_full_disk_costs_nothing_while_the_process_lives_and_is_made_up_for_later(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    first = await edges.add()
    worker = await play(first, edges, size=100)
    for number in range(5000):
        first.ledger.rejected(start(f"r{number}"), 1)
    with _room_for(2**20):  # less than those take
        await first.tick()
        worker.give("one", 1)
        await worker.tell()
        await first.tick()
        assert not any(path.stat().st_size for path in (edges.folder / "edge-a").iterdir())
    await pass_time([first], clock, 31)

    second = await edges.add()
    for _ in range(2):  # more than may wait in Redis at once
        await second.tell()
        await catalog.store()

    assert catalog.rows["one"].bytes == 101


async def test_a_folder_that_cannot_be_made_stops_nobody(edges: Edges, catalog: Catalog) -> None:
    (edges.folder / "edge-a").write_text("a file")
    edge = await edges.add()
    await play(edge, edges, size=100)
    await edge.control.stop("one")
    await edge.tick()
    await edge.tell()
    await catalog.store()

    assert catalog.rows["one"].bytes == 100


async def test_the_journal_stays_small_while_one_session_plays_for_hours(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = await play(edge, edges, size=1)
    largest = 0
    for _ in range(60):
        for _ in range(500):
            worker.give("one", 1)
            await worker.tell()
            assert edge.keeper is not None
            edge.keeper.said(Word(number=1, kind="StreamRejected", text="x" * 200))
        await edge.tick()
        (path,) = (edges.folder / "edge-a").iterdir()
        largest = max(largest, path.stat().st_size)

    assert 4 * 2**20 < largest < 6 * 2**20
    assert path.stat().st_size < largest


async def test_with_no_room_left_in_the_journal_events_are_still_told(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    settings = registry_settings(edges.settings.redis, journal_bytes=2**16)
    edge = await edges.add(settings=settings)
    for number in range(300):
        id = f"s{number}"
        await edge.control.open(start(id, subject=id), joins=False)
        await edge.control.stop(id)
        await pass_time([edge], clock, 1)
        if number % 20 == 0:
            await edge.tell()
            await catalog.store()
    for _ in range(20):
        await edge.tell()
        await catalog.store()
        await pass_time([edge], clock, 1)

    assert len([row for row in catalog.rows.values() if row.is_stopped]) == 300
    assert edge.outgoing.bytes == 0


async def play(edge: Together, edges: Edges, *, size: int, name: str = "w0a") -> Worker:
    worker = edges.worker(edge, name)
    await edge.control.open(start(), joins=False)
    worker.give("one", size)
    await worker.tell()
    return worker


def journals(edges: Edges) -> list[str]:
    return [path.name for path in (edges.folder / "edge-a").iterdir()]


@contextlib.contextmanager
def _room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
