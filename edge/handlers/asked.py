"""A request as the rules of a grant see it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import HttpVersion10, web
from multidict import CIMultiDict

from config.contracts.grants import Asked, Place
from edge import keys
from edge.handlers.client import address_of, is_from_proxy

_COUNTRY = re.compile(r"[A-Za-z]{2}\Z")
# What a CDN says instead of a country that it does not know (ISO 3166-1: user-assigned codes).
_NO_COUNTRY = frozenset({"XX", "ZZ"})


def asked_of(request: web.Request, *, scope: str, query: str) -> Asked:
    """The request; ``scope`` and ``query`` without its token, as the edge looks it up and sends it upstream."""
    return Asked(
        method=request.method,
        uri=f"{request.app[keys.PUBLIC_URL]}{scope}{'?' if query else ''}{query}",
        scope=scope,
        headers=_combined(request),
        address=address_of(request),
        place=place_of(request),
        protocol="http/1.0" if request.version == HttpVersion10 else "http/1.1",
    )


def place_of(request: web.Request) -> Place:
    """Where the viewer is: its country as a trusted proxy says it, and what the files say that agrees with it."""
    address = address_of(request)
    place = request.app[keys.PLACES].of(address)
    field = request.app[keys.SETTINGS].geo.country_header
    if field is None or not is_from_proxy(request):
        return place
    said = request.headers.getall(field, ())
    country = said[0].upper() if len(said) == 1 and _COUNTRY.match(said[0]) else ""
    if not country or country in _NO_COUNTRY or country == place.country:
        return place
    return Place(country=country, network=place.network)


def _combined(request: web.Request) -> Mapping[str, str]:
    """The fields, several of one name as the one that they mean (RFC 9110 section 5.3): a rule sees all of it."""
    headers = request.headers
    names = {name.lower() for name in headers}
    if len(names) == len(headers):
        return headers
    return CIMultiDict((name, ", ".join(headers.getall(name))) for name in names)
