"""Requests that the HTTP parser lets through and that two servers could read in two ways."""

from __future__ import annotations

import re

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from edge.errors import BadRequest, EdgeError, MethodNotAllowed, VersionNotSupported

METHODS = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)

# RFC 3986 section 3.2.2, without userinfo; no spaces.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::\d{0,5})?\Z")


def refusal_of(request: web.Request) -> EdgeError | None:
    """Why this request must not be read any further; ``None`` when it may be."""
    if request.version not in (HttpVersion10, HttpVersion11):
        return VersionNotSupported()
    if request.method not in METHODS:
        return MethodNotAllowed()
    headers = request.headers
    if not _HOST.match(headers.get(hdrs.HOST, "")):
        return BadRequest("The Host field is not a host.")
    if hdrs.TRANSFER_ENCODING in headers:
        # RFC 9112 section 6.1: faulty framing in HTTP/1.0; and no request here has a body.
        return BadRequest("Requests with a body are not served here.")
    if headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
        return BadRequest("Requests with a body are not served here.")
    return None
