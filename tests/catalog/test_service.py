from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from aiohttp import ClientSession
from openapi_spec_validator import validate
from pydantic import SecretStr

from catalog.app import openapi_document
from catalog.routes import ENDPOINTS
from config.runtime.keys import BadKeys, make_key_file
from config.runtime.logging import setup_logging
from config.runtime.metrics import render_metrics
from config.runtime.postgres import dsn_of
from config.settings.load import Settings
from config.settings.shared import LogSettings, PostgresSettings, RedisSettings
from tests.catalog.harness import ADMIN, PASSWORD, Api, Start

PROFILE = "/api/v1/accounts/users/me/profile"
LATEST = "/api/v1/anime/releases/latest"


def test_the_openapi_document_is_valid_and_tells_of_every_endpoint() -> None:
    document = openapi_document()

    validate(document)

    assert document["openapi"].startswith("3.1")
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) == len({item["operationId"] for item in operations}) == len(ENDPOINTS)
    assert all(item["summary"] for item in operations)
    query = document["paths"]["/api/v1/anime/catalog/releases"]["get"]["parameters"]
    assert "f[years][from_year]" in {parameter["name"] for parameter in query}


async def test_every_declared_endpoint_is_routed(api: Api) -> None:
    routed = {
        (route.method, route.resource.canonical)
        for route in api.app.router.routes()
        if route.resource is not None
    }

    assert {(item.method, item.path) for item in ENDPOINTS} <= routed


async def test_health_and_status(api: Api) -> None:
    assert (await api("GET", "/health/live")).body == {"alive": True}
    ready = await api("GET", "/health/ready")
    assert (ready.status, ready.body) == (200, {"ready": True, "failing": []})
    status = (await api("GET", "/api/v1/app/status")).body
    assert (status["is_alive"], status["request"]["ip"]) == (True, "127.0.0.1")


async def test_pages_of_other_origins_may_call(api: Api) -> None:
    preflight = await api(
        "OPTIONS",
        "/api/v1/media/uploads/01890000-0000-7000-8000-000000000000",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization,upload-offset",
        },
    )
    call = await api("GET", LATEST, headers={"Origin": "https://app.example"})
    refused = await api("GET", PROFILE, headers={"Origin": "https://app.example"})

    assert preflight.status == 204
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Upload-Offset" in preflight.headers["Access-Control-Allow-Headers"]
    for reply in (preflight, call, refused):
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert "Upload-Offset" in reply.headers["Access-Control-Expose-Headers"]


async def test_a_plain_request_id_is_kept_and_any_other_replaced(api: Api) -> None:
    kept = await api("GET", "/health/live", headers={"X-Request-Id": "abc-1.2_3"})
    replaced = await api("GET", "/nowhere", headers={"X-Request-Id": 'x" {evil}'})

    assert kept.headers["X-Request-Id"] == "abc-1.2_3"
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_errors_of_the_router_have_the_contracts_shape(api: Api) -> None:
    missing = await api("GET", "/api/v1/nowhere")
    wrong = await api("PUT", "/api/v1/releases", {})

    assert (missing.status, missing.body["code"]) == (404, "not-found")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert wrong.body["message"]


async def test_metrics_name_routes_and_never_what_was_asked(admin: Api) -> None:
    await admin("GET", "/api/v1/anime/releases/a-secret-alias")
    await admin("PROPFIND", "/a-secret-path")

    text = render_metrics().decode()

    assert (
        'catalog_requests_total{method="GET",route="/api/v1/anime/releases/{id_or_alias}",'
        'status="4xx"}'
    ) in text
    assert 'catalog_requests_total{method="other",route="unmatched",status="4xx"}' in text
    assert "a-secret" not in text


async def test_a_mistake_of_ours_is_a_500_that_tells_nothing(admin: Api) -> None:
    class Broken:
        def sign(self, claims: Any) -> str:
            raise ZeroDivisionError(claims.subject)

    from catalog import keys

    object.__setattr__(admin.app[keys.PLAYBACK], "signer", Broken())
    upload = await admin.upload(b"x")
    async with admin.app[keys.UNITS]() as uow:
        from catalog.media.domain import SourceState

        await uow.sources.publish(
            upload,
            state=SourceState.READY,
            attempt=1,
            prefix=f"media/{upload}/a-1",
            duration_seconds=1,
            renditions=(),
            now=admin.app[keys.CLOCK](),
        )
        await uow.commit()

    reply = await admin("POST", "/api/v1/media/streams", {"media_id": str(upload)}, check=False)

    assert (reply.status, reply.body["code"]) == (500, "internal-error")
    assert "user:" not in str(reply.body)


def without_database(settings: Settings) -> Settings:
    dsn = SecretStr("postgresql://kawa@127.0.0.1:1/kawa")
    return settings.model_copy(update={"postgres": PostgresSettings(dsn=dsn)})


async def test_without_a_database_every_answer_is_a_503(start: Start, settings: Settings) -> None:
    api = await start(without_database(settings))

    ready = await api("GET", "/health/ready")
    replies = [
        await api("GET", LATEST),
        await api("GET", PROFILE, token="cat_" + "a" * 43),
        await api.register("anna"),
        await api.log_in("anna"),
    ]

    assert (ready.status, ready.body["failing"]) == (503, ["postgres"])
    assert (await api("GET", "/health/live")).status == 200
    for reply in replies:
        assert (reply.status, reply.body["code"]) == (503, "database-unavailable")
        assert int(reply.headers["Retry-After"]) > 0


async def test_a_restarted_database_is_found_again(api: Api, rows: asyncpg.Connection[Any]) -> None:
    assert (await api("GET", LATEST)).status == 200

    await rows.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )

    assert (await api("GET", LATEST)).status == 200


async def test_a_stuck_database_is_a_503_in_bounded_time(
    start: Start, settings: Settings, rows: asyncpg.Connection[Any]
) -> None:
    limits = {
        "pool_size": 1,
        "statement_timeout": timedelta(seconds=0.4),
        "acquire_timeout": timedelta(seconds=0.2),
    }
    changed = settings.model_copy(update={"postgres": settings.postgres.model_copy(update=limits)})
    api = await start(changed)

    async with rows.transaction(), asyncio.timeout(5):
        await rows.execute("lock table releases in access exclusive mode")
        replies = await asyncio.gather(*(api("GET", LATEST) for _ in range(4)))

    assert {reply.status for reply in replies} == {503}
    assert (await api("GET", LATEST)).status == 200


async def test_without_a_signing_key_nothing_starts(start: Start, settings: Settings) -> None:
    settings.keys_file.unlink()

    with pytest.raises(BadKeys):
        await start()


@contextmanager
def json_logs() -> Iterator[None]:
    """The program's own logging, as in production, until the block ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    setup_logging(LogSettings(level="debug"), program="catalog")
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_no_token_and_no_password_is_logged_or_stored(
    start: Start, rows: asyncpg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with json_logs():
        api = await start()
        token = await api.new_user("anna")
        await api.log_in("anna", "a wrong secret word")
        await api("GET", f"{PROFILE}?token={token}", token=token)
        await api("GET", f"/api/v1/anime/releases/{token}", token=token)
        await api("POST", "/api/v1/accounts/users/auth/register", {"password": PASSWORD})
        for handler in logging.getLogger().handlers:
            handler.flush()
        text = capsys.readouterr().err

    lines = [json.loads(line) for line in text.splitlines()]
    assert {"request"} <= {line["event"] for line in lines}
    assert all(line["program"] == "catalog" for line in lines)
    assert any(line.get("request_id") and line["status"] == 200 for line in lines)
    for secret in (PASSWORD, "a wrong secret word", token, token.removeprefix("cat_")):
        assert secret not in text
    stored = await rows.fetchval(
        "select string_agg(t::text, '') from (select u.*, s.* from users u, sessions s) t"
    )
    assert token.removeprefix("cat_") not in stored
    assert token.encode().hex() not in stored
    assert PASSWORD not in stored


async def test_the_program_migrates_serves_and_stops(
    empty_database: PostgresSettings, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    make_key_file(tmp_path / "secrets" / "keys.json")
    assert redis_settings.url is not None
    environment = {
        **os.environ,
        "KAWA_VAR_DIR": str(tmp_path),
        "KAWA_POSTGRES__DSN": dsn_of(empty_database),
        "KAWA_REDIS__URL": redis_settings.url.get_secret_value(),
        "KAWA_CATALOG__LISTEN__PORT": "0",
        "KAWA_CATALOG__ADMIN__PORT": "0",
        "KAWA_CATALOG__ADMIN_LOGIN": ADMIN,
    }

    async def program(*arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "catalog",
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async with asyncio.timeout(60):
        unready = await program("admin")
        _, errors = await unready.communicate(b"a fine password\n")
        assert (unready.returncode, b"Traceback" in errors) == (1, False)

        serving = await program()
        assert serving.stderr is not None
        address: list[Any] = []
        while not address:
            line = json.loads(await serving.stderr.readline())
            if line["event"] == "serving":
                address = json.loads(
                    line["address"].replace("(", "[").replace(")", "]").replace("'", '"')
                )
        for expected in (b"done\n", b"nothing to do\n"):
            output, _ = await (await program("admin")).communicate(b"a fine password\n")
            assert output == expected
        url = f"http://{address[0]}:{address[1]}"
        async with ClientSession() as session:
            async with session.get(f"{url}/health/ready") as ready:
                assert ready.status == 200
            body = {"login": ADMIN, "password": "a fine password"}
            login = "/api/v1/accounts/users/auth/login"
            async with session.post(url + login, json=body) as reply:
                assert reply.status == 200
        serving.send_signal(signal.SIGTERM)
        await serving.communicate()
        assert serving.returncode == 0
