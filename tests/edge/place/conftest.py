"""An edge that tells what it knows of who asks, and files of places made for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.contracts.grants import Asked
from config.runtime.keys import KeySet
from config.settings.load import Settings
from tests.edge.place.asking import Asking, asking

Open = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def open_edge(settings: Settings, key_set: KeySet, tmp_path: Path) -> Open:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.ts").write_bytes(b"a")

    @asynccontextmanager
    async def opened(**edge: Any) -> AsyncIterator[Asking]:
        changed = settings.model_dump(exclude_unset=True)
        changed["edge"] |= {"public_url": "https://edge.example/"} | edge
        async with asking(Settings.model_validate(changed), key_set) as one:
            yield one

    return opened


@pytest.fixture
async def edge_behind(open_edge: Open) -> AsyncIterator[Callable[..., Any]]:
    """Asks an edge that trusts 127.0.0.1 and 10.0.0.0/8: what it takes the request for."""
    async with open_edge(trusted_proxies=["127.0.0.1/32", "10.0.0.0/8"]) as edge:

        async def ask(*fields: tuple[str, str], source: str = "127.0.0.1") -> Asked:
            return await edge.asked(*fields, source=source)

        yield ask
