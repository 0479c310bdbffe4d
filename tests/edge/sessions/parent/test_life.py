from __future__ import annotations

from dataclasses import replace

import pytest

from edge.errors import StreamEnded
from edge.sessions.open import Together
from tests.edge.sessions.parent.harness import (
    NOW,
    Catalog,
    Clock,
    Edges,
    pass_time,
    registry_settings,
    start,
)


async def test_a_viewer_who_comes_back_after_an_hour_is_one_session_with_a_second_revision(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start(), joins=False)
    worker.give("one", 100)
    await worker.tell()

    clock.wait(90)
    await stored(edge, catalog)
    row = catalog.rows["one"]
    assert (row.is_stopped, row.reason, row.stopped_at) == (True, "timeout", NOW)

    clock.wait(500)
    answer = await worker.tell()
    assert answer.ended == {"one": "timeout"}
    await edge.control.open(start(), joins=True)
    worker.give("one", 1)
    await worker.tell()
    await pass_time([edge], clock, 61)
    await stored(edge, catalog)

    assert list(catalog.rows) == ["one"]
    assert (row.revision, row.is_stopped, row.bytes) == (2, False, 101)
    assert row.start.started_at == int(NOW)


async def test_seeks_and_a_short_pause_are_one_revision(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start(), joins=False)
    for seconds in (1, 1, 1, 80, 1, 89):
        clock.wait(seconds)
        edge.control.tick()
        worker.give("one", 1)
        await worker.tell()

    state = edge.control.shown("one")
    assert state is not None
    assert (state.state, state.revision) == ("open", 1)
    assert state.counted.active_ms == 173_000


async def test_a_player_that_says_it_is_paused_keeps_its_place_for_as_long_as_the_settings_say(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start(), joins=False)
    clock.wait(1)
    worker.give("one", 1, paused=True)
    await worker.tell()

    clock.wait(599)
    edge.control.tick()
    assert edge.control.counts().paused == 1
    assert shown(edge) == ("paused", None)
    clock.wait(1)
    edge.control.tick()

    assert shown(edge) == ("ended", "timeout")
    assert (edge.control.counts().sessions, edge.control.counts().paused) == (0, 0)


async def test_a_player_that_plays_on_after_a_pause_is_silent_after_the_usual_time(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    await edge.control.open(start(), joins=False)
    for paused in (True, False):
        clock.wait(60)
        worker.give("one", 1, paused=paused)
        await worker.tell()
    clock.wait(90)
    edge.control.tick()

    assert shown(edge) == ("ended", "timeout")


async def test_a_session_ends_with_its_tokens_unless_they_are_renewed(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    for id in ("one", "two"):
        await edge.control.open(start(id, subject=id, ends_at=int(NOW) + 60), joins=False)
    await edge.control.open(start("two", subject="two", ends_at=int(NOW) + 120), joins=False)
    for _ in range(2):
        clock.wait(30)
        for id in ("one", "two"):
            await edge.control.open(start(id, subject=id, ends_at=int(NOW) + 60), joins=True)
    edge.control.tick()

    assert shown(edge) == ("ended", "expired")
    assert shown(edge, "two") == ("open", None)


async def test_an_end_is_told_to_each_worker_that_gave_something_even_if_it_gives_no_more(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    workers = [edges.worker(edge, name) for name in ("w0a", "w1a")]
    for worker in workers:
        worker.give("one", 1)
        await worker.tell()

    await edge.control.kick("one")

    for worker in workers:
        assert (await worker.tell()).ended == {"one": "kicked"}
        assert (await worker.tell()).ended == {}


async def test_a_worker_is_told_which_sessions_are_not_known(edges: Edges, clock: Clock) -> None:
    edge = await edges.add()
    worker = edges.worker(edge)
    worker.give("one", 1)

    assert (await worker.tell()).unknown == ("one",)


async def test_who_was_kicked_gets_nothing_more_and_loses_the_tokens(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)

    done = await edge.control.kick("one")

    assert done.here == 1
    assert edges.revoked == ["one"]
    for joins in (True, False):
        with pytest.raises(StreamEnded):
            await edge.control.open(start(), joins=joins)
    await stored(edge, catalog)
    assert catalog.rows["one"].reason == "kicked"


async def test_who_was_kicked_stays_so_longer_than_silent_sessions_are_known(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    await edge.control.open(start(), joins=False)
    await edge.control.kick("one")
    await pass_time([edge], clock, 1)
    clock.wait(3600)
    await pass_time([edge], clock, 1)

    with pytest.raises(StreamEnded):
        await edge.control.open(start(), joins=True)


async def test_a_token_for_a_list_of_titles_plays_the_others_on_when_one_is_kicked(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    for id in ("list.a", "list.b"):
        await edge.control.open(replace(start(id), grant="list"), joins=False)

    await edge.control.kick("list.a")

    assert edges.revoked == []
    assert shown(edge, "list.b") == ("open", None)


async def test_with_as_many_as_may_be_the_one_that_ended_first_makes_room(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    settings = registry_settings(edges.settings.redis, most=2)
    edge = await edges.add(settings=settings)
    for id in ("one", "two"):
        await edge.control.open(start(id, subject=id), joins=False)
    await edge.control.stop("one")
    await stored(edge, catalog)

    await edge.control.open(start("three", subject="three"), joins=False)

    assert edge.control.shown("one") is None
    assert edge.control.counts().sessions == 2
    assert catalog.rows["one"].is_stopped


async def test_counts_have_few_names_and_add_up(edges: Edges, clock: Clock) -> None:
    settings = registry_settings(edges.settings.redis, titles_shown=2)
    edge = await edges.add(settings=settings)
    worker = edges.worker(edge)
    for number in range(10):
        id = f"s{number}"
        content = f"/vod/{'abcd'[number % 4]}/"
        await edge.control.open(
            start(id, subject=id, content=content, country="" if number else "FR"), joins=False
        )
        worker.give(id, 1, rendition="1080p" if number < 3 else "360p")
    await worker.tell()
    await edge.control.stop("s9")
    worker.give("s0", 1, rendition="360p")
    await worker.tell()

    counts = edge.control.counts()

    assert counts.sessions == 9
    assert len(counts.contents) == 3
    assert counts.contents["other"] == 9 - sum(
        number for name, number in counts.contents.items() if name != "other"
    )
    assert counts.countries == {"FR": 1, "unknown": 8}
    assert counts.renditions == {"1080p": 2, "360p": 7}
    assert counts.devices == {"desktop": 9}


async def test_operators_list_page_by_page_and_by_subject_and_title(
    edges: Edges, clock: Clock
) -> None:
    edge = await edges.add()
    for number in range(5):
        await edge.control.open(
            start(f"s{number}", subject=f"u{number % 2}", content=f"/vod/{number}/"), joins=False
        )

    listed = edge.control.listed

    assert [one.start.id for one in listed(most=2)] == ["s0", "s1"]
    assert [one.start.id for one in listed(after="s1", most=2)] == ["s2", "s3"]
    assert [one.start.id for one in listed(subject="u1")] == ["s1", "s3"]
    assert [one.start.id for one in listed(content="/vod/4/")] == ["s4"]
    assert "grant" not in listed(most=1)[0].to_json()


async def stored(edge: Together, catalog: Catalog) -> None:
    await edge.tick()
    await edge.tell()
    await catalog.store()
    await edge.tell()


def shown(edge: Together, id: str = "one") -> tuple[str, str | None]:
    state = edge.control.shown(id)
    assert state is not None
    return state.state, state.reason
