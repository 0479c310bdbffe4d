"""What went wrong between an origin and the edge, in the edge's own words; aiohttp's errors end here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    ConnectionTimeoutError,
    InvalidURL,
)
from aiohttp.http_exceptions import HttpProcessingError

from edge.errors import OriginError, OriginFailed, OriginForbidden, OriginTimeout
from edge.origin.guard import AddressRefused

_CUT = "Response payload is not completed"  # aiohttp, when a connection ends before its body

# How a request to an origin can end, besides 'ok', '4xx' and '5xx' (its answer's status).
RESULTS = frozenset(
    {
        "connect_timeout",
        "first_byte_timeout",
        "stall",  # no bytes, or too few, in the middle of a body
        "truncated",
        "reset",  # refused, reset, or closed without an answer
        "malformed",  # not HTTP, or not to be trusted
        "dns",
        "tls",
        "busy",
        "breaker",
        "guard",
    }
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what aiohttp raises into an ``OriginError`` that says how it is counted."""
    try:
        yield
    except (ClientError, HttpProcessingError, OSError) as error:
        raise fault_of(error) from error


def fault_of(error: Exception) -> OriginError:
    """The edge's name for an error of aiohttp."""
    if isinstance(error, ClientConnectorError):
        return _not_connected(error)
    if isinstance(error, ConnectionTimeoutError):
        return OriginTimeout(
            "The origin could not be connected to in time.", result="connect_timeout", unsent=True
        )
    if isinstance(error, TimeoutError):
        return OriginTimeout(result="first_byte_timeout")
    if isinstance(error, InvalidURL):
        return OriginForbidden("The origin's host is no plain name or address.", result="guard")
    if isinstance(error, ClientPayloadError):
        if str(error).startswith(_CUT):
            return OriginFailed("The origin's body ended early.", result="truncated")
        return OriginFailed("The origin's body is not framed rightly.", result="malformed")
    if isinstance(error, ClientResponseError | HttpProcessingError):
        return OriginFailed("The origin's answer is not HTTP.", result="malformed")
    return OriginFailed("The origin closed the connection.", result="reset")


def _not_connected(error: ClientConnectorError) -> OriginError:
    if isinstance(error.os_error, AddressRefused):
        return OriginForbidden(result="guard", unsent=True)
    if isinstance(error, ClientConnectorDNSError):
        return OriginFailed("The origin's name is not known.", result="dns", unsent=True)
    if isinstance(error, ClientConnectorCertificateError | ClientConnectorSSLError):
        return OriginFailed(
            "The origin's certificate or TLS is not right.", result="tls", unsent=True
        )
    return OriginFailed("The origin refused the connection.", result="reset", unsent=True)
