from __future__ import annotations

import pytest
from multidict import CIMultiDict

from edge.cache.policy.profile import SAFE
from edge.cache.policy.update import freshened, head_agrees, may_freshen

OLD = "Wed, 01 Jan 2020 00:00:00 GMT"
NEW = "Fri, 01 Jan 2021 00:00:00 GMT"


@pytest.mark.parametrize(
    ("stored", "new", "may"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": '"a"'}, {"ETag": 'W/"a"'}, True),
        ({"ETag": 'W/"a"'}, {"ETag": '"a"'}, False),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"b"'}, False),
        ({"Last-Modified": OLD}, {"ETag": '"a"', "Last-Modified": OLD}, False),
        ({"Last-Modified": OLD}, {"ETag": 'W/"a"', "Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"ETag": 'W/"a"'}, False),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": NEW}, False),
        ({"ETag": '"a"'}, {"Last-Modified": NEW}, True),
        ({"ETag": '"a"'}, {}, True),
    ],
)
def test_a_304_is_about_the_answer_whose_validators_it_names(
    stored: dict[str, str], new: dict[str, str], may: bool
) -> None:
    assert may_freshen(CIMultiDict(stored), CIMultiDict(new)) is may


@pytest.mark.parametrize(
    ("name", "updated"),
    [
        ("Test-Header", True),
        ("X-Test-Header", True),
        ("Content-Foo", True),
        ("Cache-Control", True),
        ("Content-Type", True),
        ("Content-Location", True),
        ("Expires", True),
        ("Set-Cookie", True),
        ("ETag", True),
        ("Content-Length", False),
        ("Content-Encoding", False),
        ("Content-Range", False),
        ("Keep-Alive", False),
        ("Proxy-Authenticate", False),
        ("Transfer-Encoding", False),
    ],
)
def test_which_fields_a_304_replaces(name: str, updated: bool) -> None:
    result = freshened(CIMultiDict({name: "old"}), CIMultiDict({name.lower(): "new"}))
    assert result.getall(name) == ["new" if updated else "old"]


def test_several_lines_are_replaced_as_a_whole() -> None:
    stored = CIMultiDict([("A", "1"), ("A", "2"), ("B", "3")])
    result = freshened(stored, CIMultiDict([("a", "4"), ("a", "5")]))
    assert (result.getall("A"), result["B"]) == (["4", "5"], "3")


def test_the_age_and_date_of_the_old_answer_do_not_outlive_it() -> None:
    stored = CIMultiDict({"Age": "100", "Date": OLD, "ETag": '"a"'})
    assert dict(freshened(stored, CIMultiDict())) == {"ETag": '"a"'}
    assert freshened(stored, CIMultiDict({"Date": NEW, "Age": "3"}))["Date"] == NEW


def test_a_304_adds_no_cookie_in_the_safe_profile_nor_fields_it_forbids() -> None:
    new = CIMultiDict(
        [("Set-Cookie", "a=b"), ("Secret", "1"), ("Cache-Control", 'private="secret"')]
    )
    result = freshened(CIMultiDict(), new, profile=SAFE)
    assert list(result) == ["Cache-Control"]


@pytest.mark.parametrize(
    ("stored", "new", "agrees"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"Content-Length": "5"}, {"Content-Length": "6"}, False),
        ({"Last-Modified": OLD}, {"Last-Modified": NEW}, False),
        ({"Last-Modified": OLD}, {}, True),
        ({}, {"ETag": '"a"'}, True),
    ],
)
def test_a_head_describes_the_stored_answer_or_another(
    stored: dict[str, str], new: dict[str, str], agrees: bool
) -> None:
    assert head_agrees(CIMultiDict(stored), CIMultiDict(new)) is agrees
