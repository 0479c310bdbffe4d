"""The edge as it is, in this process, with a clock that a test moves; and a film for it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from aiohttp import web
from prometheus_client import REGISTRY

from config.contracts.revocations import Kind
from config.contracts.tokens import PlaybackClaims, Renew
from config.runtime.keys import KeySet, make_key_file
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE
from edge.sessions.open import alone
from edge.tokens.revocation.register import Change
from edge.tokens.revocation.revocations import Told

TOKEN_SECONDS = 20
FILM_SECONDS = 240
SEGMENT_SECONDS = 2
HOUR = 3600


@dataclass(slots=True, kw_only=True)
class RealEdge:
    """One edge; what it holds for now runs ahead of the time by as much as a test says."""

    app: web.Application
    address: str = ""
    key_set: KeySet
    ahead: float = 0.0
    revoked: int = field(default=0)

    def now(self) -> float:
        """The edge's time, in seconds since the epoch."""
        return time.time() + self.ahead

    def mint(self, *, session: str = "session-1", **changes: Any) -> str:
        """A token of a few segments, which the edge follows with the next for three hours."""
        now = int(self.now())
        claims: dict[str, Any] = {
            "subject": "user:1",
            "session": session,
            "path_prefixes": ("/",),
            "issued_at": now,
            "expires_at": now + TOKEN_SECONDS,
            "token_id": f"first of {session}",
            "renew": Renew(seconds=TOKEN_SECONDS, until=now + 3 * HOUR),
        }
        return self.key_set.sign(PlaybackClaims(**(claims | changes)))

    def page(self, path: str, *, engine: str) -> str:
        """The address of the player page for ``path``."""
        return f"{self.address}/player/?engine={engine}#{path}"

    def revoke(self, kind: Kind, value: str) -> None:
        """Revoke it in this edge, as its parent process would tell it."""
        self.revoked += 1
        self.app[keys.REVOCATIONS].take(
            Told(
                part="new",
                number=self.revoked,
                certain_at=self.now(),
                changes=(Change(kind, value, in_force=True),),
            )
        )


def renewals() -> float:
    """How many tokens edges of this process have followed with the next."""
    return REGISTRY.get_sample_value("edge_tokens_renewed_total", {"result": "ok"}) or 0.0


@asynccontextmanager
async def real_edge(
    folder: Path, origins: Mapping[str, Mapping[str, Any]], **edge_settings: Any
) -> AsyncIterator[RealEdge]:
    """Serve until the block ends; clocks of signer and edge agree to the second."""
    settings = Settings.model_validate(
        {
            "var_dir": folder,
            "tokens": {"leeway": 0},
            "edge": {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "manifest_max_age": 1,
                "origins": origins,
                **edge_settings,
            },
        }
    )
    make_key_file(settings.keys_file)
    key_set = KeySet.read(settings.keys_file)
    registry = alone(settings.sessions, clock=lambda: edge.now())
    app = build_app(settings, key_set=key_set, registry=registry)
    edge = RealEdge(app=app, key_set=key_set)
    app[keys.CLOCK] = app[LANE].clock = edge.now
    sock = listening_socket(ListenSettings(), backlog=128)
    edge.address = "http://{}:{}".format(*sock.getsockname())
    async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
        yield edge


def publish_film(folder: Path) -> None:
    """Write film/master.m3u8, film/manifest.mpd and a film that is longer than any player's buffer."""
    film = folder / "film"
    film.mkdir(parents=True)
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        "-f", "lavfi", "-i", f"testsrc=s=160x90:r=10:d={FILM_SECONDS}",
        "-f", "lavfi", "-i", f"sine=f=440:d={FILM_SECONDS}:r=48000",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "60k",
        "-g", str(10 * SEGMENT_SECONDS), "-sc_threshold", "0",
        "-c:a", "aac", "-b:a", "48k", "-ac", "1",
        "-f", "dash", "-seg_duration", str(SEGMENT_SECONDS), "-use_template", "1", "-use_timeline", "0",
        "-hls_playlist", "1", "-adaptation_sets", "id=0,streams=v id=1,streams=a",
        str(film / "manifest.mpd"),
    ]
    # fmt: on
    subprocess.run(command, check=True, timeout=120)
