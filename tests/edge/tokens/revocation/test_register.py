from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.revocations import LONGEST_SECONDS, NotARevocation, Revocation
from edge.errors import BadRevocation, TooManyRevocations
from edge.tokens.revocation.orders import Lift, Revoke
from edge.tokens.revocation.register import Change, Register

NOW = 1_800_000_000.0
WEEK = 7 * 24 * 3600


def a_register(most: int = 1000) -> Register:
    return Register(most=most, longest_seconds=WEEK)


def said(at: int, *, until: int = int(NOW) + 100, **more: Any) -> Revocation:
    fields: dict[str, Any] = {"kind": "session", "value": "s", "at": at, "until": until} | more
    return Revocation(**fields)


def test_what_is_revoked_is_kept_as_long_as_a_token_could_hold() -> None:
    register = a_register()
    held = register.revoke(Revoke(kind="subject", value="u"), now=NOW)
    assert held.until == NOW + WEEK
    register.expire(now=NOW + WEEK - 1)
    assert register.count("subject") == len(register) == 1
    register.expire(now=NOW + WEEK)
    assert register.count("subject") == len(register) == 0
    assert register.since(0) == [
        Change("subject", "u", in_force=True),
        Change("subject", "u", in_force=False),
    ]


def test_revoking_again_never_shortens_and_never_narrows() -> None:
    register = a_register()
    register.revoke(Revoke(kind="session", value="s", until=int(NOW) + 500), now=NOW)
    again = register.revoke(
        Revoke(kind="session", value="s", until=int(NOW) + 50, issued_before=int(NOW)), now=NOW
    )
    assert (again.until, again.issued_before) == (NOW + 500, None)
    register.revoke(Revoke(kind="session", value="t", issued_before=100), now=NOW)
    later = register.revoke(Revoke(kind="session", value="t", issued_before=90), now=NOW)
    assert later.issued_before == 100


def test_what_is_lifted_holds_again_and_an_older_word_does_not_bring_it_back() -> None:
    register = a_register()
    revoked = register.revoke(Revoke(kind="token_id", value="t"), now=NOW)
    lifted = register.lift(
        Lift(kind="token_id", value="t"), now=NOW - 60
    )  # a clock behind the first
    assert lifted.follows(revoked)
    assert register.count("token_id") == 0
    assert not register.merge(revoked, now=NOW)
    assert register.count("token_id") == 0
    with pytest.raises(BadRevocation):
        register.lift(Lift(kind="token_id", value="t"), now=NOW)
    assert register.revoke(Revoke(kind="token_id", value="t"), now=NOW).follows(lifted)
    assert register.count("token_id") == 1


def test_what_has_ended_is_not_taken_and_what_would_never_end_is_refused() -> None:
    register = a_register()
    assert not register.merge(said(1, until=int(NOW)), now=NOW)
    with pytest.raises(NotARevocation):
        register.merge(said(1, until=int(NOW) + 2 * LONGEST_SECONDS), now=NOW)
    assert len(register) == 0


def test_a_full_register_refuses_and_forgets_nothing() -> None:
    register = a_register(most=2)
    for value in ("a", "b"):
        register.revoke(Revoke(kind="session", value=value), now=NOW)
    with pytest.raises(TooManyRevocations):
        register.revoke(Revoke(kind="session", value="c"), now=NOW)
    register.revoke(Revoke(kind="session", value="a"), now=NOW + 1)
    assert [held.value for held in register.page("session", after="", size=9)] == ["a", "b"]
    register.expire(now=NOW + 2 * WEEK)
    register.revoke(Revoke(kind="session", value="c"), now=NOW)


def test_saying_the_same_again_and_again_takes_no_more_memory() -> None:
    register = a_register()
    for number in range(5000):
        order = Revoke(kind="session", value="s", until=int(NOW) + 100 + number)
        register.revoke(order, now=NOW)
        register.expire(now=NOW)
    assert len(register) == 1
    assert len(register._ends) <= 1003
    register.expire(now=NOW + 6000)
    assert len(register) == 0


def test_changes_are_at_hand_for_a_while() -> None:
    register = a_register(most=100_000)
    for number in range(25_000):
        register.revoke(Revoke(kind="session", value=str(number)), now=NOW)
    assert register.since(25_000) == []
    found = register.since(24_990)
    assert found is not None
    assert [change.value for change in found] == [str(number) for number in range(24_990, 25_000)]
    assert register.since(100) is None
    assert len(register.in_force()) == 25_000


def test_pages_follow_one_another() -> None:
    register = a_register()
    for number in range(10):
        register.revoke(Revoke(kind="subject", value=f"u{number}"), now=NOW)
    register.lift(Lift(kind="subject", value="u3"), now=NOW)
    first = register.page("subject", after="", size=4)
    rest = register.page("subject", after=first[-1].value, size=100)
    assert [held.value for held in first + rest] == [f"u{n}" for n in range(10) if n != 3]
    assert register.page("session", after="", size=4) == []


words = st.builds(
    said,
    st.integers(1, 4),
    until=st.integers(int(NOW) + 1, int(NOW) + 3),
    lifted=st.booleans(),
    issued_before=st.none() | st.integers(0, 2),
    reason=st.sampled_from(["", "x"]),
)


@given(st.lists(words, max_size=4))
def test_in_whatever_order_words_come_everybody_ends_alike(heard: list[Revocation]) -> None:
    ends = set()
    for order in itertools.permutations(heard):
        register = a_register()
        for word in (*order, *order):
            register.merge(word, now=NOW)
        ends.add((register.get(("session", "s")), register.count("session")))
    assert len(ends) == 1


values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(
    st.builds(
        Revocation,
        kind=st.sampled_from(["token_id", "session", "subject"]),
        value=values,
        at=st.integers(0, 10**13),
        until=st.integers(0, 2**40),
        issued_before=st.none() | st.integers(0, 2**40),
        lifted=st.booleans(),
        reason=st.text(st.characters(categories=["L"]), max_size=20),
    )
)
def test_what_is_written_is_read(revocation: Revocation) -> None:
    assert Revocation.parse(revocation.to_text().encode()) == revocation


@given(
    st.binary(max_size=200)
    | st.text().map(lambda text: b"01800000000000 " + text.encode("utf-8", "replace"))
)
def test_what_is_no_revocation_is_refused(data: bytes) -> None:
    with pytest.raises(NotARevocation):
        Revocation.parse(data)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="no object"),
        pytest.param({}, id="nothing named"),
        pytest.param({"session": "a", "subject": "b"}, id="two named"),
        pytest.param({"session": ""}, id="empty"),
        pytest.param({"session": 5}, id="no text"),
        pytest.param({"session": "a" * 1025}, id="too long"),
        pytest.param({"session": "a", "unti": 5}, id="a field misspelt"),
        pytest.param({"session": "a", "until": int(NOW)}, id="over already"),
        pytest.param({"session": "a", "until": int(NOW) + 401 * 24 * 3600}, id="too late"),
        pytest.param({"session": "a", "until": True}, id="no number"),
        pytest.param({"session": "a", "issued_before": "then"}, id="no instant"),
        pytest.param({"token_id": "a", "issued_before": "now"}, id="a token is issued once"),
        pytest.param({"session": "a", "reason": "a\nb"}, id="a line end"),
        pytest.param({"session": "a", "reason": 7}, id="no reason"),
    ],
)
def test_orders_that_make_no_sense_are_refused(body: object) -> None:
    with pytest.raises(NotARevocation):
        Revoke.parse(json.dumps(body).encode(), now=NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b'{"session": "a", "session": "b"}',
        b'{"session": "\\ud800"}',
        b"[" * 9999,
    ],
)
def test_orders_that_are_no_json_are_refused(data: bytes) -> None:
    for parse in (lambda: Revoke.parse(data, now=NOW), lambda: Lift.parse(data)):
        with pytest.raises(NotARevocation):
            parse()


def test_now_takes_what_was_issued_in_the_same_second_along() -> None:
    order = Revoke.parse(b'{"subject": "u", "issued_before": "now"}', now=NOW + 0.9)
    assert order.issued_before == NOW + 1
