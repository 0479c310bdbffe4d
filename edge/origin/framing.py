"""Whether an answer's head can be believed, beyond what aiohttp's parser refuses; RFC 9112 section 6."""

from __future__ import annotations

import re

from aiohttp import ClientResponse, HttpVersion11, hdrs

from edge.errors import OriginFailed

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z", re.IGNORECASE)
_BODILESS = frozenset({204, 304})


def is_framed(answer: ClientResponse) -> bool:
    """Whether the end of the body is marked; ``OriginFailed`` for framing that two programs could read in two ways."""
    status, headers = answer.status, answer.headers
    if status < 200:
        raise OriginFailed("The origin wants to speak something other than HTTP.")
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None:
        old = answer.version is None or answer.version < HttpVersion11
        # A coding other than chunked would reach the viewer undone, RFC 9112 section 7.
        if old or coding.strip().lower() != "chunked" or hdrs.CONTENT_LENGTH in headers:
            raise OriginFailed("The origin's body is not framed rightly.")
    if status == 206:
        _check_part(answer)
    if coding is not None or status in _BODILESS or answer.method == hdrs.METH_HEAD:
        return True
    return hdrs.CONTENT_LENGTH in headers


def _check_part(answer: ClientResponse) -> None:
    """A part is what it says it is, RFC 9110 section 15.3.7; several parts are not looked into."""
    fields = answer.headers.getall(hdrs.CONTENT_RANGE, [])
    if not fields and answer.content_type == "multipart/byteranges":
        return
    match = _CONTENT_RANGE.match(fields[0].strip()) if len(fields) == 1 else None
    if match is None:
        raise OriginFailed("The origin does not say which part of the file it sends.")
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    if last < first or (size is not None and last >= size):
        raise OriginFailed("The origin sends a part that cannot be.")
    length = answer.headers.get(hdrs.CONTENT_LENGTH)
    if length is not None and answer.method != hdrs.METH_HEAD and int(length) != last - first + 1:
        raise OriginFailed("The origin sends a part of another length than it says.")
