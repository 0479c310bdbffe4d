"""Puts the hot lane and the guard of connections in front of an application."""

from __future__ import annotations

import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aiohttp import web

from config.runtime.serving import RUNNER
from config.settings.edge import EdgeSettings
from config.settings.sessions import SessionSettings
from edge.lane.lane import LANE, Lane
from edge.lane.server import LaneRunner
from edge.tokens.verified import VerifiedTokens

# For origins, files, sockets to come: never more than a quarter, so that a small limit still serves viewers.
_OWN_DESCRIPTORS = 1024


def add_lane(
    app: web.Application,
    settings: EdgeSettings,
    tokens: VerifiedTokens,
    *,
    sessions: SessionSettings,
    node: str,
) -> None:
    """Let the application be served through our connections; ``node`` is what this edge is called."""
    lane = Lane(
        settings,
        tokens,
        sessions=sessions,
        node=node,
        most_connections=_descriptors_for_viewers(),
    )
    app[LANE] = lane
    runner: Callable[..., web.AppRunner] = partial(LaneRunner, lane=lane)
    app[RUNNER] = runner
    app.cleanup_ctx.append(lane.running)


def _descriptors_for_viewers() -> int:
    """As many as the process may still open, less our own: a 503 comes before accept() fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    held = sum(1 for _ in Path("/dev/fd").iterdir())
    return max(1, soft - held - min(_OWN_DESCRIPTORS, soft // 4))
