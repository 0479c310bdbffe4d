"""A whole edge on a real socket, served as in production, and a client that says what it saw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientSession,
    ClientTimeout,
    TCPConnector,
)
from multidict import CIMultiDict
from prometheus_client import REGISTRY
from yarl import URL

from config.runtime.keys import KeySet, make_key_file
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from edge import keys
from edge.app import build_app

SEGMENT = bytes(range(256)) * 1000  # 256 000 bytes
CLIENT_SECONDS = 20


@dataclass
class Clock:
    """The time of day as the edge's cache sees it; starts at the machine's and moves on by hand."""

    now: float

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client saw; ``broken`` if it can tell that the body is not whole."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    broken: bool

    @property
    def error(self) -> str:
        """The code of a refusal."""
        return str(json.loads(self.body)["error"])

    @property
    def cache(self) -> str:
        return self.headers.get("Cache-Status", "")


@dataclass(kw_only=True)
class Edge:
    """An edge that serves, with what it has counted since it began."""

    port: int
    session: ClientSession
    clock: Clock
    began: Mapping[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    async def ask(
        self, path: str, *, method: str = "GET", body: Any = None, **headers: str
    ) -> Answer:
        """One request over a connection of its own, its path exactly as given."""
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        fields = {"Accept-Encoding": "identity"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, url, headers=fields, data=body, allow_redirects=False
        ) as got:
            pieces, broken = [], False
            try:
                async for piece in got.content.iter_any():
                    pieces.append(piece)
            except (ClientPayloadError, ClientConnectionError):
                broken = True
            return Answer(
                status=got.status,
                headers=CIMultiDict(got.headers),
                body=b"".join(pieces),
                broken=broken,
            )

    async def raw(self, data: bytes, *, seconds: float = CLIENT_SECONDS) -> bytes:
        """Everything that comes back for these bytes until the edge ends the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()

    def counted(self, name: str, **labels: str) -> float:
        """How much a counter grew since the edge began, over all labels that are not named."""
        return sum(
            value - self.began.get(key, 0)
            for key, value in samples().items()
            if key[0] == name and labels.items() <= dict(key[1]).items()
        )


def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every metric of this process."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }


@asynccontextmanager
async def whole_edge(
    folder: Path,
    url: str,
    *,
    edge: Mapping[str, Any] | None = None,
    cache: Mapping[str, Any] | None = None,
    **origin: Any,
) -> AsyncIterator[Edge]:
    """An edge over one public origin, called ``cdn``, with short limits unless others are given."""
    limits = {"connect_timeout": 0.5, "first_byte_timeout": 0.5, "idle_timeout": 0.5}
    settings = Settings.model_validate(
        {
            "var_dir": folder / "var",
            "edge": {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "http": {"drain_timeout": 1, "header_timeout": 1},
                "write_timeout": 2,
                "manifest_max_age": 0,
                "cache": {"memory_bytes": 64 * 2**20, **(cache or {})},
                "origins": {
                    "cdn": {"kind": "http", "url": url, "public": True, **limits, **origin}
                },
                **(edge or {}),
            },
        }
    )
    make_key_file(settings.keys_file)
    app = build_app(settings, key_set=KeySet.read(settings.keys_file))
    clock = Clock(app[keys.CLOCK]())
    app[keys.CLOCK] = clock.__call__
    sock = listening_socket(settings.edge.listen, backlog=4096)
    async with (
        serving(app, sock, settings.edge.http, ends_with_client=True),
        ClientSession(
            connector=TCPConnector(force_close=True, limit=0),
            auto_decompress=False,
            timeout=ClientTimeout(total=CLIENT_SECONDS),
        ) as session,
    ):
        yield Edge(port=sock.getsockname()[1], session=session, clock=clock, began=samples())
