"""Requests that the HTTP parser lets through and that two servers could read in two ways."""

from __future__ import annotations

import re
from functools import lru_cache

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from edge.content_keys.names import is_license
from edge.errors import BadRequest, EdgeError, MethodNotAllowed, VersionNotSupported
from edge.sessions.names import takes_body

METHODS = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)
# A tunnel is not ours to dig, and what TRACE echoes may be another's secrets (RFC 9110 section 9.3.8).
_NEVER = frozenset({hdrs.METH_CONNECT, hdrs.METH_TRACE})

# RFC 3986 section 3.2.2, without userinfo; no spaces.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::\d{0,5})?\Z")
# RFC 9110 section 8.6, without the leading zeros and lists that others read differently.
_LENGTH = re.compile(r"(?:0|[1-9]\d{0,18})\Z")
_NO_BODY = "Requests with a body are not served here."


@lru_cache(maxsize=1024)
def is_host(value: str) -> bool:
    """Whether a Host field is a host and perhaps a port, and nothing else."""
    return _HOST.match(value) is not None


def refusal_of(request: web.Request, *, any_method: bool = False) -> EdgeError | None:
    """Why this request must not be read any further; ``None`` when it may be.

    ``any_method`` is for a plain proxy: every method but two, and bodies whose end is beyond doubt.
    """
    # The bodies that are read here: ClearKey licence requests, and what players say of themselves.
    any_method = any_method or (
        request.method == hdrs.METH_POST and may_be_posted(request.raw_path)
    )
    if request.version not in (HttpVersion10, HttpVersion11):
        return VersionNotSupported()
    if request.method in _NEVER if any_method else request.method not in METHODS:
        return MethodNotAllowed()
    headers = request.headers
    host = headers.get(hdrs.HOST, "")
    if not is_host(host):
        return BadRequest("The Host field is not a host.")
    if not _is_for(request, host):
        return BadRequest("The address and the Host field name two hosts.")
    if any_method:
        return _refusal_of_framing(request)
    if hdrs.TRANSFER_ENCODING in headers or headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
        return BadRequest(_NO_BODY)
    return None


def may_be_posted(raw_target: str) -> bool:
    """Whether a body is taken there, if the path turns out to be good."""
    return is_license(raw_target) or takes_body(raw_target)


def allowed_methods(raw_target: str) -> str:
    """The methods that a page of another site may use there."""
    return "GET, HEAD, OPTIONS" + (", POST" if may_be_posted(raw_target) else "")


def _is_for(request: web.Request, host: str) -> bool:
    """Whether an absolute target (RFC 9112 section 3.2.2) names the host that the Host field names."""
    scheme, found, rest = request.raw_path.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        return True
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return authority.lower() == host.lower()


def _refusal_of_framing(request: web.Request) -> EdgeError | None:
    headers = request.headers
    codings = headers.getall(hdrs.TRANSFER_ENCODING, [])
    lengths = headers.getall(hdrs.CONTENT_LENGTH, [])
    if codings:
        # RFC 9112 section 6.1: faulty framing in HTTP/1.0, and beside a length.
        if request.version != HttpVersion11 or lengths:
            return BadRequest("The length of the body is not sure.")
        if len(codings) > 1 or codings[0].strip().lower() != "chunked":
            return BadRequest("No transfer coding but chunked is understood.")
    if len(lengths) > 1 or (lengths and not _LENGTH.match(lengths[0])):
        return BadRequest("The length of the body is not sure.")
    return None
