from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.directives import MAX_SECONDS, Directives
from edge.cache.policy.profile import GENERIC
from edge.cache.policy.targeted import Effective, effective


def read(**fields: str) -> Effective:
    return effective(
        CIMultiDict((name.replace("_", "-"), value) for name, value in fields.items()), GENERIC
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max-age=3600", Directives(max_age=3600)),
        ("max-age=99999999999", Directives(max_age=MAX_SECONDS)),
        ("max-age=-1", Directives(max_age=0)),
        ("foobar, max-age=3600", Directives(max_age=3600)),
        ("max-age=1;x=y, unknown=(1 2)", Directives(max_age=1)),
        ("no-store", Directives(no_store=True)),
        ("no-store=?0", Directives()),
        ("no-cache", Directives(no_cache=True)),
        ("private", Directives(private=True)),
        ('no-cache="a"', Directives(no_cache_fields=frozenset({"a"}))),
        ("max-age=1, max-age=2", Directives(max_age=2)),
        ("stale-if-error=5, must-revalidate", Directives(stale_if_error=5, must_revalidate=True)),
    ],
)
def test_a_dictionary_of_directives_replaces_cache_control(text: str, expected: Directives) -> None:
    found = read(CDN_Cache_Control=text, Cache_Control="private, max-age=7")
    assert found == Effective(expected, targeted=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max-age=10000, &&&&&",
        'max-age="10000"',
        "max-age=1.5",
        "max-age",
        "max-age =100",
        "max-age= 100",
        "MaX-aGe=3600",
        "no-store=1",
        "private=a",
        "max-age=(1)",
    ],
)
def test_a_field_with_an_error_is_as_if_absent(text: str) -> None:
    found = read(CDN_Cache_Control=text, Cache_Control="no-store")
    assert found == Effective(Directives(no_store=True), targeted=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max-age=3600", Directives(max_age=3600)),
        ("MaX-aGe=3600", Directives(max_age=3600)),
        ("max-age=99999999999", Directives(max_age=MAX_SECONDS)),
        (
            'content="ESI/1.0, x", max-age=3600+60',
            Directives(max_age=3600, stale_while_revalidate=60),
        ),
        ("max-age=1, max-age=3600;Kawa", Directives(max_age=3600)),
        ("max-age=1, max-age=3600;other", Directives(max_age=1)),
        ("no-store", Directives(no_store=True)),
        ("no-store-remote", Directives(no_store=True)),
    ],
)
def test_surrogate_control_replaces_cache_control(text: str, expected: Directives) -> None:
    found = read(Surrogate_Control=text, Cache_Control="no-store, max-age=7")
    assert found == Effective(expected, targeted=True)


@pytest.mark.parametrize(
    "text", ['content="ESI/1.0"', "max-age=3600;other", "max-age =100", "max-age= 100", "max-age=x"]
)
def test_surrogate_control_that_says_nothing_to_us_leaves_cache_control(text: str) -> None:
    found = read(Surrogate_Control=text, Cache_Control="max-age=1")
    assert found == Effective(Directives(max_age=1), targeted=False)


def test_the_standard_field_comes_before_the_old_one() -> None:
    found = read(CDN_Cache_Control="max-age=1", Surrogate_Control="max-age=2")
    assert found.directives.max_age == 1


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_yields_directives(cdn: str, surrogate: str) -> None:
    read(CDN_Cache_Control=cdn, Surrogate_Control=surrogate)
