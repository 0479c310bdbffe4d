from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.runtime import access_log
from config.runtime.access_log import DROPPED, Lines
from config.runtime.logging import setup_logging
from config.settings.shared import LogSettings

LINE = {
    "client": "192.0.2.7",
    "method": "GET",
    "path": "/t/secret/vod/a.m4s?token=secret",
    "status": 200,
    "wire_bytes": 1,
    "dur_ms": 0.0,
    "agent": "x" * 1000,
}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_are_written_by_the_end_without_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(), program="edge")
    lines = Lines()
    with lines.written():
        for number in range(100):
            lines.add(LINE | {"number": number})

    for handler in logging.getLogger().handlers:
        handler.flush()
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["number"] for line in written] == list(range(100))
    assert written[0]["path"] == "/t/***/vod/a.m4s"
    assert written[0]["client"] == "192.0.2.0/24"
    assert len(written[0]["agent"]) == 256


def test_lines_that_cannot_be_written_are_dropped_and_counted_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocked = threading.Event()

    class Blocking:
        def info(self, *_args: Any, **_fields: Any) -> None:
            blocked.wait(10)

    monkeypatch.setattr(access_log, "log", Blocking())
    before = DROPPED._value.get()
    lines = Lines()
    with lines.written():
        for _ in range(10_500):
            lines.add(LINE)
        assert DROPPED._value.get() - before >= 499
        blocked.set()
