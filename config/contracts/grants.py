"""What a verified token allows, whatever scheme it came from, and the request that is held against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a viewer is, as far as the edge knows; what is unknown satisfies no rule."""

    country: str = ""  # ISO 3166-1 alpha-2, upper case
    subdivision: str = ""  # ISO 3166-2, such as 'US-CA'
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    network: int | None = None  # number of the autonomous system


NOWHERE = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a rule may look at: one request, in the one form that is also looked up and sent upstream."""

    method: str
    uri: str  # absolute, as viewers know it, without its token
    scope: str  # '/{origin}/{path}', as grants name it
    headers: Mapping[str, str]  # names in any case
    address: IPv4Address | IPv6Address | None = None  # None: not known, and no rule about it holds
    place: Place = NOWHERE
    protocol: str = "http/1.1"  # as ALPN names it (RFC 7301)


class Rule(Protocol):
    """A condition on each request that a token sets beyond its path prefixes and times."""

    @property
    def reason(self) -> str:
        """The code of the refusal, one of the ``NotAllowed`` in edge/errors.py."""

    def allows(self, asked: Asked) -> bool:
        """Whether the request satisfies it."""

    def to_json(self) -> object:
        """What the rule says, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """How a viewer gets the next token before this one ends."""

    carrier: Literal["as-it-came", "redirect", "cookie", "header"]
    seconds: int  # how long the next token holds from the moment it is made
    within: int  # it is due when this one has no more seconds left than these
    until: int | None = None  # seconds since the epoch: no token holds any longer
    late: bool = False  # until ``until`` an ended token may still be exchanged, though it opens nothing itself
    name: str = ""  # of the cookie or header; empty: the scheme's own
    attributes: tuple[str, ...] = ()  # of the cookie, beyond the edge's own
    depth: int = 0  # of the cookie's Path: so many segments of the request's path
    status: int = 307  # of the redirect


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One viewer's permission, for as long as ``expires_at`` is in the future."""

    subject: str
    session: str
    not_before: int  # seconds since the epoch, UTC
    expires_at: int  # seconds since the epoch, UTC
    key_id: str
    began_at: int = 0  # when the session's first token was issued, as far as it says; 0: not_before
    scheme: str = "kawa"
    issuer: str = ""
    token_id: str = ""  # 'jti' or the like; empty: it has none
    # Each starts and ends with '/', so '/a/' never covers '/ab'; one of them must cover the path.
    path_prefixes: tuple[str, ...] = ("/",)
    rules: tuple[Rule, ...] = ()  # all of them must hold too
    max_height: int | None = None
    max_bitrate: int | None = None  # bits per second
    languages: tuple[str, ...] = field(default=())
    stream_limit: int | None = None  # streams of the subject at once
    renewal: Renewal | None = None
    once: bool = False  # the token opens one session and is then used up
    ads: Literal["off", "explain", "strip", "gap"] | None = (
        None  # None: as the origin's setting says
    )
    debug: bool = False  # may be told how answers were made
    is_exact: bool = False  # its times hold to the second, however far clocks may differ

    def covers(self, scope: str) -> bool:
        """Whether ``scope`` (``/{origin}/{path}``, already checked to be plain) is within the prefixes."""
        return scope.startswith(self.path_prefixes)

    def broken_rule(self, asked: Asked) -> Rule | None:
        """The first rule that the request does not satisfy."""
        return next((rule for rule in self.rules if not rule.allows(asked)), None)

    @property
    def is_plain(self) -> bool:
        """Whether prefixes and times say everything, so that nothing else of a request need be looked at."""
        return not self.rules and not self.once
