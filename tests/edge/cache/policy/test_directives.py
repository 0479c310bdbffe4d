from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.directives import (
    MAX_SECONDS,
    Directives,
    RequestDirectives,
    request_directives,
    response_directives,
)
from edge.cache.policy.lists import split_list


def read(*lines: str) -> Directives:
    return response_directives(CIMultiDict(("Cache-Control", line) for line in lines))


@pytest.mark.parametrize(
    ("lines", "max_age"),
    [
        (["max-age=3600"], 3600),
        (["MaX-aGe=3600"], 3600),
        (["foobar, max-age=3600"], 3600),
        ([",, max-age=3600 ,"], 3600),
        (["max-age=003600"], 3600),
        (['max-age="3600"'], 3600),
        (["max-age='3600'"], 0),
        (["max-age=3600.0"], 0),
        (["max-age=a3600"], 0),
        (["max-age=3600a"], 0),
        (["max-age=-3600"], 0),
        (["max-age= 3600"], 0),
        (["max-age =3600"], 0),
        (["max-age"], 0),
        (["max-age="], 0),
        (['max-age="3600'], 0),
        (["max-age=٣"], 0),
        (["max-age=2147483647"], 2147483647),
        (["max-age=2147483648"], MAX_SECONDS),
        (["max-age=99999999999"], MAX_SECONDS),
        (["max-age=" + "9" * 5000], MAX_SECONDS),
        (["max-age=" + "0" * 5000 + "7"], 7),
        (["max-age=1800, max-age=1"], 1),
        (["max-age=1", "max-age=1800"], 1),
        (["max-age=1800, max-age=x"], 0),
        (['extension="max-age=3600", max-age=1'], 1),
        (['max-age=1, extension="max-age=3600"'], 1),
        (['extension="a\\", max-age=3600", max-age=1'], 1),
        (['extension="never closed, max-age=1'], 1),
        (["s-maxage=1"], None),
        ([""], None),
    ],
)
def test_a_freshness_that_cannot_be_read_is_none_at_all(
    lines: list[str], max_age: int | None
) -> None:
    assert read(*lines).max_age == max_age


@pytest.mark.parametrize("text", ["no-store", "No-StOrE", "max-age=1,no-store=1", "no-store ;x"])
def test_no_store_is_seen_in_any_dress(text: str) -> None:
    assert read(text).no_store


def test_a_forbidding_word_counts_though_nonsense_follows_it() -> None:
    assert read("private; max-age=60").private


def test_a_directive_within_a_quoted_string_is_not_one() -> None:
    assert read('x="a, no-store"') == Directives()


@pytest.mark.parametrize(
    ("text", "whole", "named"),
    [
        ("no-cache", True, set()),
        ('no-cache="a"', False, {"a"}),
        ('no-cache="A, b"', False, {"a", "b"}),
        ('no-cache="a", no-cache', True, {"a"}),
        ('no-cache=""', True, set()),
        ("no-cache=a", True, set()),
        ('no-cache="a b"', True, set()),
        ('no-cache= "a"', True, set()),
    ],
)
def test_fields_are_exempted_only_by_a_well_formed_list(
    text: str, whole: bool, named: set[str]
) -> None:
    directives = read(text)
    assert directives.no_cache is whole
    assert directives.no_cache_fields == named


def test_every_directive_of_an_answer() -> None:
    assert read(
        "max-age=1, s-maxage=2, public, must-revalidate, proxy-revalidate",
        'must-understand, stale-while-revalidate=3, stale-if-error=4, private="x"',
    ) == Directives(
        max_age=1,
        s_maxage=2,
        public=True,
        must_revalidate=True,
        proxy_revalidate=True,
        must_understand=True,
        stale_while_revalidate=3,
        stale_if_error=4,
        private_fields=frozenset({"x"}),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RequestDirectives()),
        ({"Pragma": "no-cache"}, RequestDirectives(no_cache=True)),
        ({"Pragma": "foo, No-Cache"}, RequestDirectives(no_cache=True)),
        ({"Pragma": "no-cache", "Cache-Control": "nothing"}, RequestDirectives()),
        ({"Cache-Control": "max-age=0"}, RequestDirectives(max_age=0)),
        ({"Cache-Control": "max-age=x"}, RequestDirectives()),
        ({"Cache-Control": "max-stale"}, RequestDirectives(max_stale=math.inf)),
        ({"Cache-Control": "max-stale=10"}, RequestDirectives(max_stale=10)),
        ({"Cache-Control": "max-stale=x"}, RequestDirectives()),
        (
            {"Cache-Control": "no-store, no-cache, only-if-cached, min-fresh=3, stale-if-error=4"},
            RequestDirectives(
                no_store=True, no_cache=True, only_if_cached=True, min_fresh=3, stale_if_error=4
            ),
        ),
    ],
)
def test_what_a_request_asks_for(fields: dict[str, str], expected: RequestDirectives) -> None:
    assert request_directives(CIMultiDict(fields)) == expected


@given(st.text(max_size=80) | st.text('"\\,= \tmax-ge0123', max_size=80))
def test_any_text_is_read_as_something(text: str) -> None:
    directives = read(text, text)
    assert directives.max_age is None or 0 <= directives.max_age <= MAX_SECONDS


@given(st.lists(st.from_regex(r"[a-z]{1,5}(=(\"[a-z,\\\\ ]*[a-z]\"|[a-z]+))?", fullmatch=True)))
def test_members_come_apart_as_they_were_put_together(parts: list[str]) -> None:
    assert split_list(" ,\t".join(parts)) == parts


@pytest.mark.parametrize("part", ['"', '\\"', '"\\', ',"', "a=,"])
def test_hostile_repetition_takes_no_time(part: str) -> None:
    started = time.process_time()
    read(part * 20_000)
    assert time.process_time() - started < 1.0
