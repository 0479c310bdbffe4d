"""How tests of ad breaks ask an edge."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.edge.client import Client

# An edge over one origin at a URL, with whatever the test changes.
MakeEdge = Callable[..., AbstractAsyncContextManager[Client]]


async def playlist(client: Client, path: str = "/cdn/live/v0.m3u8", **headers: str) -> bytes:
    """The body of a 200."""
    status, _, body = await client.ask(path, **headers)
    assert status == 200, (status, body)
    return body
