"""The few bodies that viewers send, within their limits."""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, hdrs, web

from edge import keys
from edge.errors import BadRequest, BodyTooLarge, BodyTooSlow


async def received(request: web.Request, *, most: int) -> bytes:
    """The whole body of ``request``, at most ``most`` bytes; a ``BadRequest`` if it cannot be had."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise BadRequest("The body of a request is not compressed here.")
    limit = request.app[keys.SETTINGS].http.body_timeout.total_seconds()
    body = b""
    try:
        async with asyncio.timeout(limit):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > most:
                    raise BodyTooLarge(f"At most {most} bytes are read here.")
    except TimeoutError as error:
        raise BodyTooSlow from error
    except ClientError as error:
        raise BadRequest("The request's body broke off.") from error
    return body
