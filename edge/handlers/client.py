"""Who asks: the connection's peer, or whom a trusted proxy names."""

from __future__ import annotations

from aiohttp import web

from edge import keys
from edge.forwarded import Address, address_in, is_in, viewer_in


def address_of(request: web.Request) -> Address | None:
    """The viewer's address; ``None`` if nobody who is trusted says it, and then no rule about it holds."""
    if keys.ADDRESS not in request:
        request[keys.ADDRESS] = _address_of(request)
    return request[keys.ADDRESS]


def is_from_proxy(request: web.Request) -> bool:
    """Whether the connection's peer is a proxy whose fields are believed."""
    peer = address_in(request.remote or "")
    return peer is not None and is_in(peer, request.app[keys.SETTINGS].trusted_proxies)


def _address_of(request: web.Request) -> Address | None:
    if not is_from_proxy(request):
        return address_in(request.remote or "")  # empty for a Unix socket
    settings = request.app[keys.SETTINGS]
    field = settings.forwarded_field
    return viewer_in(
        request.headers.getall(field, ()), field=field, trusted=settings.trusted_proxies
    )
