"""What the tests of the cache share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from config.runtime.keys import KeySet
from config.settings.load import Settings
from tests.edge.cache.range_origin import LARGE, Over, RangeOrigin, edge_over, serving


@pytest.fixture
async def origin() -> AsyncIterator[RangeOrigin]:
    origin = RangeOrigin(files={"/1.m4s": b"segment" * 100, "/large.mp4": LARGE})
    async with serving(origin.serve) as origin.url:
        yield origin


@pytest.fixture
def over(settings: Settings, key_set: KeySet, origin: RangeOrigin) -> Over:
    return lambda cache=None, **edge: edge_over(settings, key_set, origin.url, cache or {}, **edge)


@pytest.fixture
def proxy(over: Over) -> Over:
    return lambda **cache: over({"profile": "generic-cache", **cache}, root_origin="cdn")
