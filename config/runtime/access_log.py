"""One JSON line per request, after its last byte, without tokens; a thread writes, so that no viewer waits."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import queue
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from prometheus_client import Counter

from config.runtime.logging import get_logger, hide_secrets

log = get_logger("access")

DROPPED = Counter(
    "kawa_access_log_dropped_total", "Lines of the access log that were not written in time."
)

# Handlers may put further fields of a request's log line here.
FACTS: web.RequestKey[dict[str, Any]] = web.RequestKey("access_log_facts", dict)
# Set on requests that nobody wants to read about, such as a balancer's questions for health.
UNLOGGED: web.RequestKey[bool] = web.RequestKey("access_log_unlogged", bool)

_LONGEST_FIELD = 256
_MOST_WAITING = 10_000
_LAST_LINES_SECONDS = 2.0


class Lines:
    """Lines on their way to standard error; bounded, what has no room is dropped and counted."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()

    def add(self, fields: Mapping[str, Any]) -> None:
        """Write a line some time soon."""
        if self._waiting.qsize() >= _MOST_WAITING:
            DROPPED.inc()
            return
        self._waiting.put(fields)

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Write lines for the length of the block, and those that wait at its end."""
        thread = threading.Thread(target=self._write, name="access-log", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._waiting.put(None)
            thread.join(_LAST_LINES_SECONDS)

    def _write(self) -> None:
        while (fields := self._waiting.get()) is not None:
            agent = fields["agent"][:_LONGEST_FIELD]
            path = hide_secrets(fields["path"].partition("?")[0])[:_LONGEST_FIELD]
            client = _network_of(fields["client"])
            log.info("request", **{**fields, "client": client, "path": path, "agent": agent})


class JsonAccessLog(AbstractAccessLogger):
    """Writes the access log of an ``AppRunner``; subclassed with the lines it writes to."""

    lines: ClassVar[Lines]

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if isinstance(request, web.Request) and UNLOGGED in request:
            return
        self.lines.add(
            {
                "client": request.remote,
                "method": request.method,
                "path": request.raw_path,
                "status": response.status,
                "wire_bytes": response.body_length,  # aiohttp counts the head too
                "dur_ms": round(time * 1000, 1),
                "agent": request.headers.get("User-Agent", ""),
                **_facts(request),
            }
        )

    def hit(
        self, *, remote: str | None, target: str, wire_bytes: int, agent: str, session: str
    ) -> None:
        """A line for a GET that was answered at once."""
        self.lines.add(
            {
                "client": remote,
                "method": "GET",
                "path": target,
                "status": 200,
                "wire_bytes": wire_bytes,
                "dur_ms": 0.0,
                "agent": agent,
                "cache": "hit",
                **({"session_id": session} if session else {}),
            }
        )

    @property
    def enabled(self) -> bool:
        return logging.getLogger().isEnabledFor(logging.INFO)


def access_log_to(lines: Lines) -> type[JsonAccessLog]:
    """A class for aiohttp, which makes one object of it per connection."""
    return type("AccessLog", (JsonAccessLog,), {"lines": lines})


def _facts(request: web.BaseRequest) -> Mapping[str, Any]:
    return request.get(FACTS, {}) if isinstance(request, web.Request) else {}


@lru_cache(maxsize=4096)
def _network_of(address: str | None) -> str:
    """The client's network: enough to find a fault, too little to find a person."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))
