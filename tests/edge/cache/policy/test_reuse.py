from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.policy.directives import RequestDirectives
from edge.cache.policy.freshness import Terms
from edge.cache.policy.profile import GENERIC, SAFE, Profile
from edge.cache.policy.reuse import Verdict, judge, on_error

PLAIN = RequestDirectives()


def terms(
    fresh: float = 100,
    *,
    swr: float = 0,
    sie: float = 0,
    must_revalidate: bool = False,
    no_cache: bool = False,
) -> Terms:
    return Terms(
        received_age=0,
        fresh_seconds=fresh,
        while_revalidating_seconds=swr,
        if_error_seconds=sie,
        must_revalidate=must_revalidate,
        no_cache=no_cache,
        explicit=True,
    )


@pytest.mark.parametrize(
    ("held", "age", "verdict"),
    [
        (terms(), 99.9, Verdict.FRESH),
        (terms(), 100, Verdict.VALIDATE),
        (terms(swr=10), 109.9, Verdict.WHILE_REVALIDATING),
        (terms(swr=10), 110, Verdict.VALIDATE),
        (terms(swr=10, must_revalidate=True), 101, Verdict.VALIDATE),
        (terms(must_revalidate=True), 99, Verdict.FRESH),
        (terms(no_cache=True, swr=10), 1, Verdict.VALIDATE),
        (terms(sie=10), 101, Verdict.VALIDATE),
    ],
)
@pytest.mark.parametrize("profile", [SAFE, GENERIC])
def test_age_and_terms_decide(held: Terms, age: float, verdict: Verdict, profile: Profile) -> None:
    assert judge(PLAIN, held, age, profile) is verdict


@pytest.mark.parametrize(
    ("request_", "age", "verdict"),
    [
        (RequestDirectives(no_cache=True), 1, Verdict.VALIDATE),
        (RequestDirectives(no_store=True), 1, Verdict.FRESH),
        (RequestDirectives(max_age=0), 0.5, Verdict.VALIDATE),
        (RequestDirectives(max_age=1), 3, Verdict.VALIDATE),
        (RequestDirectives(max_age=10), 3, Verdict.FRESH),
        (RequestDirectives(min_fresh=97), 3, Verdict.FRESH),
        (RequestDirectives(min_fresh=98), 3, Verdict.VALIDATE),
        (RequestDirectives(max_stale=5), 105, Verdict.STALE_ALLOWED),
        (RequestDirectives(max_stale=5), 106, Verdict.VALIDATE),
        (RequestDirectives(max_stale=math.inf), 10**6, Verdict.STALE_ALLOWED),
        (RequestDirectives(max_stale=5, min_fresh=1), 101, Verdict.VALIDATE),
    ],
)
def test_only_the_generic_profile_does_as_the_viewer_says(
    request_: RequestDirectives, age: float, verdict: Verdict
) -> None:
    assert judge(request_, terms(), age, GENERIC) is verdict
    assert judge(request_, terms(), age, SAFE) is judge(PLAIN, terms(), age, SAFE)


@pytest.mark.parametrize("held", [terms(must_revalidate=True), terms(no_cache=True)])
def test_no_viewer_can_have_stale_what_the_origin_forbids(held: Terms) -> None:
    lax = RequestDirectives(max_stale=math.inf, stale_if_error=10**6)
    assert judge(lax, held, 101, GENERIC) is Verdict.VALIDATE
    assert not on_error(lax, held, 101, GENERIC)


@pytest.mark.parametrize(
    ("request_", "held", "age", "generic"),
    [
        (PLAIN, terms(sie=10), 109.9, True),
        (PLAIN, terms(sie=10), 110, False),
        (PLAIN, terms(swr=10), 109, True),
        (PLAIN, terms(), 101, False),
        (PLAIN, terms(sie=10, must_revalidate=True), 101, False),
        (PLAIN, terms(must_revalidate=True), 99, True),
        (PLAIN, terms(no_cache=True, sie=10), 1, False),
        (RequestDirectives(stale_if_error=5), terms(), 105, True),
        (RequestDirectives(stale_if_error=5), terms(), 106, False),
        (RequestDirectives(max_stale=5), terms(), 105, True),
        (RequestDirectives(no_cache=True), terms(sie=10), 1, False),
    ],
)
def test_when_a_failing_origin_is_stood_in_for(
    request_: RequestDirectives, held: Terms, age: float, generic: bool
) -> None:
    assert on_error(request_, held, age, GENERIC) is generic
    assert on_error(request_, held, age, SAFE) is on_error(PLAIN, held, age, SAFE)


# The origin is well or failing; the answer is fresh, in one of its windows, or past them.
@pytest.mark.parametrize(
    ("age", "well", "failing"),
    [
        pytest.param(50, Verdict.FRESH, True, id="fresh"),
        pytest.param(105, Verdict.WHILE_REVALIDATING, True, id="within stale-while-revalidate"),
        pytest.param(150, Verdict.VALIDATE, True, id="within stale-if-error"),
        pytest.param(500, Verdict.VALIDATE, False, id="past both"),
    ],
)
def test_the_stale_matrix(age: float, well: Verdict, failing: bool) -> None:
    held = terms(swr=10, sie=100)
    assert judge(PLAIN, held, age, SAFE) is well
    assert on_error(PLAIN, held, age, SAFE) is failing


spans = st.floats(0, 10**6)


@given(spans, spans, spans, spans, st.booleans())
def test_what_may_be_served_at_once_may_also_stand_in_for_a_failing_origin(
    fresh: float, swr: float, sie: float, age: float, must: bool
) -> None:
    held = terms(fresh, swr=swr, sie=sie, must_revalidate=must)
    for profile in (SAFE, GENERIC):
        if judge(PLAIN, held, age, profile) is not Verdict.VALIDATE:
            assert on_error(PLAIN, held, age, profile)
