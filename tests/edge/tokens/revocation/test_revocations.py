from __future__ import annotations

import time
import timeit
import tracemalloc
from typing import Any

import pytest

from config.contracts.grants import Grant
from edge.tokens.revocation.register import Change
from edge.tokens.revocation.revocations import Part, Revocations, Told

NOW = 1_800_000_000


def a_grant(**changes: Any) -> Grant:
    fields: dict[str, Any] = {
        "subject": "u",
        "session": "s",
        "token_id": "t",
        "not_before": NOW,
        "expires_at": NOW + 600,
        "key_id": "k",
    }
    return Grant(**(fields | changes))


def told(
    *changes: Change, number: int = 1, part: Part = "new", certain_at: float = float(NOW)
) -> Told:
    return Told(part=part, number=number, certain_at=certain_at, changes=changes)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        pytest.param(Change("token_id", "t", in_force=True), {"token_id": "t2"}, id="token_id"),
        pytest.param(Change("session", "s", in_force=True), {"session": "s2"}, id="session"),
        pytest.param(Change("subject", "u", in_force=True), {"subject": "u2"}, id="subject"),
    ],
)
def test_each_kind_covers_what_it_names_and_nothing_else(
    change: Change, other: dict[str, str]
) -> None:
    revocations = Revocations()
    assert not revocations.covers(a_grant())
    revocations.take(told(change))
    assert revocations.covers(a_grant())
    assert not revocations.covers(a_grant(**other))
    revocations.take(told(Change(change.kind, change.value, in_force=False), number=2))
    assert not revocations.covers(a_grant())


def test_a_token_without_an_id_is_not_taken_for_another() -> None:
    revocations = Revocations()
    revocations.take(told(Change("token_id", "", in_force=True)))
    assert not revocations.covers(a_grant(token_id=""))


@pytest.mark.parametrize("kind", ["session", "subject"])
def test_what_was_issued_afterwards_holds(kind: Any) -> None:
    revocations = Revocations()
    value = "s" if kind == "session" else "u"
    revocations.take(told(Change(kind, value, in_force=True, issued_before=NOW + 1)))
    assert revocations.covers(a_grant())
    assert not revocations.covers(a_grant(not_before=NOW + 1))


def test_the_epoch_changes_with_each_change_and_only_then() -> None:
    revocations = Revocations()
    seen = {revocations.epoch}
    revocations.take(told(Change("session", "s", in_force=True)))
    seen.add(revocations.epoch)
    revocations.take(told(certain_at=NOW + 5))
    assert revocations.epoch in seen
    revocations.take(told(Change("session", "s", in_force=False), number=2))
    assert revocations.epoch not in seen


def test_the_whole_list_takes_effect_at_once_when_it_has_arrived() -> None:
    revocations = Revocations()
    revocations.take(told(Change("session", "old", in_force=True)))
    revocations.take(told(part="first", number=0, certain_at=0))
    revocations.take(told(Change("session", "s", in_force=True), part="more", number=0))
    assert revocations.covers(a_grant(session="old"))
    assert not revocations.covers(a_grant())
    revocations.take(told(part="last", number=9))
    assert not revocations.covers(a_grant(session="old"))
    assert revocations.covers(a_grant())
    assert (revocations.number, revocations.certain_at) == (9, NOW)


def test_what_the_parent_writes_the_worker_reads() -> None:
    whole = told(
        Change("session", 's"\x00é', in_force=True, issued_before=5),
        Change("subject", "u", in_force=False),
    )
    assert Told.parse(whole.to_json()) == whole


def test_old_knowledge_is_stale_only_where_it_matters() -> None:
    closed = Revocations(stale_after_seconds=60)
    assert closed.is_stale(NOW)  # it knows nothing yet
    closed.take(told())
    assert not closed.is_stale(NOW + 60)
    assert closed.is_stale(NOW + 61)
    assert not Revocations().is_stale(NOW)


def test_a_hundred_thousand_cost_little_memory_and_a_question_no_time() -> None:
    changes = tuple(Change("session", f"{number:032x}", in_force=True) for number in range(100_000))
    revocations = Revocations()
    tracemalloc.start()
    try:
        for start in range(0, len(changes), 500):
            data = told(*changes[start : start + 500], number=start + 500).to_json()
            revocations.take(Told.parse(data))
        held, _ = tracemalloc.get_traced_memory()
        assert revocations.count == 100_000
        assert held < 25 * 2**20

        grant, covers = a_grant(), revocations.covers
        covers(grant)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(1000):
            covers(grant)
        after, _ = tracemalloc.get_traced_memory()
        assert after - before < 1000
    finally:
        tracemalloc.stop()
    # Many short runs: what a busy machine adds is not ours.
    best = min(timeit.repeat(lambda: covers(grant), number=2000, repeat=50)) / 2000
    assert best < 1e-6


def test_the_whole_list_is_taken_in_short_steps() -> None:
    changes = tuple(Change("session", f"{number:032x}", in_force=True) for number in range(500))
    data = told(*changes).to_json()
    revocations = Revocations()
    spent = []
    for _ in range(20):
        started = time.perf_counter()
        revocations.take(Told.parse(data))
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.01
