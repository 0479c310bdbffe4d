"""Hosts that no origin covers, as they stand in paths of this edge.

``x/{via}/{mac}/{scheme}/{authority}/{path…}``: ``via`` is the origin whose manifest named the host, and ``mac`` shows
that this edge wrote the path. It binds ``via``, scheme and host but not what follows, so that relative references,
templates and byte ranges of a document on that host go on working below the same beginning.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from edge.errors import BadPath
from edge.manifests.errors import BadReference, TooManyHosts
from edge.manifests.uris import Parts, split

MARK = "x"  # too short for the name of an origin

_MAC_BYTES = 16
_MAC = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_PORTS = {"http": 80, "https": 443}
# Names as they stand in DNS; no empty label, which would read as a dot segment where it stands alone.
_AUTHORITY = re.compile(
    r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{0,5}))?\Z"
)
_MOST_CHARS = 260
_BRACKETS = (("[", "%5B"), ("]", "%5D"))  # RFC 3986 section 3.2.2: nowhere but in a host

MacOf = Callable[["Host"], str]


@dataclass(frozen=True, slots=True)
class Host:
    """A server and the origin it is reached through; always in its one spelling."""

    via: str
    scheme: str
    authority: str  # lower case, without the scheme's own port

    @classmethod
    def of(cls, via: str, parts: Parts) -> Host:
        """The host of an absolute URL; ``BadReference`` if the edge would not ask it."""
        scheme, written = (parts.scheme or "").lower(), parts.authority or ""
        match = _AUTHORITY.match(written.lower()) if len(written) <= _MOST_CHARS else None
        if scheme not in _PORTS or match is None:
            # What stands before an '@' is a secret, and goes into no message.
            shown = written.rpartition("@")[2][:200]
            raise BadReference(f"{shown!r} is no host that can be carried")
        name, port = match[1], match[2] or ""
        number = int(port) if port else _PORTS[scheme]
        if name.startswith("["):
            try:
                name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
            except ValueError as error:
                raise BadReference(f"{name} is no address") from error
        if not 1 <= number <= 65535:
            raise BadReference(f"{number} is no port")
        return cls(via, scheme, name if number == _PORTS[scheme] else f"{name}:{number}")

    @property
    def base(self) -> str:
        """The URL that paths on this host are relative to."""
        return f"{self.scheme}://{self.authority}/"

    @property
    def name(self) -> str:
        """What the cache, purges and sibling processes call it."""
        return f"{MARK}/{self.via}/{self.scheme}/{self._segment}"

    def mount(self, mac: str) -> str:
        """Below which path players find it."""
        return f"{MARK}/{self.via}/{mac}/{self.scheme}/{self._segment}"

    @property
    def _segment(self) -> str:
        text = self.authority
        for plain, encoded in _BRACKETS:
            text = text.replace(plain, encoded)
        return text


@dataclass(frozen=True, slots=True)
class Carried:
    """A host as a request names it, not verified yet."""

    host: Host
    mac: str

    @property
    def mount(self) -> str:
        """Below which path the host stands."""
        return self.host.mount(self.mac)


def read_carried(path: str) -> tuple[Carried, str]:
    """The host and the rest of what follows ``x/`` in a path that was checked to be plain, or ``BadPath``."""
    pieces = path.split("/", 4)
    if len(pieces) != 5 or not _MAC.match(pieces[1]):
        raise BadPath("After x/ follow an origin, a signature, a scheme, a host and a path.")
    via, mac, scheme, segment, rest = pieces
    return Carried(_host(via, scheme, segment), mac), rest


def read_name(path: str) -> tuple[Host, str]:
    """The host and the rest of what follows ``x/`` in a name of the cache."""
    pieces = path.split("/", 3)
    if len(pieces) != 4:
        raise BadPath("After x/ follow an origin, a scheme, a host and a path.")
    via, scheme, segment, rest = pieces
    return _host(via, scheme, segment), rest


def kept_as(path: str) -> tuple[str, str]:
    """The origin's name in the cache, and the path in it, of what players find at ``path`` (no leading slash)."""
    origin, _, rest = path.partition("/")
    if origin != MARK:
        return origin, rest
    carried, rest = read_carried(rest)
    return carried.host.name, rest


def _host(via: str, scheme: str, segment: str) -> Host:
    authority = segment.replace("%3A", ":").replace("%3a", ":")
    for plain, encoded in _BRACKETS:
        authority = authority.replace(encoded, plain).replace(encoded.lower(), plain)
    try:
        return Host.of(via, Parts(scheme, authority, "", None, None))
    except BadReference as error:
        raise BadPath("The path names no host.") from error


class Signer:
    """Makes and checks the signatures of one secret."""

    def __init__(self, secret: str) -> None:
        # A key of its own, whatever else the secret may be used for.
        self._key = hmac.digest(secret.encode(), b"kawa-carry-v1", "sha256")
        # By which a request that comes back is known, whichever worker or edge with this secret it comes to.
        self.mark = _text(hmac.digest(self._key, b"loop", "sha256"))

    def mac(self, host: Host) -> str:
        """HMAC-SHA-256, 128 bits of it, as URL-safe base64 (RFC 4648 section 5, no padding)."""
        text = "\n".join((host.via, host.scheme, host.authority))
        return _text(hmac.digest(self._key, text.encode(), "sha256"))

    def allows(self, carried: Carried) -> bool:
        """Whether this edge, or another one with its secret, wrote the path."""
        return hmac.compare_digest(self.mac(carried.host), carried.mac)


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:_MAC_BYTES]).rstrip(b"=").decode()


class Carrier:
    """The paths that stand for the URLs of one manifest; so many hosts and no more."""

    def __init__(self, via: str, mac_of: MacOf, *, most_hosts: int) -> None:
        self._via = via
        self._mac_of = mac_of
        self._most = most_hosts
        self._hosts: set[Host] = set()
        self._mounts: dict[tuple[str | None, str | None], str] = {}  # by scheme and host as written

    def __call__(self, url: str) -> str:
        """The path of an absolute URL at this edge, or a ``ManifestError``."""
        parts = split(url)
        written = parts.scheme, parts.authority
        mount = self._mounts.get(written)
        if mount is None:
            mount = self._mounts[written] = self._mounted(parts)
        query = "" if parts.query is None else f"?{parts.query}"
        return f"/{mount}{parts.path or '/'}{query}"

    def _mounted(self, parts: Parts) -> str:
        host = Host.of(self._via, parts)
        self._hosts.add(host)
        if len(self._hosts) > self._most:
            raise TooManyHosts(f"more than {self._most} hosts that no origin covers")
        return host.mount(self._mac_of(host))
