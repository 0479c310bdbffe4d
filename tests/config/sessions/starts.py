from __future__ import annotations

import time
from typing import Any

from config.contracts.sessions import Counted, Quality, SessionStart
from config.runtime.sessions.records import Record

CONTENT = "/main/a-film/"


def start(name: str | int, **given: Any) -> SessionStart:
    fields: dict[str, Any] = {
        "id": f"session-{name:>08}",
        "grant": "grant",
        "subject": "viewer-1",
        "content": CONTENT,
        "started_at": 1_795_000_000 + (name if isinstance(name, int) else 0),
        "ends_at": 1_795_100_000,
        "limit": 3,
    }
    return SessionStart(**fields | given)


def record(one: SessionStart, *, silent_for: float = 0.0, paused: bool = False) -> Record:
    return Record.of(one, Counted(), Quality(), seen_at=time.time() - silent_for, paused=paused)
