from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.profile import GENERIC, SAFE
from edge.cache.policy.vary import Variant, matches, select, variant_of

Lines = list[tuple[str, str]]


def variant(request: Lines, *fields: tuple[str, str]) -> Variant | None:
    return variant_of(CIMultiDict(request), CIMultiDict(fields), GENERIC)


@pytest.mark.parametrize(
    "lines", [["*"], ["*, *"], ["*", "*"], [", *"], ["", "*"], ["*, Foo"], ["Foo, *"], ["a b"]]
)
def test_an_answer_with_a_star_is_nobody_elses(lines: list[str]) -> None:
    assert variant([("Foo", "1")], *(("Vary", line) for line in lines)) is None


@pytest.mark.parametrize(
    ("vary", "first", "second", "same"),
    [
        ("Foo", [("Foo", "1")], [("Foo", "1")], True),
        ("Foo", [("Foo", "1")], [("foo", "1"), ("Other", "3")], True),
        ("Foo", [("Foo", "1")], [("Foo", "2")], False),
        ("Foo", [], [("Foo", "1")], False),
        ("Foo", [("Foo", "1")], [], False),
        ("Foo", [("Foo", "")], [], False),
        ("Foo", [], [], True),
        ("Foo, Bar", [("Foo", "1"), ("Bar", "a")], [("Bar", "a"), ("Foo", "1")], True),
        ("Foo, Bar", [("Foo", "1"), ("Bar", "a")], [("Foo", "1"), ("Bar", "b")], False),
        ("Foo", [("Foo", "1, 2")], [("Foo", "1"), ("Foo", "2")], True),
        ("Foo", [("Foo", "1,2")], [("Foo", " 1, 2 ")], True),
        ("Foo", [("Foo", "1,2")], [("Foo", "2,1")], False),
        ("Foo", [("Foo", "a")], [("Foo", "A")], False),
        ("Foo", [("Foo", '"1, 2"')], [("Foo", '"1,2"')], False),
        ("Accept-Language", [("Accept-Language", "en, de")], [("Accept-Language", "de, en")], True),
        ("Accept-Language", [("Accept-Language", "en, de")], [("Accept-Language", "eN, De")], True),
        ("Accept-Language", [("Accept-Language", "en, de")], [("Accept-Language", " en ,   de")], True),
        ("Accept-Language", [("Accept-Language", "en, de")], [("Accept-Language", "fr")], False),
        ("Accept-Encoding", [("Accept-Encoding", "gzip, br")], [("Accept-Encoding", "BR,gzip;q=1.0")], True),
        ("Accept-Encoding", [("Accept-Encoding", "gzip")], [("Accept-Encoding", "gzip;q=0")], False),
    ],
)  # fmt: skip
def test_which_requests_are_alike(vary: str, first: Lines, second: Lines, same: bool) -> None:
    stored = variant(first, ("Vary", vary))
    assert stored is not None
    assert matches(stored, CIMultiDict(second)) is same


@pytest.mark.parametrize(
    ("accept", "same"),
    [
        ("fr;q=0.5, de;q=1.0", True),
        ("DE", True),
        ("fr, de;q=0.5", False),
        ("fr, de", False),
        ("*", False),
        ("de;q=0", False),
        ("de;q=x", False),
    ],
)
def test_the_language_liked_best_is_served_from_an_answer_in_it(accept: str, same: bool) -> None:
    stored = variant(
        [("Accept-Language", "en, de")], ("Vary", "Accept-Language"), ("Content-Language", "de")
    )
    assert stored is not None
    assert matches(stored, CIMultiDict({"Accept-Language": accept})) is same


def test_an_answer_without_vary_is_everybodys() -> None:
    assert variant([("Foo", "1")]) == ()
    assert matches((), CIMultiDict({"Foo": "2"}))


def test_the_safe_profile_knows_two_fields() -> None:
    answer = CIMultiDict({"Vary": "Accept-Encoding, Origin"})
    assert variant_of(CIMultiDict(), answer, SAFE) == (("accept-encoding", None), ("origin", None))
    assert variant_of(CIMultiDict(), CIMultiDict({"Vary": "User-Agent"}), SAFE) is None


def test_a_vary_without_end_is_nobodys() -> None:
    assert variant([], ("Vary", ",".join(f"f{n}" for n in range(100)))) is None


@dataclass(frozen=True)
class Held:
    variant: Variant
    received_at: float


def test_the_newest_of_the_matching_answers_is_chosen() -> None:
    one = (("foo", "1"),)
    held = [Held(one, 1), Held(one, 3), Held(one, 2), Held((("foo", "2"),), 9)]
    assert select(held, CIMultiDict({"Foo": "1"})) == Held(one, 3)
    assert select(held, CIMultiDict({"Foo": "3"})) is None


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_request_matches_what_it_brought_about(vary: str, foo: str, language: str) -> None:
    request = CIMultiDict({"Foo": foo, "Accept-Language": language})
    for names in (vary, "Foo", "Accept-Language, Foo"):
        stored = variant_of(request, CIMultiDict({"Vary": names, "Content-Language": "x"}), GENERIC)
        assert stored is None or matches(stored, request)
