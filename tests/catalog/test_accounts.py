from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from catalog.accounts.bootstrap import ensure_admin
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.catalog.harness import ADMIN, PASSWORD, Api, Clock, Start, fast_passwords

PROFILE = "/api/v1/accounts/users/me/profile"
REGISTER = "/api/v1/accounts/users/auth/register"
LOGOUT = "/api/v1/accounts/users/auth/logout"


async def test_a_new_user_registers_logs_in_reads_the_profile_and_logs_out(api: Api) -> None:
    registered = await api.register("Фрирен")
    token = (await api.log_in("фрирен")).body["token"]

    profile = await api("GET", PROFILE, token=token)

    assert registered.status == 201
    assert token.startswith("cat_")
    assert (profile.status, profile.body) == (200, registered.body)
    for _ in range(2):
        gone = await api("POST", LOGOUT, token=token)
        assert (gone.status, gone.body) == (200, {"token": None})
    assert (await api("GET", PROFILE, token=token)).status == 401


async def test_the_profile_has_objects_where_apps_expect_them(api: Api) -> None:
    body = {"login": "Anna", "email": "Anna@Example.org", "password": PASSWORD, "nickname": "Аня"}

    profile = (await api("POST", REGISTER, body)).body

    nothing = {"src": None, "preview": None, "thumbnail": None}
    assert isinstance(profile.pop("id"), int)
    assert profile.pop("created_at").endswith("+00:00")
    assert profile == {
        "login": "Anna",
        "email": "Anna@Example.org",
        "nickname": "Аня",
        "avatar": {**nothing, "optimized": nothing},
        "torrents": {"passkey": None, "uploaded": 0, "downloaded": 0},
        "is_banned": False,
        "is_with_ads": False,
    }


async def test_of_two_look_alike_logins_at_the_same_time_one_is_taken(api: Api) -> None:
    replies = await asyncio.gather(*(api.register(login) for login in ("Ａnna", "anna")))

    assert sorted(reply.status for reply in replies) == [201, 409]
    assert [reply.body["code"] for reply in replies if reply.status == 409] == ["login-taken"]


async def test_an_address_is_taken_in_any_case(api: Api) -> None:
    first = {"login": "anna", "email": "anna@example.org", "password": PASSWORD}
    assert (await api("POST", REGISTER, first)).status == 201

    reply = await api("POST", REGISTER, first | {"login": "bela", "email": "ANNA@example.ORG"})

    assert (reply.status, reply.body["code"]) == (409, "email-taken")


BAD_REGISTRATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "login too short": ({"login": "ab"}, "login"),
    "login too long": ({"login": "a" * 65}, "login"),
    "login with a NUL": ({"login": "a\u0000bc"}, "login"),
    "login like an address": ({"login": "anna@home"}, "login"),
    "login is null": ({"login": None}, "login"),
    "no address": ({"email": "anna"}, "email"),
    "address that reads backwards": ({"email": "anna@exa\u202emple.org"}, "email"),
    "password too short": ({"password": "short"}, "password"),
    "password of one letter": ({"password": "a" * 8}, "password"),
    "password too long": ({"password": "ab1" * 100}, "password"),
}


async def test_bad_registrations_name_the_field(api: Api) -> None:
    good: dict[str, Any] = {"login": "anna", "email": "anna@example.org", "password": PASSWORD}
    for case, (change, field) in BAD_REGISTRATIONS.items():
        reply = await api("POST", REGISTER, good | change)

        assert (reply.status, list(reply.body["errors"])) == (422, [field]), case
        assert PASSWORD not in str(reply.body), case


BAD_BODIES = {
    "not JSON": (b"{", 400),
    "no object": (b"[]", 422),
    "nothing": (b"", 400),
    "a JSON bomb": (b"[" * 100_000, 400),
    "no UTF-8": (b"\xff" * 10, 400),
    "too large": (b" " * (2**20 + 1), 413),
}


async def test_bodies_that_cannot_be_read(api: Api) -> None:
    for case, (data, status) in BAD_BODIES.items():
        assert (await api("POST", REGISTER, data=data)).status == status, case


async def test_login_works_with_the_address_too(api: Api) -> None:
    profile = (await api.register("anna")).body

    assert (await api.log_in(profile["email"].upper())).status == 200


async def test_an_unknown_login_is_refused_like_a_wrong_password(api: Api) -> None:
    await api.register("anna")

    wrong = await api.log_in("anna", "not the password")
    unknown = await api.log_in("nobody")

    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body


async def test_without_a_valid_token_there_is_no_profile(api: Api) -> None:
    unknown = "cat_" + "a" * 43
    for value in (None, "Basic YTpi", "Bearer", "Bearer x", f"Bearer {unknown}", unknown):
        headers = {} if value is None else {"Authorization": value}

        reply = await api("GET", PROFILE, headers=headers)

        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), value


async def test_a_bad_token_is_refused_even_where_none_is_needed(api: Api) -> None:
    bad = await api("GET", "/api/v1/anime/releases/latest", token="cat_" + "a" * 43)

    assert bad.status == 401
    assert (await api("GET", "/api/v1/anime/releases/latest")).status == 200


async def test_a_part_of_the_profile(api: Api) -> None:
    token = await api.new_user("anna")
    parts = {
        "include=login": {"login"},
        "include=login,torrents.uploaded": {"login", "torrents"},
        "include=login&include[]=id&exclude=id": {"login"},
    }
    for query, fields in parts.items():
        reply = await api("GET", f"{PROFILE}?{query}", token=token)
        assert set(reply.body) == fields, query


async def test_a_login_ends_when_it_is_not_used(api: Api, clock: Clock) -> None:
    token = await api.new_user("anna")
    for _ in range(3):
        clock.forward(days=29)
        assert (await api("GET", PROFILE, token=token)).status == 200

    clock.forward(days=30)

    assert (await api("GET", PROFILE, token=token)).status == 401


async def test_a_login_ends_in_any_case(api: Api, clock: Clock) -> None:
    token = await api.new_user("anna")
    for _ in range(7):
        clock.forward(days=25)
        assert (await api("GET", PROFILE, token=token)).status == 200

    clock.forward(days=5)

    assert (await api("GET", PROFILE, token=token)).status == 401


async def test_activity_is_written_once_a_minute(
    api: Api, clock: Clock, rows: asyncpg.Connection[Any]
) -> None:
    token = await api.new_user("anna")
    versions = set()
    for seconds in (0, 20, 30, 20, 20):
        clock.forward(seconds=seconds)
        await api("GET", PROFILE, token=token)
        versions.add(await rows.fetchval("select xmin from sessions"))

    assert len(versions) == 2  # as it was made, and one update


async def test_a_banned_user_is_out_at_once(api: Api, rows: asyncpg.Connection[Any]) -> None:
    token = await api.new_user("anna")

    await rows.execute("update users set is_banned = true")

    assert (await api("GET", PROFILE, token=token)).status == 401
    assert (await api.log_in("anna")).status == 403


async def test_the_oldest_login_ends_when_there_are_too_many(
    api: Api, rows: asyncpg.Connection[Any], clock: Clock
) -> None:
    first = await api.new_user("anna")
    for _ in range(50):
        clock.forward(seconds=1)
        assert (await api.log_in("anna")).status == 200

    assert (await api("GET", PROFILE, token=first)).status == 401
    assert await rows.fetchval("select count(*) from sessions") == 50


async def test_after_five_failures_even_the_right_password_has_to_wait(api: Api) -> None:
    await api.register("anna")
    await api.register("bela")
    failures = [await api.log_in("ANNA", "wrong") for _ in range(5)]

    locked = await api.log_in("anna")

    assert [reply.status for reply in failures] == [401] * 5
    assert (locked.status, locked.body["code"]) == (429, "too-many-attempts")
    assert 0 < int(locked.headers["Retry-After"]) <= 15 * 60
    assert (await api.log_in("bela")).status == 200


async def test_the_limit_holds_against_many_tries_at_once(api: Api) -> None:
    await api.register("anna")

    replies = await asyncio.gather(*(api.log_in("anna", f"guess {n}") for n in range(20)))

    assert sorted(reply.status for reply in replies) == [401] * 5 + [429] * 15


async def test_two_catalogs_share_the_limit(start: Start) -> None:
    first, second = await start(), await start()
    await first.register("anna")
    for api in (first, second, first, second, first):
        assert (await api.log_in("anna", "wrong")).status == 401

    assert (await second.log_in("anna")).status == 429


async def test_a_good_login_forgives_the_failures_before(api: Api) -> None:
    await api.register("anna")
    for _ in range(3):
        for _ in range(4):
            assert (await api.log_in("anna", "wrong")).status == 401
        assert (await api.log_in("anna")).status == 200


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", None], ids=["away", "not set"])
async def test_without_redis_logins_work_and_are_limited(
    start: Start, settings: Settings, url: str | None
) -> None:
    redis = RedisSettings(url=None if url is None else SecretStr(url))
    api = await start(settings.model_copy(update={"redis": redis}))
    await api.register("anna")
    assert (await api.log_in("anna")).status == 200

    statuses = [(await api.log_in("anna", "wrong")).status for _ in range(6)]

    assert statuses == [401] * 5 + [429]


async def test_nobody_can_register_as_the_administrator(api: Api) -> None:
    reply = await api.register("ＡDMIN")

    assert (reply.status, reply.body["code"]) == (409, "login-taken")


async def test_the_administrator_is_made_once_and_can_get_a_new_password(
    api: Api, settings: Settings
) -> None:
    ensure = partial(ensure_admin, settings, passwords=fast_passwords())
    assert await ensure(ADMIN, PASSWORD)
    assert not await ensure("Admin", PASSWORD)
    token = (await api.log_in(ADMIN)).body["token"]

    assert await ensure(ADMIN, "another password")

    assert (await api("GET", PROFILE, token=token)).status == 401
    assert (await api.log_in(ADMIN, "another password")).status == 200
    with pytest.raises(ValueError, match="ADMIN_LOGIN"):
        await ensure("anna", PASSWORD)


ADMIN_ONLY = [
    ("POST", "/api/v1/releases", {"name": {"main": "x"}}),
    ("POST", "/api/v1/episodes", {"release_id": 1, "ordinal": 1}),
    ("POST", "/api/v1/media/uploads", None),
    ("HEAD", "/api/v1/media/uploads/01890000-0000-7000-8000-000000000000", None),
    ("PATCH", "/api/v1/media/uploads/01890000-0000-7000-8000-000000000000", None),
    ("POST", "/api/v1/media/uploads/01890000-0000-7000-8000-000000000000", None),
    ("DELETE", "/api/v1/media/uploads/01890000-0000-7000-8000-000000000000", None),
    ("GET", "/api/v1/media/01890000-0000-7000-8000-000000000000", None),
    ("POST", "/api/v1/media/01890000-0000-7000-8000-000000000000/cancel", None),
    ("POST", "/api/v1/media/01890000-0000-7000-8000-000000000000/retry", None),
]


async def test_only_the_administrator_manages(api: Api) -> None:
    token = await api.new_user("anna")
    for method, path, body in ADMIN_ONLY:
        assert (await api(method, path, body)).status == 401, path
        assert (await api(method, path, body, token=token)).status == 403, path
