"""One fixed world for small playlists: a player at /vod/a/b/media.m3u8 and the origins around it."""

from __future__ import annotations

from typing import Any

from edge.manifests.context import Context
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.uris import OriginMap

ORIGINS = OriginMap(
    (
        ("vod", "https://cdn.example.com/vod/"),
        ("live", "https://live.example.com:8443/"),
        ("six", "http://[2001:db8::1]/"),
    )
)
BASE = "https://cdn.example.com/vod/a/b/media.m3u8"
MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n"
MASTER = "#EXTM3U\n#EXT-X-VERSION:11\n"


def context(**more: Any) -> Context:
    """The player's context; anything may be another."""
    known: dict[str, Any] = {"base": BASE, "origins": ORIGINS}
    return Context(**(known | {"origin": "vod", "path": "a/b/media.m3u8"} | more))


def media(*lines: str) -> bytes:
    """A media playlist with these lines."""
    return (MEDIA + "\n".join(lines) + "\n").encode()


def master(*lines: str) -> bytes:
    """A multivariant playlist with these lines."""
    return (MASTER + "\n".join(lines) + "\n").encode()


def rewritten(data: bytes, **more: Any) -> list[str]:
    """The lines after the first two of what a player gets."""
    return rewrite(data, context(**more)).output.decode().splitlines()[2:]
