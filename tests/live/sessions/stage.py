"""One edge whose sessions a test can look at, a film behind it, and pages of another site in front."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE
from edge.sessions.control import SessionControl
from edge.sessions.life import SessionState
from edge.sessions.open import alone
from tests.live.sessions.origin import Origin, film_origin, listening

HOUR = 3600
COLLECTOR = "_kawa_cmcd"
WAIT_SECONDS = 5.0
_WATCH = Path(__file__).with_name("watch.js")
_LIBRARIES = {
    "hls": "hls.min.js",
    "shaka": "shaka-player.min.js",
    "dash": "dash.mediaplayer.min.js",
}


@dataclass(slots=True, kw_only=True)
class Stage:
    """The edge's clock runs ahead of the time by as much as a test says."""

    app: web.Application
    control: SessionControl
    key_set: KeySet
    origin: Origin
    edge: str = ""
    site: str = ""
    ahead: float = 0.0

    def now(self) -> float:
        """The edge's time, in seconds since the epoch."""
        return time.time() + self.ahead

    def base(self, name: str) -> str:
        """Where the viewer of ``name`` finds its film; the session has the same name."""
        now = int(self.now())
        claims = PlaybackClaims(
            subject="user:1",
            session=name,
            path_prefixes=(f"/film/{name}/",),
            issued_at=now,
            expires_at=now + 3 * HOUR,
        )
        return f"{self.edge}/t/{self.key_set.sign(claims)}/film/{name}"

    def page(self, engine: str) -> str:
        """The address of a page with the edge's own copy of a player."""
        return f"{self.site}/{engine}"

    async def told(self, name: str, condition: Callable[[SessionState], bool]) -> SessionState:
        """The session as the edge's registry knows it, once that is so; as it is when it does not become so."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            await self.app[keys.SESSIONS].tell()
            state = self.control.shown(name)
            if state is not None and (condition(state) or time.monotonic() > end):
                return state
            assert time.monotonic() < end, f"no session {name}"
            await asyncio.sleep(0.05)

    def _site(self) -> web.Application:
        async def page(request: web.Request) -> web.StreamResponse:
            library = _LIBRARIES.get(request.match_info["engine"])
            source = "" if library is None else f"{self.edge}/player/vendor/{library}"
            head = f"<script src={json.dumps(source)}></script>" if source else ""
            body = (
                f"<video muted autoplay playsinline></video><script>{_WATCH.read_text()}</script>"
            )
            return web.Response(text=f"<!doctype html>{head}{body}", content_type="text/html")

        app = web.Application()
        app.router.add_get("/{engine}", page)
        return app


@asynccontextmanager
async def stage(films: Path, folder: Path, **sessions: Any) -> AsyncIterator[Stage]:
    """Everything is up inside the block; ``sessions`` are the edge's settings of them."""
    async with film_origin(films) as origin:
        settings = Settings.model_validate(
            {
                "var_dir": folder,
                "sessions": sessions,
                "edge": {
                    "listen": {"port": 0},
                    "admin": {"port": 0},
                    "node": "edge-1",
                    "origins": {"film": {"kind": "http", "url": origin.url}},
                },
            }
        )
        make_key_file(settings.keys_file)
        key_set = KeySet.read(settings.keys_file)
        control = alone(settings.sessions, clock=lambda: scene.now())
        app = build_app(settings, key_set=key_set, registry=control)
        scene = Stage(app=app, control=control, key_set=key_set, origin=origin)
        app[keys.CLOCK] = app[LANE].clock = scene.now
        sock = listening_socket(ListenSettings(), backlog=128)
        scene.edge = "http://{}:{}".format(*sock.getsockname())
        async with (
            serving(app, sock, settings.edge.http, logged=False, ends_with_client=True),
            listening(scene._site()) as scene.site,
        ):
            yield scene
