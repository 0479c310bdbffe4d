from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Kawa, command, environment, make_clip, up

SECONDS = 12


@pytest.fixture(scope="session")
def loop_for_system() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, loop_for_system: asyncio.Runner) -> Path:
    """Twelve seconds of 480p with a tone: two rungs of the ladder."""
    path = tmp_path_factory.mktemp("clip") / "Evening Star.mp4"
    return loop_for_system.run(make_clip(path, seconds=SECONDS))


@pytest.fixture(scope="session")
def kawa(
    tmp_path_factory: pytest.TempPathFactory, loop_for_system: asyncio.Runner
) -> Iterator[Kawa]:
    """One running system for the tests that do not break it."""
    running = up(environment(tmp_path_factory.mktemp("kawa")))
    yield loop_for_system.run(running.__aenter__())
    loop_for_system.run(running.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def published(kawa: Kawa, clip: Path, loop_for_system: asyncio.Runner) -> dict[str, Any]:
    """The clip, published by ``kawa ingest``: its row of JSON."""
    done = loop_for_system.run(command(kawa.env, "ingest", "--json", str(clip)))
    assert done.status == 0, done.err + kawa.log.read_text()[-3000:]
    return done.rows[0]
