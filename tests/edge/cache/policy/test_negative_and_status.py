from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from config.settings.cache import CacheSettings
from edge.cache.policy.negative import kept_seconds
from edge.cache.policy.profile import GENERIC, SAFE, profile_named
from edge.cache.policy.status import appended, cache_status
from edge.structured_fields import Item, Token, parse_list


@pytest.mark.parametrize("status", [404, 405, 410, 414, 500, 501, 502, 503, 504])
def test_an_error_that_says_nothing_is_remembered_for_a_moment(status: int) -> None:
    assert kept_seconds(status, CIMultiDict(), SAFE, random=0.0) == SAFE.negative_seconds
    assert kept_seconds(status, CIMultiDict(), SAFE, random=1.0) == SAFE.negative_seconds / 2
    assert kept_seconds(status, CIMultiDict(), GENERIC, random=0.0) is None


@pytest.mark.parametrize("status", [200, 206, 301, 400, 401, 403, 416, 429])
def test_other_answers_are_not_errors_to_remember(status: int) -> None:
    assert kept_seconds(status, CIMultiDict(), SAFE, random=0.0) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"Cache-Control": "max-age=5"},
        {"Cache-Control": "no-store"},
        {"Cache-Control": "no-cache"},
        {"Cache-Control": "private"},
        {"CDN-Cache-Control": "max-age=5"},
        {"Expires": "0"},
    ],
)
def test_an_error_that_says_something_has_its_own_way(fields: dict[str, str]) -> None:
    assert kept_seconds(404, CIMultiDict(fields), SAFE, random=0.0) is None


def test_the_operators_limits_reach_the_profile() -> None:
    settings = CacheSettings.model_validate({"negative": "PT4S", "stale_if_error": "PT5S"})
    safe = profile_named("safe", settings)
    generic = profile_named("generic-cache", settings)
    assert (safe.name, safe.negative_seconds, safe.stale_if_error_default) == ("safe", 4, 5)
    assert (generic.name, generic.negative_seconds) == ("generic-cache", 0)
    assert generic.stale_if_error_default == 5


def test_without_settings_the_profiles_are_those_of_the_defaults() -> None:
    assert profile_named("safe", CacheSettings()) == SAFE
    assert profile_named("generic-cache", CacheSettings()) == GENERIC


# RFC 9211 section 4.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (cache_status(hit=True), "kawa;hit"),
        (cache_status(hit=True, ttl=30.9, name="ExampleCache"), "ExampleCache;hit;ttl=30"),
        (cache_status(hit=True, ttl=-412), "kawa;hit;ttl=-412"),
        (cache_status(hit=True, ttl=-0.5), "kawa;hit;ttl=-1"),
        (cache_status(hit=False, fwd="uri-miss", collapsed=True), "kawa;fwd=uri-miss;collapsed"),
        (cache_status(hit=False, fwd="stale", fwd_status=304), "kawa;fwd=stale;fwd-status=304"),
        (
            cache_status(hit=False, fwd="uri-miss", fwd_status=200, ttl=9, stored=True),
            "kawa;fwd=uri-miss;fwd-status=200;ttl=9;stored",
        ),
        (cache_status(hit=True, detail="memory"), "kawa;hit;detail=memory"),
        (cache_status(hit=True, detail="a b", name="my cache"), '"my cache";hit;detail="a b"'),
    ],
)
def test_how_a_request_was_handled_is_written(text: str, expected: str) -> None:
    assert text == expected


def test_caches_are_listed_from_the_origin_to_the_viewer() -> None:
    assert appended(None, "kawa;hit") == "kawa;hit"
    assert appended("shield;hit", "kawa;fwd=miss") == "shield;hit, kawa;fwd=miss"


@given(
    st.booleans(),
    st.sampled_from(["miss", "stale", None]),
    st.floats(-(10**9), 10**9),
    st.from_regex(r"[ -~]{1,20}", fullmatch=True),
)
def test_every_status_is_a_structured_list(hit: bool, fwd: None, ttl: float, name: str) -> None:
    (item,) = parse_list(cache_status(hit=hit, fwd=fwd, ttl=ttl, name=name))
    assert isinstance(item, Item)
    assert (item.value.value if isinstance(item.value, Token) else item.value) == name
    assert not (item.parameters.get("hit") and "fwd" in item.parameters)
