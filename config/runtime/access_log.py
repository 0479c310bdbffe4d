"""One JSON line per request, after its last byte, without tokens."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from config.runtime.logging import get_logger, hide_secrets

log = get_logger("access")

# Handlers may put further fields of a request's log line here.
FACTS: web.RequestKey[dict[str, Any]] = web.RequestKey("access_log_facts", dict)
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
        log.info(
            "request",
            client=_network_of(request.remote),
            method=request.method,
            path=hide_secrets(request.raw_path.partition("?")[0])[:_LONGEST_FIELD],
            status=response.status,
            wire_bytes=response.body_length,  # aiohttp counts the head too
            dur_ms=round(time * 1000, 1),
            agent=request.headers.get("User-Agent", "")[:_LONGEST_FIELD],
            **_facts(request),
        )

    @property
    def enabled(self) -> bool:
        return logging.getLogger().isEnabledFor(logging.INFO)


def _facts(request: web.BaseRequest) -> Mapping[str, Any]:
    return request.get(FACTS, {}) if isinstance(request, web.Request) else {}


def _network_of(address: str | None) -> str:
    """The client's network: enough to find a fault, too little to find a person."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))
