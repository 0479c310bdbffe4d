"""Which fields go on to the next, and which were for this hop only, RFC 9110 section 7.6."""

from __future__ import annotations

import re

from multidict import CIMultiDict

from edge.cache.policy.lists import names_in
from edge.origin.upstream import Fields

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The server has answered it already; the client writes its own.
_OF_THIS_HOP = frozenset({"host", "expect", "http2-settings"})
# Meant for all on the way whatever Connection says of them, RFC 9110 section 7.6.1; without them the rest of the
# message means something else.
_FOR_ALL = frozenset(
    {
        "age",
        "authorization",
        "cache-control",
        "cdn-cache-control",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "pragma",
        "range",
        "vary",
        "via",
    }
)
_COMMENT = re.compile(r"\([^()]*\)")
_RECEIVED_BY = re.compile(r"\S+[ \t]+(\S+)")
_MAX_VIA_CHARS = 4096


def onward(request_fields: Fields, *, via: str, peer: bool = False) -> CIMultiDict[str]:
    """The request's fields for the next hop; a ``peer`` is another process of this very edge, so no hop is noted."""
    result = _end_to_end(request_fields, _OF_THIS_HOP)
    if not peer:
        result.add("Via", f"1.1 {via}")
    return result


def kept(fields: Fields) -> CIMultiDict[str]:
    """The fields of an answer that are stored and passed on."""
    return _end_to_end(fields, frozenset())


def is_loop(fields: Fields, via_name: str) -> bool:
    """Whether the request was here before, or has come too far to tell."""
    lines = fields.getall("Via", ())
    if sum(len(line) for line in lines) > _MAX_VIA_CHARS:
        return True
    name = via_name.lower()
    for line in lines:
        for hop in _COMMENT.sub("", line).split(","):
            match = _RECEIVED_BY.match(hop.strip(" \t"))
            if match is not None and match.group(1).lower() == name:
                return True
    return False


def _end_to_end(fields: Fields, besides: frozenset[str]) -> CIMultiDict[str]:
    dropped = (names_in(fields, "Connection") - _FOR_ALL) | _HOP_BY_HOP | besides
    return CIMultiDict(
        (name, value) for name, value in fields.items() if name.lower() not in dropped
    )
