from __future__ import annotations

import pytest
from multidict import CIMultiDict

from edge.cache.policy.profile import GENERIC, SAFE, Profile
from edge.cache.policy.storing import Storing, storing

FRESH = ("Cache-Control", "max-age=3600")
URL = "https://origin.example/a?b"


def decide(
    *fields: tuple[str, str],
    status: int = 200,
    method: str = "GET",
    request: dict[str, str] | None = None,
    profile: Profile = GENERIC,
) -> Storing:
    return storing(
        method, CIMultiDict(request or {}), status, CIMultiDict(fields), profile, target_url=URL
    )


@pytest.mark.parametrize(
    "status",
    [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599],
)
@pytest.mark.parametrize("profile", [GENERIC, SAFE])
def test_any_final_status_is_stored_with_explicit_freshness(status: int, profile: Profile) -> None:
    assert decide(FRESH, status=status, profile=profile).store
    assert decide(("Expires", "0"), status=status, profile=profile).store


@pytest.mark.parametrize("status", [101, 103, 304, 412, 416, 600, 999])
def test_a_status_that_means_one_request_only_is_never_stored(status: int) -> None:
    assert decide(FRESH, status=status) == Storing(False, "status")


@pytest.mark.parametrize(
    ("status", "store"), [(200, True), (404, True), (302, False), (403, False), (503, False)]
)
def test_without_freshness_the_status_decides(status: int, store: bool) -> None:
    decided = decide(("ETag", '"a"'), status=status)
    assert (decided.store, decided.why) == (store, "stored" if store else "no-freshness")


def test_public_lifts_the_need_for_freshness() -> None:
    assert decide(("Cache-Control", "public"), status=599).store


def test_errors_are_remembered_for_a_moment_in_the_safe_profile() -> None:
    assert decide(status=503, profile=SAFE).store
    assert decide(status=403, profile=SAFE).why == "no-freshness"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no-store", "no-store"),
        ("max-age=10000, no-store", "no-store"),
        ("private, max-age=3600", "private"),
        ('private="a", private, max-age=3600', "private"),
    ],
)
@pytest.mark.parametrize("profile", [GENERIC, SAFE])
def test_what_the_answer_forbids(value: str, why: str, profile: Profile) -> None:
    assert decide(("Cache-Control", value), profile=profile) == Storing(False, why)  # type: ignore[arg-type]


def test_must_understand_lifts_no_store_for_known_statuses_only() -> None:
    rules = ("Cache-Control", "max-age=3600, no-store, must-understand")
    assert decide(rules, status=200).store
    assert decide(rules, status=599).why == "no-store"
    assert decide(("Cache-Control", "max-age=1, must-understand"), status=599).why == "no-store"


def test_fields_named_by_private_or_no_cache_are_left_out() -> None:
    decided = decide(FRESH, ("Cache-Control", 'no-cache="A, b"'), ("Cache-Control", 'private="c"'))
    assert decided == Storing(True, "stored", frozenset({"a", "b", "c"}))


@pytest.mark.parametrize(
    ("value", "generic"),
    [
        ("max-age=3600", False),
        ("max-age=3600, public", True),
        ("max-age=3600, must-revalidate", True),
        ("max-age=3600, proxy-revalidate", False),
        ("s-maxage=3600", True),
    ],
)
def test_an_authorized_answer_is_shared_only_where_it_says_so(value: str, generic: bool) -> None:
    request = {"Authorization": "FOO"}
    assert decide(("Cache-Control", value), request=request).store is generic
    safe = decide(("Cache-Control", value), request=request, profile=SAFE)
    assert safe.why == "authorized"


def test_a_cookie_is_stored_by_the_generic_profile_only() -> None:
    cookie = ("Set-Cookie", "a=b")
    assert decide(FRESH, cookie).store
    assert decide(FRESH, cookie, profile=SAFE).why == "set-cookie"
    left_out = decide(FRESH, cookie, ("Cache-Control", 'no-cache="Set-Cookie"'), profile=SAFE)
    assert left_out == Storing(True, "stored", frozenset({"set-cookie"}))


def test_a_viewers_no_store_is_heard_by_the_generic_profile_only() -> None:
    request = {"Cache-Control": "no-store"}
    assert decide(FRESH, request=request).why == "request-no-store"
    assert decide(FRESH, request=request, profile=SAFE).store


@pytest.mark.parametrize(
    ("value", "generic", "safe"),
    [
        ("*", False, False),
        ("Foo, *", False, False),
        ("Foo", True, False),
        ("Accept-Encoding, Origin", True, True),
    ],
)
def test_vary_limits_what_is_stored(value: str, generic: bool, safe: bool) -> None:
    assert decide(FRESH, ("Vary", value)).store is generic
    assert decide(FRESH, ("Vary", value), profile=SAFE).store is safe


@pytest.mark.parametrize(
    ("fields", "store"),
    [
        ([("Content-Range", "bytes 4-8/10")], True),
        ([("Content-Range", "bytes 4-8/10"), ("Content-Length", "5")], True),
        ([("Content-Range", "bytes 4-8/10"), ("Content-Length", "6")], False),
        (
            [
                ("Content-Range", "bytes 4-8/10"),
                ("Content-Type", "multipart/byteranges; boundary=a"),
            ],
            False,
        ),
        ([], False),
    ],
)
def test_a_part_is_stored_if_its_fields_agree(fields: list[tuple[str, str]], store: bool) -> None:
    decided = decide(FRESH, *fields, status=206)
    assert (decided.store, decided.why) == (store, "stored" if store else "partial")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "get"])
def test_only_the_answer_to_a_get_is_stored(method: str) -> None:
    assert decide(FRESH, method=method).why == "method"


@pytest.mark.parametrize("location", [URL, "/a?b", "a?b", "?b", ""])
def test_a_post_is_stored_when_its_answer_is_its_own_url(location: str) -> None:
    fields = (FRESH, ("Content-Location", location))
    assert decide(*fields, method="POST").store
    assert decide(*fields, method="POST", profile=SAFE).why == "method"
    assert decide(fields[1], method="POST").why == "method"
    assert decide(*fields, method="POST", status=201).why == "method"


@pytest.mark.parametrize("location", ["/a", "https://other.example/a?b", "http://[bad"])
def test_a_post_about_another_url_is_not_stored(location: str) -> None:
    assert decide(FRESH, ("Content-Location", location), method="POST").why == "method"


def test_a_targeted_field_overrides_cache_control_both_ways() -> None:
    allowed = decide(("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=10000"))
    assert allowed.store
    for value in ("no-store", "private"):
        refused = decide(FRESH, ("CDN-Cache-Control", value))
        assert refused.why == value
