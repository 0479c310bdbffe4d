"""Turns what a handler found into an HTTP answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

_ENCODER = msgspec.json.Encoder()
_COMPRESS_FROM_BYTES = 1024
JSON = "application/json"


def to_bytes(value: Any) -> bytes:
    """The JSON text of a value made of plain types, UUIDs and instants."""
    return _ENCODER.encode(value)


def answer(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer, compressed when that pays and the client can read it."""
    body = to_bytes(value)
    response = web.Response(
        body=body, status=status, headers=headers, content_type=JSON, charset="utf-8"
    )
    if len(body) >= _COMPRESS_FROM_BYTES:
        response.enable_compression()
    return response
