"""An origin that gives every name its own copy of the film, and holds segments of it back until a test lets them go."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from config.contracts.content_types import content_type_of

HELD = 4  # the segment that is held back: there are three seconds before it
_SEGMENT = re.compile(r"chunk-stream\d-0*(\d+)\.m4s")


@dataclass(slots=True, kw_only=True)
class Origin:
    """``/{name}/{file}`` is a file of the film; ``held`` are the names whose segment waits."""

    films: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    _gates: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def let_go(self, name: str) -> None:
        """Answer what is asked for of ``name``, now and from now on."""
        self._gates[name].set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{name}/{file}", self._file)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        name, file = request.match_info["name"], request.match_info["file"]
        segment = _SEGMENT.fullmatch(file)
        if segment is not None and int(segment[1]) == HELD:
            await self._gates[name].wait()
        headers = {"Content-Type": content_type_of(file), "Cache-Control": "max-age=600"}
        return web.Response(body=(self.films / file).read_bytes(), headers=headers)


@asynccontextmanager
async def film_origin(films: Path) -> AsyncIterator[Origin]:
    """Serve until the block ends."""
    origin = Origin(films=films)
    async with listening(origin.application()) as origin.url:
        yield origin


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """Serve on a free port of the loopback interface; its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
