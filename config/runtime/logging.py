"""Structured JSON logs on standard error, with the ids of what is being done and without tokens."""

from __future__ import annotations

import atexit
import logging
import queue
import re
import sys
import threading
from collections.abc import Iterable
from contextvars import ContextVar
from logging.handlers import QueueHandler
from typing import Any, NamedTuple, TextIO, cast

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

# Parameters, cookies and fields that hold a token or a signature.
_NAMES = (
    "token",
    "access_token",
    "kawa_token",
    "URISigningPackage",
    "CTA-Common-Access-Token",
    "CAT",
    "__token__",
    "hdnts",
    "hdnea",
    "hdntl",
    "TokenCookie",
    "md5",
    "S",  # of url_sig
    "(?:CloudFront-|X-Amz-)?(?:Policy|Signature|Key-Pair-Id|Credential|Security-Token)",
)
HIDDEN = "***"


class _Hidden(NamedTuple):
    """What is hidden; the pattern's groups stay, and text with none of the marks is not searched."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]

    def in_text(self, text: str) -> str:
        """The text without it."""
        if not any(mark in text for mark in self.marks):
            return text
        return self.pattern.sub(
            lambda match: (match[match.lastindex] if match.lastindex else "") + HIDDEN, text
        )


def _named(names: Iterable[str]) -> _Hidden:
    either = f"(?<![\\w.-])(?:{'|'.join(names)})"
    return _Hidden(
        ("=", ":"),
        re.compile(
            # As a path segment or a parameter of one; else up to what ends it in a query, a cookie or a field.
            rf"((?<=[/;]){either}=)[^/;?&\s\"']+"
            rf"|({either}=)[^&;\s\"']+"
            rf"|({either}[\"']?:\s*[\"']?)[\w~.*=!%+/-]{{16,}}"
            r"|((?<![A-Za-z])hmac=)[0-9A-Fa-f]+"
        ),
    )


_ALWAYS = (
    _Hidden(("/t/",), re.compile(r"(/t/)[^/\s\"']+")),
    _Hidden(("earer",), re.compile(r"([Bb]earer\s+)\S+")),
    _Hidden(("://",), re.compile(r"(\w+://[^:/@\s]*:)[^@\s]+(?=@)")),
    # By themselves: JWTs of three or five parts, CWTs in COSE (RFC 9052: tags 17 and 18; 61 around them), signed links.
    _Hidden(("eyJ",), re.compile(r"eyJ[\w-]*(?:\.[\w-]*){2,4}(?:~[\w-]+)?")),
    _Hidden(
        ("2D3R", "2D3S", "0YR", "0oR"),
        re.compile(r"\b(?:2D3[RS]h|0[Yo]R)[\w-]{40,}(?:~[\w-]+)?"),
    ),
    _Hidden(("l.",), re.compile(r"\bl\.[\w-]{20,}(?:~[\w-]+)?")),
    _Hidden(("cat_",), re.compile(r"(cat_)[\w-]{16,}")),
)
_by_name: tuple[_Hidden, ...] = (_named(_NAMES),)


def also_hide(*, names: Iterable[str] = (), segments: Iterable[str] = ()) -> None:
    """Have these hidden too: parameters and cookies by name, and path segments by a pattern of what they are.

    They take the place of those that were said before.
    """
    global _by_name
    looks = [_Hidden(("/",), re.compile(rf"(/){segment}(?=/)")) for segment in segments]
    _by_name = (_named((*_NAMES, *map(re.escape, names))), *looks)


def hide_secrets(text: str) -> str:
    """``text`` with every token and every password of a URL replaced."""
    for hidden in (*_by_name, *_ALWAYS):
        text = hidden.in_text(text)
    return text


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
                _of_program(program),
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


def _of_program(program: str) -> structlog.typing.Processor:
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
