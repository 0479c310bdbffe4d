"""Where an origin may send the edge, RFC 9110 section 15.4: to hosts that the operator named, never out of TLS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, hdrs
from multidict import CIMultiDict

from edge.errors import OriginForbidden

_STATUSES = frozenset({301, 302, 303, 307, 308})
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,8000}\Z")
_PORTS = {"http": 80, "https": 443}
# Meant for the server that was asked, and for no other.
_OWN = (hdrs.AUTHORIZATION, hdrs.COOKIE, hdrs.HOST, "Kawa-Shield")


class Redirects:
    """The redirects of one origin."""

    def __init__(self, most: int, *, servers: Iterable[str], hosts: Iterable[str]) -> None:
        self.most = most
        own = (urlsplit(url) for url in servers)
        self._allowed = {(url.hostname, url.port or _PORTS[url.scheme]) for url in own}
        for host in hosts:
            named = urlsplit(f"//{host}")
            ports = (named.port,) if named.port else tuple(_PORTS.values())
            self._allowed |= {(named.hostname, port) for port in ports}

    def asks_for_one(self, answer: ClientResponse) -> bool:
        """Whether this answer is a redirect."""
        return answer.status in _STATUSES and hdrs.LOCATION in answer.headers

    def followed(
        self, url: str, answer: ClientResponse, headers: CIMultiDict[str]
    ) -> tuple[str, CIMultiDict[str]]:
        """The URL and the fields of the next request, or ``OriginForbidden``."""
        location = answer.headers[hdrs.LOCATION].partition("#")[0]
        try:
            target = urljoin(url, location)
            new, old = urlsplit(target), urlsplit(url)
            place = (new.hostname, new.port or _PORTS.get(new.scheme, 0))
        except ValueError as error:
            raise _refused() from error
        downgrade = old.scheme == "https" and new.scheme != "https"
        named = new.scheme in _PORTS and place in self._allowed and "@" not in new.netloc
        if not _PLAIN.match(target) or downgrade or not named:
            raise _refused()
        kept = headers.copy()
        for name in _OWN:
            kept.popall(name, None)
        return target, kept


def _refused() -> OriginForbidden:
    return OriginForbidden("The origin redirects to a host that is not allowed.", result="guard")
