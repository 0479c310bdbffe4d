"""What a worker tells the registry, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.sessions import worker as module
from edge.sessions.registry import NoRegistry
from edge.sessions.viewing import Viewing
from tests.edge.sessions.worker.book import Book
from tests.edge.sessions.worker.conftest import NOW, Worker, held

Make = Callable[..., Worker]


async def test_what_has_changed_is_told_and_nothing_else(make: Make, book: Book) -> None:
    worker = make()
    viewing = await worker.enter(held())
    await worker.sessions.tell()
    await worker.sessions.tell()
    assert len(book.told) == 1
    viewing.sent(1000)  # of a body that takes its time
    await worker.sessions.tell()
    await worker.enter(held())
    await worker.sessions.tell()
    worker.clock.now += 1
    await worker.enter(held())
    await worker.sessions.tell()
    assert book.last("session-1").counted.bytes == 1000
    assert book.last("session-1").counted.requests == 3
    assert book.last("session-1").seen_at == NOW + 1


async def test_what_could_not_be_told_is_told_later(make: Make, book: Book) -> None:
    worker = make()
    viewing = await worker.enter(held())
    viewing.sent(10)
    book.deaf = True
    with pytest.raises(NoRegistry):
        await worker.sessions.tell()
    viewing.sent(10)
    book.deaf = False
    await worker.sessions.tell()
    assert book.counted("session-1").bytes == 20


async def test_time_counts_up_to_each_request_but_not_while_the_viewer_is_away(
    make: Make, book: Book
) -> None:
    worker, token = make(idle=90), held()
    await worker.enter(token)
    for seconds in (4, 6, 80, 3600, 10):
        worker.clock.now += seconds
        await worker.enter(token)
        await worker.sessions.tell()
    assert book.counted("session-1").active_ms == 100_000


async def test_a_storm_of_seeks_adds_no_time(make: Make, book: Book) -> None:
    worker, token = make(), held()
    await worker.enter(token)
    for _ in range(50):
        worker.clock.now += 0.01
        await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    await worker.sessions.tell()
    assert book.counted("session-1").active_ms == pytest.approx(500, abs=1)
    assert book.counted("session-1").segments == 50


async def test_a_silent_session_is_let_go_and_begins_a_new_life_when_it_comes_back(
    make: Make, book: Book
) -> None:
    worker, token = make(idle=90), held()
    first = await worker.enter(token)
    first.sent(100)
    await worker.sessions.tell()
    worker.clock.now += 3600
    await worker.sessions.tell()
    assert len(worker.sessions) == 0
    assert first.ended == "timeout"  # tokens still hold it

    again = await worker.enter(token)
    again.sent(50)
    await worker.sessions.tell()

    assert again is not first
    assert again.life > first.life
    counted = book.counted("session-1")
    assert (counted.bytes, counted.requests) == (150, 2)
    assert len({name for name, _ in book.told}) == 1


async def test_nothing_is_let_go_that_was_not_told(make: Make, book: Book) -> None:
    worker = make(idle=90)
    viewing = await worker.enter(held())
    viewing.sent(100)
    worker.clock.now += 3600
    book.deaf = True
    with pytest.raises(NoRegistry):
        await worker.sessions.tell()
    assert len(worker.sessions) == 1
    book.deaf = False
    await worker.sessions.tell()
    assert book.counted("session-1").bytes == 100


async def test_no_more_sessions_are_followed_than_the_settings_say_and_no_byte_is_lost(
    make: Make, book: Book
) -> None:
    worker = make(most=10)
    tokens = [held(session=f"s{number}") for number in range(25)]
    for token in tokens:
        (await worker.enter(token)).sent(7)
    assert len(worker.sessions) == 10
    (await worker.enter(tokens[0])).sent(7)  # opened anew
    await worker.sessions.tell()
    assert sum(book.counted(f"s{number}").bytes for number in range(25)) == 26 * 7
    assert book.counted("s0").bytes == 14


async def test_a_thousand_sessions_are_told_in_slices(make: Make, book: Book) -> None:
    worker = make()
    sizes: list[int] = []
    tell = book.tell

    async def counted(worker_name: str, reports: list[object]) -> object:
        sizes.append(len(reports))
        return await tell(worker_name, reports)  # type: ignore[arg-type]

    book.tell = counted  # type: ignore[method-assign, assignment]
    for number in range(1201):
        await worker.enter(held(session=f"s{number}"))
    await worker.sessions.tell()
    assert sum(sizes) == 1201
    assert max(sizes) <= 250
    assert len(sizes) == 5


async def test_the_last_words_are_said_when_the_process_leaves(make: Make, book: Book) -> None:
    worker = make()
    viewing = await worker.enter(held())
    viewing.sent(9)
    await worker.sessions.close()
    assert book.counted("session-1").bytes == 9


async def test_a_process_that_cannot_say_its_last_words_leaves_all_the_same(
    make: Make, book: Book
) -> None:
    worker = make()
    await worker.enter(held())
    book.deaf = True
    await worker.sessions.close()


async def test_a_player_that_stops_is_told_of_at_once(make: Make, book: Book) -> None:
    worker, token = make(), held()
    viewing = await worker.enter(token)
    viewing.sent(5)
    await worker.sessions.stop(token, "/vod/a/x")
    assert book.stopped == ["session-1"]
    assert book.counted("session-1").bytes == 5
    again = await worker.enter(token)
    assert again.ended is None
    assert len(book.asked) == 2


async def test_a_player_that_stops_while_nobody_listens_is_idle_soon(
    make: Make, book: Book
) -> None:
    worker = make()
    viewing = await worker.enter(held())
    book.deaf = True
    await worker.sessions.stop(held(), "/vod/a/x")
    assert viewing.ended == "stop"


async def test_a_stop_that_reaches_another_worker_than_the_one_that_played_ends_the_stream(
    make: Make, book: Book
) -> None:
    first, second = make(), make()
    await first.enter(held())
    await second.sessions.stop(held(), "/vod/a/x")
    assert book.stopped == ["session-1"]


async def test_what_the_registry_wants_forgotten_is_dropped_and_begins_at_nothing(
    make: Make, book: Book
) -> None:
    worker, token = make(), held()
    first = await worker.enter(token)
    first.sent(1000)
    book.forgotten = ("session-1", "never-heard-of")
    await worker.sessions.tell()
    assert len(worker.sessions) == 0
    worker.clock.now += 60
    again = await worker.enter(token)
    again.sent(10)
    await worker.sessions.tell()
    assert again.start.started_at == NOW + 60
    assert book.last("session-1").counted.bytes == 10
    assert len(book.asked) == 2


async def test_renditions_are_counted_by_name_and_no_viewer_makes_them_up_without_end(
    make: Make, book: Book
) -> None:
    worker = make()
    viewing = await worker.enter(held())
    for number in range(1000):
        viewing.asked(NOW, manifest=False, rendition=f"r{number}")
    assert len(viewing.renditions) <= 33
    assert sum(viewing.renditions.values()) == viewing.segments == 1000


class Slow:
    """A reader that takes its time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.read_texts: list[str] = []
        self._clock = clock

    def read(self, viewing: Viewing, now: float) -> None:
        """Read everything."""
        assert viewing.said is not None
        self.read_texts += viewing.said
        viewing.said = None


async def test_what_players_say_is_read_before_it_is_told(make: Make, book: Book) -> None:
    reader = Slow(lambda: NOW)
    worker = make(reader=reader)
    viewing = await worker.enter(held())
    viewing.say("bl%3D100")
    await worker.sessions.tell()
    assert reader.read_texts == ["bl%3D100"]
    assert viewing.said is None


async def test_what_waited_longest_is_read_first_and_no_more_than_there_is_time_for(
    make: Make, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Slow(lambda: NOW)
    worker = make(reader=reader)
    monkeypatch.setattr(module, "_READ_SECONDS", 0.0)
    viewings = [await worker.enter(held(session=f"s{number}")) for number in range(50)]
    for number in reversed(range(50)):
        worker.clock.now += 1
        await worker.enter(held(session=f"s{number}"))
        viewings[number].say(f"sid%3D{number}")

    await worker.sessions.tell()

    assert reader.read_texts == [f"sid%3D{number}" for number in range(49, 29, -1)]
    assert len(book.told) == 50
    await worker.sessions.tell()
    assert len(reader.read_texts) == 40
    assert len(book.told) == 70  # what was read after it was told is told again


async def test_a_text_that_cannot_be_read_is_not_tried_again(make: Make, book: Book) -> None:
    class Broken(Slow):
        def read(self, viewing: Viewing, now: float) -> None:
            raise RuntimeError

    worker = make(reader=Broken(lambda: NOW))
    viewing = await worker.enter(held())
    viewing.say("x")
    with pytest.raises(RuntimeError):
        await worker.sessions.tell()
    await worker.sessions.tell()
    assert book.counted("session-1").requests == 1


async def test_found_knows_what_this_process_follows(make: Make) -> None:
    worker, token = make(), held("/vod/a/", "/vod/b/")
    assert worker.sessions.found(token, "/vod/a/") is None
    viewing = await worker.enter(token, "/vod/a/master.m3u8")
    assert worker.sessions.found(token, "/vod/a/x") is viewing
    assert worker.sessions.found(token, "/vod/b/x") is None
