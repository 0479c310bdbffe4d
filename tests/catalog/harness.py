"""A client of the catalog that holds every answer to the OpenAPI document, and small helpers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from aiohttp import web
from aiohttp.test_utils import TestClient
from openapi_schema_validator import OAS31Validator
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from catalog import keys
from catalog.accounts.passwords import Argon2Passwords
from catalog.accounts.use_cases import ensure_account
from config.settings.load import Settings

ADMIN = "admin"
PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """A present that only moves when a test says so."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **units: float) -> None:
        self.now += timedelta(**units)


def fast_passwords() -> Argon2Passwords:
    """Argon2 with parameters that only a test may use."""
    return Argon2Passwords(
        PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
    )


@dataclass
class Reply:
    status: int
    headers: Any
    body: Any
    raw: bytes


class Api:
    """Calls the application and holds every JSON answer to the OpenAPI document, unknown keys forbidden."""

    def __init__(self, client: TestClient[Any, Any], document: dict[str, Any]) -> None:
        self.client = client
        self.document = document
        self._strict = _forbid_unknown_keys(document)
        self.token: str | None = None

    @property
    def app(self) -> web.Application:
        server: Any = self.client.server
        app: web.Application = server.app
        return app

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: Any = None,
        check: bool = True,
    ) -> Reply:
        sent = dict(headers or {})
        if token or self.token:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        if body is not None:
            data = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        if isinstance(data, bytes):
            data = io.BytesIO(data)
        async with self.client.request(method, path, data=data, headers=sent) as response:
            raw = await response.read()
        is_json = raw and response.headers.get("Content-Type", "").startswith("application/json")
        reply = Reply(response.status, response.headers, json.loads(raw) if is_json else None, raw)
        assert not check or reply.status != 500, reply.body
        if check and reply.body is not None:
            self._hold(method, path, reply)
        return reply

    def _hold(self, method: str, path: str, reply: Reply) -> None:
        plain = path.partition("?")[0]
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, plain) and method.lower() in item:
                declared = item[method.lower()]["responses"]
                assert str(reply.status) in declared, (
                    f"{method} {template}: {reply.status} undeclared"
                )
                content = declared[str(reply.status)].get("content")
                partial = "include" in path or "exclude" in path
                if content and not partial:
                    schema = content["application/json"]["schema"]
                    OAS31Validator({**schema, "components": self._strict}).validate(reply.body)
                return

    async def register(self, login: str, password: str = PASSWORD) -> Reply:
        return await self(
            "POST",
            "/api/v1/accounts/users/auth/register",
            {"login": login, "email": f"{uuid4().hex}@example.org", "password": password},
        )

    async def log_in(self, login: str, password: str = PASSWORD) -> Reply:
        return await self(
            "POST", "/api/v1/accounts/users/auth/login", {"login": login, "password": password}
        )

    async def new_user(self, login: str) -> str:
        """The token of a new account."""
        assert (await self.register(login)).status == 201
        token: str = (await self.log_in(login)).body["token"]
        return token

    async def new_release(
        self, main: str = "Провожающая в последний путь Фрирен", **more: Any
    ) -> Any:
        reply = await self("POST", "/api/v1/releases", {"name": {"main": main}, **more})
        assert reply.status == 201, reply.body
        return reply.body

    async def new_episode(self, release_id: int, ordinal: float = 1, **more: Any) -> Any:
        reply = await self(
            "POST", "/api/v1/episodes", {"release_id": release_id, "ordinal": ordinal, **more}
        )
        assert reply.status == 201, reply.body
        return reply.body

    async def new_upload(self, length: int, **metadata: str) -> str:
        """The Location of a new upload."""
        pairs = ",".join(
            f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in metadata.items()
        )
        reply = await self(
            "POST",
            "/api/v1/media/uploads",
            headers={
                "Tus-Resumable": "1.0.0",
                "Upload-Length": str(length),
                "Upload-Metadata": pairs,
            },
        )
        assert reply.status == 201, reply.body
        location: str = reply.headers["Location"]
        return location

    async def patch(
        self, location: str, offset: int, data: Any, *, checksum: str | None = None, **more: Any
    ) -> Reply:
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        if checksum is not None:
            headers["Upload-Checksum"] = checksum
        return await self("PATCH", location, data=data, headers=headers, **more)

    async def head(self, location: str) -> Reply:
        return await self("HEAD", location, headers={"Tus-Resumable": "1.0.0"})

    async def upload(self, data: bytes, **metadata: str) -> UUID:
        """The media id of a finished upload."""
        location = await self.new_upload(len(data), **metadata)
        assert (await self.patch(location, 0, data)).status == 204
        return UUID(location.rpartition("/")[2])


def sha1(data: bytes) -> str:
    return "sha1 " + base64.b64encode(hashlib.sha1(data).digest()).decode()  # noqa: S324


def _forbid_unknown_keys(document: dict[str, Any]) -> dict[str, Any]:
    def closed(schema: Any) -> Any:
        if isinstance(schema, list):
            return [closed(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        found = {name: closed(item) for name, item in schema.items()}
        if found.get("type") == "object" and "properties" in found:
            found.setdefault("additionalProperties", False)
        return found

    components: dict[str, Any] = closed(document["components"])
    return components


class Start(Protocol):
    async def __call__(self, changed: Settings | None = None, **parts: Any) -> Api: ...


async def log_admin_in(api: Api) -> None:
    """Make the administrator's account and use its token from now on."""
    await ensure_account(
        login=ADMIN,
        email="admin@example.org",
        password=PASSWORD,
        passwords=fast_passwords(),
        uow=api.app[keys.UNITS](),
        now=api.app[keys.CLOCK](),
    )
    api.token = (await api.log_in(ADMIN)).body["token"]


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something that happens elsewhere is seen, at most ten seconds."""
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.01)
