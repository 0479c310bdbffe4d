"""Every public path of the edge; the table in README.md explains them."""

from __future__ import annotations

from aiohttp import web

from edge import keys
from edge.handlers.media import media
from edge.handlers.player import player, to_player


def add_routes(app: web.Application) -> None:
    """Add every public route."""
    if app[keys.SETTINGS].root_origin is None:
        app.router.add_get("/", to_player)
    app.router.add_get("/player", to_player)
    app.router.add_get("/player/{path:.*}", player)
    # The path is read from the raw target by edge.target, never from what a router decoded.
    app.router.add_route("*", r"/{path:[\s\S]*}", media)
