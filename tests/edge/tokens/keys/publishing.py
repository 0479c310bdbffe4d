"""A server that publishes a JWK Set, in good ways and in bad ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from config.runtime.keys import KeySet

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def private_jwk(key_id: str, **members: Any) -> dict[str, Any]:
    jwk: dict[str, Any] = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    return jwk | {"kid": key_id, "alg": "EdDSA", "use": "sig"} | members


def public_jwk(key_id: str, **members: Any) -> dict[str, Any]:
    jwk = private_jwk(key_id, **members)
    del jwk["d"]
    return jwk


def key_set(*names: str) -> KeySet:
    return KeySet.of({"keys": [public_jwk(name) for name in names]}, source="test")


class Publisher:
    """Counts what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.content_type = "application/jwk-set+json"
        self.answer: Answer = self.publish
        self.asked: list[web.Request] = []
        app = web.Application()
        app.router.add_get("/jwks.json", self._handle)
        self.server = TestServer(app)
        self.url = ""

    async def start(self) -> None:
        await self.server.start_server()
        self.url = str(self.server.make_url("/jwks.json"))

    def have(self, *names: str) -> None:
        known = {key["kid"]: key for key in self.keys}
        self.keys = [known.get(name) or public_jwk(name) for name in names]

    async def publish(self, request: web.Request) -> web.StreamResponse:
        etag = str(hash(json.dumps(self.keys)))
        if any(known.value == etag for known in request.if_none_match or ()):
            return web.Response(status=304, headers={"ETag": f'"{etag}"', **self.headers})
        return web.Response(
            text=json.dumps({"keys": self.keys}),
            content_type=self.content_type,
            headers={"ETag": f'"{etag}"', **self.headers},
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.epoch = 2_000_000_000.0
        self.monotonic = 1000.0

    def __call__(self) -> float:
        return self.epoch

    def timer(self) -> float:
        return self.monotonic

    def go_on(self, seconds: float) -> None:
        self.epoch += seconds
        self.monotonic += seconds


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, within bounds."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)
