from __future__ import annotations

from typing import Any

import pytest

from config.contracts.grants import Grant
from config.settings.load import Settings
from config.settings.sessions import SessionSettings
from edge.errors import NoSessions
from edge.processes.fleet import Checked, follows_sessions
from edge.sessions.naming import session_id, subject_of
from tests.edge.sessions.worker.book import Book
from tests.edge.sessions.worker.conftest import NOW, Worker, held


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def worker(book: Book) -> Worker:
    return Worker(book, SessionSettings(idle=90))


def foreign(**changes: str) -> Grant:
    values: dict[str, Any] = {
        "subject": "",
        "session": "1",
        "scheme": "cat",
        "issuer": "cdn.example",
    }
    return Grant(not_before=0, expires_at=int(NOW) + 60, key_id="k", **(values | changes))


def test_viewers_whom_their_tokens_do_not_name_are_not_one_viewer() -> None:
    first, second = foreign(session="1"), foreign(session="2")
    assert subject_of(first) == session_id(first, "/")
    assert subject_of(first) != subject_of(second)
    linked = foreign(subject="cdn.example", session="1")  # the signer, for want of a viewer
    assert subject_of(linked) == session_id(linked, "/")
    assert subject_of(foreign(subject="jo")) == "jo"


def test_an_edge_whose_tokens_all_come_from_other_signers_follows_sessions() -> None:
    secret = "s" * 32
    link = {"scheme": "secure-link", "origins": ["cdn"], "secrets": [secret]}
    origins = {"cdn": {"kind": "http", "url": "https://cdn.example/"}}
    settings = Settings.model_validate(
        {"tokens": {"signers": {"cdn": link}}, "edge": {"origins": origins, "root_origin": "cdn"}}
    )
    assert follows_sessions(Checked(settings=settings, keys_file=None))


async def test_a_body_that_still_leaves_is_a_sign_of_life(worker: Worker, book: Book) -> None:
    viewing = await worker.enter(held(), "/vod/a/film.mp4", manifest=False)
    for _ in range(300):
        worker.clock.now += 1
        viewing.sent(1000)
        await worker.sessions.tell()
    told = book.last("session-1")
    assert told.seen_at == NOW + 300
    assert told.counted.active_ms == 300_000
    worker.clock.now += 92
    await worker.sessions.tell()
    assert len(worker.sessions) == 0


async def test_what_leaves_after_the_end_does_not_bring_a_session_back(
    worker: Worker, book: Book
) -> None:
    viewing = await worker.enter(held())
    await worker.sessions.stop(held(), "/vod/a/x")
    worker.clock.now += 5
    viewing.sent(1000)
    await worker.sessions.tell()
    assert (book.last("session-1").seen_at, viewing.ended) == (NOW, "stop")
    assert book.last("session-1").counted.bytes == 1000


async def test_a_segment_is_given_though_the_registry_has_no_room(
    worker: Worker, book: Book
) -> None:
    book.refuse_with = NoSessions()
    viewing = await worker.enter(held(), "/vod/a/1.m4s", manifest=False)
    with pytest.raises(NoSessions):
        await worker.enter(held())
    viewing.sent(10)
    book.refuse_with = None
    await worker.sessions.tell()
    assert "session-1" in book.starts
    assert book.counted("session-1").bytes == 10


async def test_what_finds_no_room_again_and_again_does_not_hold_up_the_others(
    worker: Worker, book: Book
) -> None:
    book.refuse_with = NoSessions()
    for number in range(300):
        await worker.enter(held(session=f"s{number}"), "/vod/a/1.m4s", manifest=False)
    book.asked.clear()
    await worker.sessions.tell()
    await worker.sessions.tell()
    assert {name for name, _ in book.asked} == {f"s{number}" for number in range(300)}


async def test_a_silent_session_is_let_go_though_the_clock_was_set_back(worker: Worker) -> None:
    await worker.enter(held())
    await worker.sessions.tell()
    worker.clock.now -= 3600
    await worker.sessions.tell()
    assert len(worker.sessions) == 0
