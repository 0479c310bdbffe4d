from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.invalidation import invalidated

URL = "https://origin.example/a/b?c=d"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "WHATEVER"])
@pytest.mark.parametrize("status", [200, 204, 303])
def test_a_change_makes_its_target_invalid(method: str, status: int) -> None:
    assert invalidated(method, status, URL, CIMultiDict()) == (URL,)


@pytest.mark.parametrize("status", [100, 400, 404, 500, 502])
def test_a_failed_change_makes_nothing_invalid(status: int) -> None:
    assert invalidated("POST", status, URL, CIMultiDict({"Location": "/x"})) == ()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_safe_method_makes_nothing_invalid(method: str) -> None:
    assert invalidated(method, 200, URL, CIMultiDict()) == ()


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/x", "https://origin.example/x"),
        ("x?y#z", "https://origin.example/a/x?y"),
        ("https://ORIGIN.example:443/x", "https://ORIGIN.example:443/x"),
        ("//origin.example/x", "https://origin.example/x"),
        ("", None),
        ("https://other.example/x", None),
        ("http://origin.example/x", None),
        ("https://origin.example:444/x", None),
        ("https://origin.example:x/", None),
        ("https://[bad/x", None),
        ("javascript:alert(1)", None),
    ],
)
def test_places_named_by_the_answer_follow_if_they_are_of_the_same_origin(
    name: str, reference: str, url: str | None
) -> None:
    found = invalidated("POST", 201, URL, CIMultiDict({name: reference}))
    assert found == ((URL,) if url is None else (URL, url))


@given(st.text(max_size=40))
def test_any_reference_is_borne(reference: str) -> None:
    assert invalidated("PUT", 200, URL, CIMultiDict({"Location": reference}))[0] == URL
