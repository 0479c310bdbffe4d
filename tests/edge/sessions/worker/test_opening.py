"""When a worker asks the registry, and what it does with the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from config.contracts.grants import Renewal
from config.contracts.sessions import StopReason
from edge.errors import NoSessions, StreamEnded, TooManyStreams
from edge.sessions import worker as module
from edge.sessions.registry import Answer
from tests.edge.sessions.worker.book import Book
from tests.edge.sessions.worker.conftest import NOW, Worker, held

Make = Callable[..., Worker]

END = int(NOW) + 3600


async def test_only_the_first_manifest_asks_the_registry(make: Make, book: Book) -> None:
    worker, token = make(), held()
    for _ in range(3):
        await worker.enter(token)
        await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    assert book.asked == [("session-1", False)]


async def test_a_segment_before_any_manifest_joins_and_the_first_manifest_is_admitted(
    make: Make, book: Book
) -> None:
    worker, token = make(), held()
    for _ in range(2):
        await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    for _ in range(2):
        await worker.enter(token)
    assert book.asked == [("session-1", True), ("session-1", False)]


async def test_the_next_token_of_a_session_asks_nobody(make: Make, book: Book) -> None:
    worker = make()
    first = await worker.enter(held())
    assert await worker.enter(held(expires_at=END + 60)) is first
    assert len(book.asked) == 1


async def test_each_title_of_a_list_is_a_session(make: Make, book: Book) -> None:
    worker, token = make(), held("/vod/a/", "/vod/b/", "/vod/b/extra/")
    one = await worker.enter(token, "/vod/a/master.m3u8")
    two = await worker.enter(token, "/vod/b/master.m3u8")
    three = await worker.enter(token, "/vod/b/extra/master.m3u8")
    again = await worker.enter(token, "/vod/b/v/1.m4s", manifest=False)

    assert [one.start.content, two.start.content] == ["/vod/a/", "/vod/b/"]
    assert three.start.content == "/vod/b/extra/"
    assert again is two
    assert len({name for name, _ in book.asked}) == 3
    # What no prefix covers, such as a file of a carried host, belongs to what is played.
    worker.clock.now += 1
    await worker.enter(token, "/vod/b/v/2.m4s", manifest=False)
    assert await worker.enter(token, "/x/host/1.m4s", manifest=False) is two


async def test_requests_that_come_together_open_one_session(make: Make, book: Book) -> None:
    book.hold = asyncio.Event()
    worker, token = make(), held()
    tasks = [asyncio.create_task(worker.enter(token)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    book.hold.set()
    viewings = await asyncio.gather(*tasks)
    assert book.asked == [("session-1", False)]
    assert len({id(viewing) for viewing in viewings}) == 1
    assert viewings[0].requests == 20


async def test_a_viewer_who_leaves_does_not_undo_the_opening(make: Make, book: Book) -> None:
    book.hold = asyncio.Event()
    worker, token = make(), held()
    gone = asyncio.create_task(worker.enter(token))
    stays = asyncio.create_task(worker.enter(token))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    book.hold.set()
    assert (await stays).admitted
    assert len(book.asked) == 1


async def test_one_stream_too_many_is_refused_with_what_plays(make: Make, book: Book) -> None:
    book.limit = 1
    worker = make()
    await worker.enter(held(session="one"))
    with pytest.raises(TooManyStreams) as refused:
        await worker.enter(held(session="two"))
    assert [one.session for one in refused.value.playing] == ["one"]
    assert len(worker.sessions) == 1


async def test_a_segment_is_not_refused_because_a_manifest_is(make: Make, book: Book) -> None:
    book.limit = 0
    book.hold = asyncio.Event()
    worker, token = make(), held()
    manifest = asyncio.create_task(worker.enter(token))
    segment = asyncio.create_task(worker.enter(token, "/vod/a/v/1.m4s", manifest=False))
    await asyncio.sleep(0)
    book.hold.set()
    assert (await segment).admitted is False
    with pytest.raises(TooManyStreams):
        await manifest


@pytest.mark.parametrize("reason", ["evicted", "kicked"])
async def test_who_lost_its_place_gets_nothing_more(
    make: Make, book: Book, reason: StopReason
) -> None:
    worker, token = make(), held()
    viewing = await worker.enter(token)
    book.ended = {"session-1": reason}
    await worker.sessions.tell()
    for manifest in (True, False):
        with pytest.raises(StreamEnded):
            await worker.enter(token, manifest=manifest)
    with pytest.raises(StreamEnded):
        await worker.enter(held())  # also with another token
    assert viewing.requests == 1
    assert len(book.asked) == 1


async def test_who_is_over_the_limit_is_refused_at_the_next_manifest(
    make: Make, book: Book
) -> None:
    worker, token = make(), held()
    await worker.enter(token)
    book.ended = {"session-1": "limit"}
    await worker.sessions.tell()
    viewing = await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    assert viewing.requests == 2
    book.admitted, book.limit = {"another"}, 1
    with pytest.raises(TooManyStreams):
        await worker.enter(token)
    book.admitted.clear()  # the other one has ended
    assert (await worker.enter(token)).ended is None


@pytest.mark.parametrize("reason", ["timeout", "stop"])
@pytest.mark.parametrize("manifest", [True, False])
async def test_who_comes_back_is_opened_again_and_goes_on_counting(
    make: Make, book: Book, reason: StopReason, manifest: bool
) -> None:
    worker, token = make(), held()
    first = await worker.enter(token)
    book.ended = {"session-1": reason}
    await worker.sessions.tell()
    again = await worker.enter(token, manifest=manifest)
    assert again is first
    assert again.ended is None
    assert again.requests == 2
    assert book.asked == [("session-1", False), ("session-1", not manifest)]


async def test_who_comes_back_with_a_segment_is_admitted_anew_at_its_next_manifest(
    make: Make, book: Book
) -> None:
    worker, token = make(), held()
    await worker.enter(token)
    book.ended = {"session-1": "timeout"}
    await worker.sessions.tell()
    book.admitted.clear()
    await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    book.limit = 0
    with pytest.raises(TooManyStreams):
        await worker.enter(token)


async def test_a_session_without_time_is_over_unless_a_later_token_comes(
    make: Make, book: Book
) -> None:
    worker, token = make(), held()
    await worker.enter(token)
    book.ended = {"session-1": "expired"}
    await worker.sessions.tell()
    worker.clock.now = END + 1
    with pytest.raises(StreamEnded):
        await worker.enter(token)

    viewing = await worker.enter(held(expires_at=END + 600))

    assert viewing.ended is None
    assert viewing.start.ends_at == END + 600
    assert book.starts["session-1"].ends_at == END + 600


async def test_the_session_of_a_token_that_is_renewed_ends_with_the_last(
    make: Make, book: Book
) -> None:
    worker = make()
    renewal = Renewal(carrier="redirect", seconds=5, within=1, until=END + 7200)
    viewing = await worker.enter(held(renewal=renewal))
    assert viewing.start.ends_at == END + 7200


# -- when nobody answers


@pytest.mark.parametrize("limit", [None, 3])
async def test_without_an_answer_a_stream_goes_on_and_is_asked_for_again(
    make: Make, book: Book, limit: int | None
) -> None:
    worker, token = make(), held(stream_limit=limit)
    book.deaf = True
    viewing = await worker.enter(token)
    assert viewing.admitted
    book.deaf = False
    await worker.sessions.tell()
    assert list(book.starts) == ["session-1"]
    assert viewing.ended is None
    await worker.sessions.tell()
    assert len(book.asked) == 2


async def test_who_was_let_in_unasked_may_turn_out_to_be_one_too_many(
    make: Make, book: Book
) -> None:
    worker, token = make(), held(stream_limit=3)
    book.deaf = True
    await worker.enter(token)
    book.deaf, book.limit = False, 0
    await worker.sessions.tell()
    await worker.enter(token, "/vod/a/v/1.m4s", manifest=False)
    with pytest.raises(TooManyStreams):
        await worker.enter(token)


async def test_where_the_settings_say_deny_a_limit_needs_an_answer(make: Make, book: Book) -> None:
    worker = make(without_redis="deny")
    book.deaf = True
    with pytest.raises(NoSessions):
        await worker.enter(held(stream_limit=3))
    assert len(worker.sessions) == 0
    await worker.enter(held(session="without"))
    await worker.enter(held(session="joins", stream_limit=3), manifest=False)
    assert len(worker.sessions) == 2


async def test_nobody_waits_for_an_answer_for_long(
    make: Make, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.OPEN_SECONDS <= 1.5
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.05)
    book.hold = asyncio.Event()  # never set
    worker = make()
    assert (await worker.enter(held())).admitted


async def test_what_the_registry_has_forgotten_is_opened_again(make: Make, book: Book) -> None:
    worker = make()
    await worker.enter(held())
    book.starts.clear()
    book.unknown = ("session-1", "never-heard-of")
    await worker.sessions.tell()
    assert list(book.starts) == ["session-1"]
    assert book.asked[-1] == ("session-1", True)


async def test_a_cap_reaches_every_token_of_the_session(make: Make, book: Book) -> None:
    worker, token = make(cap_manifests=True), held(max_height=1080)
    other = held(max_height=480)
    await worker.enter(token)
    book.caps = {"session-1": 720}
    await worker.sessions.tell()
    await worker.enter(token)
    await worker.enter(other)
    assert token.limits is not None
    assert other.limits is not None
    assert (token.limits[0], token.cap) == (720, 720)
    assert other.limits[0] == 480
    book.caps = {"session-1": None}
    worker.clock.now += 1
    await worker.enter(token)
    await worker.sessions.tell()
    await worker.enter(token)
    assert token.limits[0] == 1080


async def test_caps_are_not_taken_unless_wanted(make: Make, book: Book) -> None:
    worker, token = make(), held()
    await worker.enter(token)
    book.caps = {"session-1": 720}
    await worker.sessions.tell()
    await worker.enter(token)
    assert token.limits is None


async def test_an_answer_about_sessions_of_others_is_passed_over(make: Make, book: Book) -> None:
    worker = make(cap_manifests=True)
    await worker.enter(held())
    book.ended, book.caps = {"other": "kicked"}, {"other": 1}
    await worker.sessions.tell()
    assert len(worker.sessions) == 1
    assert Answer().ended == {}
