"""``kawa edge --listen``: the edge as a plain caching reverse proxy, said in settings."""

from __future__ import annotations

import os
from pathlib import Path

from config.settings.load import PREFIX

ORIGIN = "web"


class BadAddress(ValueError):
    """Not HOST:PORT."""


def address_of(text: str) -> tuple[str, str]:
    """Host and port of ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` (every address) or ``PORT`` (this machine only)."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif not host:
        host = "0.0.0.0"
    elif host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadAddress(f"{text}: write an IPv6 address as [ADDRESS]:PORT")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise BadAddress(f"{text}: not HOST:PORT")
    return host, port


def environment(
    *,
    listen: str,
    public_origin: str,
    admin: str | None,
    cache_dir: Path | None,
    profile: str | None,
    workers: int | None,
) -> dict[str, str]:
    """What the edge's processes find in their environment; everything else stays as it is set."""
    host, port = address_of(listen)
    found = {
        "EDGE__LISTEN__HOST": host,
        "EDGE__LISTEN__PORT": port,
        "EDGE__ROOT_ORIGIN": ORIGIN,
        f"EDGE__ORIGINS__{ORIGIN.upper()}__KIND": "http",
        f"EDGE__ORIGINS__{ORIGIN.upper()}__URL": public_origin,
        f"EDGE__ORIGINS__{ORIGIN.upper()}__PUBLIC": "true",
        # Who stands in front of a server by hand means that server, wherever it is.
        f"EDGE__ORIGINS__{ORIGIN.upper()}__PRIVATE": "true",
    }
    if admin is not None:
        found["EDGE__ADMIN__HOST"], found["EDGE__ADMIN__PORT"] = address_of(admin)
    if cache_dir is not None:
        found["EDGE__CACHE__FOLDER"] = str(cache_dir.absolute())
    if profile is not None:
        found["EDGE__CACHE__PROFILE"] = profile
    if workers is not None:
        found["EDGE__WORKERS"] = str(workers)
    # A person who starts it by hand wants no line per request, unless it is asked for.
    if PREFIX + "LOG__LEVEL" not in os.environ:
        found["LOG__LEVEL"] = "warning"
    return {PREFIX + name: value for name, value in found.items()}
