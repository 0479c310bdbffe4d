"""Structured JSON logs on standard error, with the ids of what is being done and without tokens."""

from __future__ import annotations

import atexit
import logging
import queue
import re
import sys
import threading
from contextvars import ContextVar
from logging.handlers import QueueHandler
from typing import Any, TextIO, cast

import structlog
from prometheus_client import Counter
from structlog.typing import EventDict, FilteringBoundLogger

from config.settings.shared import LogSettings

# Ids of the work at hand; every log event inside carries those that are set.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
SESSION_ID: ContextVar[str] = ContextVar("session_id", default="")
JOB_ID: ContextVar[str] = ContextVar("job_id", default="")

DROPPED = Counter("kawa_log_dropped_total", "Log lines that were not written in time.")

_MOST_LINES = 10_000
_LAST_LINES_SECONDS = 2.0

_IDS = {"request_id": REQUEST_ID, "session_id": SESSION_ID, "job_id": JOB_ID}

# Tokens: in a path, in a query, as a Bearer header, of a login; and passwords in URLs.
_SECRETS = re.compile(
    r"(/t/)[^/\s\"']+"
    r"|((?:token|access_token|URISigningPackage)=)[^&\s\"']+"
    r"|(Bearer\s+)\S+"
    r"|(\w+://[^:/@\s]*:)[^@\s]+(?=@)"
    r"|()eyJ[\w-]+\.[\w-]+\.[\w-]+"
    r"|(cat_)[\w-]{16,}"
)
HIDDEN = "***"


def hide_secrets(text: str) -> str:
    """``text`` with every token and every password of a URL replaced."""
    return _SECRETS.sub(
        lambda match: (match[match.lastindex] if match.lastindex else "") + HIDDEN, text
    )


def setup_logging(settings: LogSettings, *, program: str) -> None:
    """Send our own and every library's log events to standard error, one JSON object a line."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _add_ids,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = NeverBlocking(sys.stderr)
    atexit.register(handler.flush)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _named(program),
                structlog.processors.format_exc_info,
                _hide,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Libraries that log every request or statement at info.
    for name in (
        "botocore",
        "aiobotocore",
        "procrastinate",
        "alembic",
        "asyncio",
        "aiohttp.access",
    ):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class NeverBlocking(QueueHandler):
    """Hands lines to a thread that writes them: whoever logs must not wait for whoever reads.

    What finds no room is dropped and counted.
    """

    def __init__(self, stream: TextIO) -> None:
        self._lines: queue.Queue[str] = queue.Queue(_MOST_LINES)
        super().__init__(self._lines)
        self._stream = stream
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)

    def prepare(self, record: logging.LogRecord) -> str:
        """The line, made where its context still is."""
        return self.format(record)

    def enqueue(self, record: Any) -> None:
        """Put a line in the queue if there is room."""
        if not self._thread.ident:
            self._thread.start()
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            DROPPED.inc()

    def flush(self) -> None:
        """Wait until what was logged so far is written, for as long as somebody reads it."""
        if self._thread.ident:
            with self._lines.all_tasks_done:
                self._lines.all_tasks_done.wait_for(
                    lambda: not self._lines.unfinished_tasks, _LAST_LINES_SECONDS
                )

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                DROPPED.inc()  # nobody reads any more
            self._lines.task_done()


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose events are a constant lower-case message with fields."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def _add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for name, variable in _IDS.items():
        if value := variable.get():
            event.setdefault(name, value)
    return event


def _named(program: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["program"] = program
        return event

    return add


def _hide(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {key: _hidden(value) for key, value in event.items()}


def _hidden(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _hidden(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(item) for item in value]
    if isinstance(value, BaseException):
        return hide_secrets(f"{type(value).__name__}: {value}")
    return hide_secrets(str(value))
