from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.dates import http_date
from edge.cache.policy.directives import MAX_SECONDS
from edge.cache.policy.freshness import Terms, age, terms_of, worth_keeping
from edge.cache.policy.profile import GENERIC, SAFE, Profile

NOW = 1_790_000_000.0
DAY = 24 * 3600


def terms(
    *fields: tuple[str, str],
    status: int = 200,
    profile: Profile = GENERIC,
    delay: float = 0.0,
    default_fresh: float | None = None,
    negative_fresh: float | None = None,
    heuristic_ok: bool = True,
) -> Terms:
    return terms_of(
        status,
        CIMultiDict(fields),
        requested_at=NOW - delay,
        received_at=NOW,
        profile=profile,
        default_fresh=default_fresh,
        negative_fresh=negative_fresh,
        heuristic_ok=heuristic_ok,
    )


def cc(value: str) -> tuple[str, str]:
    return "Cache-Control", value


def expires(delta: float) -> tuple[str, str]:
    return "Expires", http_date(NOW + delta)


def date(delta: float = 0) -> tuple[str, str]:
    return "Date", http_date(NOW + delta)


def modified(delta: float) -> tuple[str, str]:
    return "Last-Modified", http_date(NOW + delta)


@pytest.mark.parametrize(
    ("fields", "fresh"),
    [
        pytest.param([cc("max-age=3600")], 3600, id="max-age"),
        pytest.param([cc("max-age=1, s-maxage=3600")], 3600, id="s-maxage before max-age"),
        pytest.param([cc("max-age=3600"), cc("s-maxage=1")], 1, id="s-maxage on another line"),
        pytest.param([cc("max-age=3600"), expires(-7200), date()], 3600, id="max-age over Expires"),
        pytest.param([cc("max-age=0"), expires(3600), date()], 0, id="max-age of 0 over Expires"),
        pytest.param([cc("max-age=x"), expires(3600), date()], 0, id="bad max-age over Expires"),
        pytest.param([expires(100), date()], 100, id="Expires"),
        pytest.param([expires(0), date()], 0, id="Expires now"),
        pytest.param([expires(300), date(400)], 0, id="Expires before Date"),
        pytest.param([expires(10), date(-10)], 20, id="Expires counts from Date"),
        pytest.param([expires(10), ("Date", "foo")], 10, id="Expires with a bad Date"),
        pytest.param([expires(10)], 10, id="Expires without Date"),
        pytest.param([("Expires", "0"), date()], 0, id="Expires that is no date"),
        pytest.param([expires(99), expires(10), date()], 10, id="the earlier of two Expires"),
        pytest.param([expires(99), ("Expires", "x"), date()], 0, id="one bad Expires of two"),
        pytest.param([expires(10**10), date()], MAX_SECONDS, id="Expires far away"),
        pytest.param(
            [("CDN-Cache-Control", "max-age=5"), expires(99), date()], 5, id="targeted over Expires"
        ),
        pytest.param(
            [("CDN-Cache-Control", "public"), expires(99), date()], 0, id="targeted hides Expires"
        ),
        pytest.param([modified(-DAY), date()], DAY / 10, id="guess from Last-Modified"),
        pytest.param([modified(-100 * DAY), date()], DAY, id="a guess has a ceiling"),
        pytest.param([modified(DAY), date()], 0, id="Last-Modified in the future"),
        pytest.param(
            [modified(-DAY), date(), ("Pragma", "no-cache")], 0, id="Pragma stops guesses"
        ),
        pytest.param([], 0, id="nothing said"),
    ],
)
def test_how_long_an_answer_is_fresh(fields: list[tuple[str, str]], fresh: float) -> None:
    assert terms(*fields).fresh_seconds == fresh


@pytest.mark.parametrize(
    ("status", "more", "guessed"),
    [(status, [], True) for status in (200, 203, 204, 404, 405, 410, 414, 501)]
    + [(status, [], False) for status in (201, 202, 302, 403, 500, 502, 503, 504, 599)]
    + [(599, [cc("public")], True)],
)
def test_which_statuses_are_guessed(
    status: int, more: list[tuple[str, str]], guessed: bool
) -> None:
    fields = [modified(-DAY), date(), *more]
    assert (terms(*fields, status=status).fresh_seconds > 0) is guessed
    assert terms(*fields, status=status, profile=SAFE).fresh_seconds == 0
    assert terms(*fields, status=status, heuristic_ok=False).fresh_seconds == 0


def test_the_origins_default_is_for_good_answers_that_say_nothing() -> None:
    assert terms(default_fresh=9, profile=SAFE).fresh_seconds == 9
    assert not terms(default_fresh=9).explicit
    assert terms(modified(-DAY), date(), default_fresh=9).fresh_seconds == 9
    assert terms(cc("max-age=1"), default_fresh=9).fresh_seconds == 1
    assert terms(("Expires", "0"), default_fresh=9).fresh_seconds == 0
    assert terms(status=404, default_fresh=9, profile=SAFE).fresh_seconds == 0
    assert terms(status=404, default_fresh=9, negative_fresh=2, profile=SAFE).fresh_seconds == 2


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 0),
        (["7200"], 7200),
        (["abc"], 0),
        (["-7200"], 0),
        (["7200.0"], 0),
        (['"7200"'], 0),
        (["7200;foo=bar"], 0),
        (["2147483647"], 2147483647),
        (["2147483648"], MAX_SECONDS),
        (["2147483649"], MAX_SECONDS),
        (["9" * 5000], MAX_SECONDS),
        (["7200, 0"], 7200),
        (["0, 7200"], 0),
        (["7200", "0"], 7200),
        (["0", "7200"], 0),
        (["3600", "3600"], 3600),
        ([""], 0),
    ],
)
def test_the_first_age_counts_if_it_is_a_number(lines: list[str], seconds: int) -> None:
    assert terms(*(("Age", line) for line in lines)).received_age == seconds


def test_the_time_the_origin_took_is_part_of_the_age() -> None:
    assert terms(("Age", "10"), delay=3).received_age == 13


def test_only_the_generic_profile_believes_an_old_date() -> None:
    assert terms(date(-7200)).received_age == 7200
    assert terms(date(-7200), ("Age", "9000")).received_age == 9000
    assert terms(date(+7200)).received_age == 0
    assert terms(date(-7200), profile=SAFE).received_age == 0


def test_an_answer_grows_older_with_the_clock_and_never_younger() -> None:
    received = terms(("Age", "10"))
    assert age(received, NOW, NOW + 5) == 15
    assert age(received, NOW, NOW - 5) == 10


@pytest.mark.parametrize("value", ["must-revalidate", "proxy-revalidate", "s-maxage=2"])
@pytest.mark.parametrize("profile", [GENERIC, SAFE])
def test_what_forbids_stale_use(value: str, profile: Profile) -> None:
    assert terms(cc(f"max-age=2, {value}"), profile=profile).must_revalidate


def test_a_window_beside_s_maxage_is_meant_in_the_safe_profile_only() -> None:
    fields = cc("s-maxage=2, stale-while-revalidate=30")
    safe = terms(fields, profile=SAFE)
    assert (safe.must_revalidate, safe.while_revalidating_seconds) == (False, 30)
    assert safe.if_error_seconds == 0
    assert terms(fields).must_revalidate
    assert terms(cc("s-maxage=2, stale-if-error=9, must-revalidate"), profile=SAFE).must_revalidate


def test_a_named_limit_for_errors_replaces_the_default() -> None:
    assert terms(cc("max-age=1")).if_error_seconds == GENERIC.stale_if_error_default
    assert terms(cc("max-age=1, stale-if-error=0")).if_error_seconds == 0


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_stands_in_for_no_other_unless_it_says_so(status: int) -> None:
    assert terms(cc("max-age=1"), status=status).if_error_seconds == 0
    assert terms(cc("max-age=1, stale-if-error=5"), status=status).if_error_seconds == 5


@pytest.mark.parametrize(
    ("fields", "worth"),
    [
        ([cc("max-age=1")], True),
        ([cc("max-age=0"), ("ETag", '"a"')], True),
        ([cc("no-cache"), ("ETag", '"a"')], True),
        ([cc("no-cache, max-age=9")], False),
        ([cc("max-age=0")], True),  # it may still stand in for a failing origin
        ([cc("max-age=0, stale-if-error=0")], False),
        ([cc("max-age=9, must-revalidate"), ("Age", "9")], False),
        ([modified(-DAY), date()], True),
        ([], False),
    ],
)
def test_what_is_worth_keeping(fields: list[tuple[str, str]], worth: bool) -> None:
    assert worth_keeping(terms(*fields), CIMultiDict(fields)) is worth


lines = st.lists(
    st.tuples(
        st.sampled_from(["Cache-Control", "CDN-Cache-Control", "Age", "Date", "Expires", "Pragma"]),
        st.text(max_size=30) | st.sampled_from(["max-age=1", "s-maxage=2", "5", http_date(NOW)]),
    ),
    max_size=6,
)


@given(lines, st.integers(200, 599), st.sampled_from([SAFE, GENERIC]))
def test_terms_are_never_negative(
    fields: list[tuple[str, str]], status: int, profile: Profile
) -> None:
    found = terms(*fields, status=status, profile=profile)
    assert 0 <= found.fresh_seconds <= MAX_SECONDS
    assert found.received_age >= 0
