"""What a module logs, whatever other tests have made of logging in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict


@contextmanager
def logs_of(module: str) -> Iterator[list[EventDict]]:
    """The events that the module's ``log`` gets meanwhile: one that is cached heeds no later set-up."""
    capture = LogCapture()
    with patch(f"{module}.log", structlog.wrap_logger(None, processors=[capture])):
        yield capture.entries
