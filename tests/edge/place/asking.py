"""Requests over real sockets from an address of choice, and what the edge takes them for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from config.contracts.grants import Asked
from config.runtime.keys import KeySet
from config.runtime.serving import serving
from config.settings.load import Settings
from edge.app import build_app
from edge.handlers.asked import asked_of

LIMIT_SECONDS = 10


@dataclass
class Asking:
    """An edge that serves on IPv4 and IPv6 with one socket, as ``::`` does."""

    app: web.Application
    port: int
    seen: list[Asked] = field(default_factory=list)

    async def note(self, request: web.Request, _response: web.StreamResponse) -> None:
        self.seen.append(asked_of(request, scope="/open/a.ts", query="a=1"))

    async def asked(
        self,
        *fields: tuple[str, str],
        source: str = "127.0.0.1",
        method: str = "GET",
        version: str = "1.1",
    ) -> Asked:
        """What the edge takes one request for."""
        target = "::1" if ":" in source else "127.0.0.1"
        async with asyncio.timeout(LIMIT_SECONDS):
            reader, writer = await asyncio.open_connection(
                target, self.port, local_addr=(source, 0)
            )
            lines = [f"{method} /open/a.ts HTTP/{version}", "Host: a", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in fields]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            answer = await reader.read()
            writer.close()
        assert answer.split(b" ", 2)[1] == b"200", answer
        return self.seen.pop()


@asynccontextmanager
async def asking(settings: Settings, key_set: KeySet) -> AsyncIterator[Asking]:
    app = build_app(settings, key_set=key_set)
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen()
        edge = Asking(app, sock.getsockname()[1])
        app.on_response_prepare.append(edge.note)
        async with serving(app, sock, settings.edge.http):
            yield edge


def write_places(
    path: Path, places: dict[str, Any], *, kind: str = "GeoIP2-City", ip_version: int = 6
) -> Path:
    """A MaxMind DB file with these networks, put in its place at once as its makers advise."""
    writer = MMDBWriter(ip_version=ip_version, ipv4_compatible=ip_version == 6, database_type=kind)
    for network, record in places.items():
        writer.insert_network(IPSet([network]), record)
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    return new.replace(path)


def city(
    country: str, subdivision: str = "", latitude: float = 0.0, longitude: float = 0.0
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "country": {"iso_code": country, "names": {"en": country}},
        "location": {"latitude": latitude, "longitude": longitude, "time_zone": "UTC"},
    }
    if subdivision:
        record["subdivisions"] = [{"iso_code": subdivision}]
    return record
