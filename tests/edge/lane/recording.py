"""Writes down every byte that edges get from their clients; a plugin of pytest, and of the edges' own processes.

``RECORD_REQUESTS_TO`` names the folder. What is written there is put into shape by ``tests.edge.lane.record``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge import keys
from edge.errors import EdgeError
from edge.lane.lane import LANE
from edge.lane.protocol import Connection

FOLDER = "RECORD_REQUESTS_TO"
JWT = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_BYTES = 32 * 1024  # of one connection: the soak's say nothing new after that


class Recorder:
    """One process's part of the record: JSON lines, each written at once, since the process may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._known: dict[RequestHandler, tuple[str, int]] = {}
        self._tokens: set[bytes] = set()

    def note(self, handler: RequestHandler, data: bytes) -> None:
        """Write down what a connection to an edge got."""
        app = _edge_of(handler)
        if app is None:
            return
        connection, size = self._known.get(handler, ("", 0))
        if not connection:
            connection = f"{os.getpid()}-{next(self._numbers)}"
            self._write({"connection": connection, "edge": _facts(app), "test": _test()})
        if size < _MOST_BYTES:
            self._write({"connection": connection, "data": data.decode("latin-1")})
            for token in JWT.findall(data):
                self._note_token(app, token)
        self._known[handler] = connection, size + len(data)

    def left(self, handler: RequestHandler) -> None:
        """Forget a connection."""
        self._known.pop(handler, None)

    def _note_token(self, app: web.Application, token: bytes) -> None:
        if token in self._tokens:
            return
        self._tokens.add(token)
        try:
            app[keys.TOKENS].grant_of(token.decode(), now=time.time())
        except EdgeError as error:
            verdict = error.code
        else:
            verdict = "ok"
        self._write({"token": token.decode(), "verdict": verdict})

    def _write(self, line: dict[str, Any]) -> None:
        with (
            contextlib.suppress(OSError),  # some tests leave a process no descriptor
            (self._folder / f"{os.getpid()}.jsonl").open("a") as file,
        ):
            file.write(json.dumps(line) + "\n")


def _edge_of(handler: RequestHandler) -> web.Application | None:
    """The edge that a connection belongs to; ``None`` for one of a test's origins."""
    manager = handler._manager
    app = None if manager is None else getattr(manager.request_handler, "__self__", None)
    return app if isinstance(app, web.Application) and LANE in app else None


def _facts(app: web.Application) -> dict[str, Any]:
    settings = app[keys.SETTINGS]
    return {
        "root": settings.root_origin,
        "profile": settings.cache.profile,
        "entry": settings.entry,
        "origins": {
            name: [origin.kind, origin.public] for name, origin in settings.all_origins.items()
        },
    }


def _test() -> str:
    """The file of the test that runs now; processes that it starts inherit the variable."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]


def install(folder: Path) -> None:
    """Record every edge of this process from now on."""
    recorder = Recorder(folder)
    ordinary, ours = RequestHandler.data_received, Connection.data_received
    ordinary_lost = RequestHandler.connection_lost

    def ordinary_received(handler: RequestHandler, data: bytes) -> None:
        if not isinstance(handler, Connection):
            recorder.note(handler, data)
        ordinary(handler, data)

    def received(handler: Connection, data: bytes) -> None:
        if not handler._is_sending():  # otherwise it is held, and comes again
            recorder.note(handler, data)
        ours(handler, data)

    def lost(handler: RequestHandler, exc: BaseException | None) -> None:
        recorder.left(handler)
        ordinary_lost(handler, exc)

    RequestHandler.data_received = ordinary_received  # type: ignore[method-assign, assignment]
    RequestHandler.connection_lost = lost  # type: ignore[method-assign, assignment]
    Connection.data_received = received  # type: ignore[method-assign, assignment]


def pytest_configure() -> None:
    """Record the edges that tests run in their own process."""
    install(Path(os.environ[FOLDER]))
