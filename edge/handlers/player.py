"""The built-in player page: a few files of the package, read once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from edge import keys
from edge.errors import NotFound

FOLDER = Path(__file__).parent.parent / "player"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}

# hls.js and Shaka make blob: URLs for MediaSource and workers; streams may stand on another edge.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob: data: http: https:; connect-src *; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors *"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of the page, ready to be sent."""

    body: bytes
    content_type: str
    etag: str


def read_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """Every file of the page by its path below ``/player/``; without vendor files the page plays native HLS."""
    assets = {}
    for path in sorted((*folder.glob("*.*"), *folder.glob("vendor/**/*.*"))):
        content_type = _TYPES.get(path.suffix)
        if content_type is None or not path.is_file():
            continue
        body = path.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        assets[path.relative_to(folder).as_posix()] = Asset(
            body=body, content_type=content_type, etag=etag
        )
    return assets


ASSETS = web.AppKey("player_assets", dict[str, Asset])


async def player(request: web.Request) -> web.Response:
    """A file of the player page."""
    request[keys.ROUTE] = "player"
    asset = request.app[ASSETS].get(request.match_info["path"] or "index.html")
    if asset is None:
        raise NotFound
    headers = {
        hdrs.ETAG: asset.etag,
        hdrs.CACHE_CONTROL: "no-cache",
        "Content-Security-Policy": _POLICY,
    }
    if request.headers.get(hdrs.IF_NONE_MATCH) == asset.etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, headers=headers | {hdrs.CONTENT_TYPE: asset.content_type})


async def to_player(request: web.Request) -> web.Response:
    """Send a person who opens the edge's bare address to the player page."""
    request[keys.ROUTE] = "player"
    return web.Response(status=302, headers={hdrs.LOCATION: "/player/"})
