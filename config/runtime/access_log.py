"""One JSON line per request, after its last byte, without tokens."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from config.runtime.logging import get_logger, hide_secrets

log = get_logger("access")

# Handlers may put further fields of a request's log line here.
FACTS: web.RequestKey[dict[str, Any]] = web.RequestKey("access_log_facts", dict)
# Who asks, set where that may not be the connection's peer; empty if it is not known.
CLIENT: web.RequestKey[str] = web.RequestKey("access_log_client", str)
# Set on requests that nobody wants to read about, such as a balancer's questions for health.
UNLOGGED: web.RequestKey[bool] = web.RequestKey("access_log_unlogged", bool)

_LONGEST_FIELD = 256


class JsonAccessLog(AbstractAccessLogger):
    """Writes the access log of an ``AppRunner``."""

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if isinstance(request, web.Request) and UNLOGGED in request:
            return
        _write(
            client=_client(request),
            method=request.method,
            path=request.raw_path,
            status=response.status,
            wire_bytes=response.body_length,  # aiohttp counts the head too
            dur_ms=round(time * 1000, 1),
            agent=request.headers.get("User-Agent", ""),
            **_facts(request),
        )

    def hit(
        self,
        *,
        remote: str | None,
        target: str,
        wire_bytes: int,
        agent: str,
        session: str,
        method: str = "GET",
        status: int = 200,
    ) -> None:
        """A line for a request that was answered at once."""
        _write(
            client=remote,
            method=method,
            path=target,
            status=status,
            wire_bytes=wire_bytes,
            dur_ms=0.0,
            agent=agent,
            cache="hit",
            **({"session_id": session} if session else {}),
        )

    @property
    def enabled(self) -> bool:
        return logging.getLogger().isEnabledFor(logging.INFO)


def _write(*, client: str | None, path: str, agent: str, **fields: Any) -> None:
    log.info(
        "request",
        client=_network_of(client),
        path=hide_secrets(path.partition("?")[0])[:_LONGEST_FIELD],
        agent=agent[:_LONGEST_FIELD],
        **fields,
    )


def _client(request: web.BaseRequest) -> str | None:
    return request.get(CLIENT, request.remote) if isinstance(request, web.Request) else None


def _facts(request: web.BaseRequest) -> Mapping[str, Any]:
    return request.get(FACTS, {}) if isinstance(request, web.Request) else {}


@lru_cache(maxsize=4096)
def _network_of(address: str | None) -> str:
    """The client's network: enough to find a fault, too little to find a person."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))
