"""Verifies links that a CDN's signer has signed; each scheme says how they look and what is signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

from config.contracts.grants import Grant, Rule
from config.settings.schemes.links import Link as LinkSettings
from edge.errors import BadPath, TokenBadClaims, TokenMalformed, TokenUnsupported
from edge.target import parse_target
from edge.tokens.links.coverage import Covered, narrowed
from edge.tokens.links.link import Link, signer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it came: what stands behind '/t/…' and '/f/…' in the path, and nothing decoded."""

    path: str
    query: str
    cookies: Mapping[str, str]
    address: str = ""  # the client's; empty: not known
    user_agent: str = ""


class Found(NamedTuple):
    """A link that a request carries, and what is left of path and query without its signature."""

    link: Link
    query: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a link whose signature holds says."""

    covered: Covered
    expires_at: int  # seconds since the epoch
    not_before: int = 0
    key_id: str
    conditions: tuple[Rule, ...] = ()
    subject: str = ""
    session: str = ""
    token_id: str = ""


class LinkScheme(Protocol):
    """How one signer's links look, and what their signature is over."""

    @property
    def scheme(self) -> str:
        """Its scheme, as the settings call it."""

    def found(self, sent: Sent) -> Found | None:
        """The link that a request carries, good or not; ``None`` if it carries none of this signer's."""

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a link says, or a ``NotAllowed`` if its signature does not hold."""


class LinkVerifier:
    """One signer's links."""

    def __init__(
        self, name: str, scheme: LinkScheme, settings: LinkSettings, *, leeway_seconds: float
    ) -> None:
        self._name = name
        self._scheme = scheme
        self._origins = settings.origins
        self._longest = settings.max_lifetime.total_seconds() + leeway_seconds

    @property
    def scheme(self) -> str:
        """Its scheme, as the settings call it."""
        return self._scheme.scheme

    def may_be(self, token: str) -> bool:
        """Whether ``token`` says that it is a link of this signer."""
        return signer_of(token) == self._name

    def found(
        self,
        path: str,
        query: str,
        cookies: Mapping[str, str],
        *,
        address: IPv4Address | IPv6Address | None = None,
        user_agent: str = "",
    ) -> Found | None:
        """The link that a request carries, unless it leads to an origin that this signer has no say in.

        ``path`` and ``query`` are as they were sent. Nothing is verified, and nothing raised.
        """
        before, path = _without_filter(path)
        if not path.startswith("/") or path.startswith("/t/"):
            return None
        sent = Sent(
            path=path,
            query=query,
            cookies=cookies,
            address=""
            if address is None
            else str(getattr(address, "ipv4_mapped", None) or address),
            user_agent=user_agent,
        )
        found = self._scheme.found(sent)
        if found is None or not self._is_for(found.path):
            return None
        return found._replace(path=before + found.path) if before else found

    def verify(self, token: str, *, now: float) -> Grant:
        """The grant of a link whose signature holds, or a ``NotAllowed``."""
        link = Link.decode(token)
        if link.signer != self._name:
            raise TokenMalformed
        checked = self._scheme.checked(link, now=now)
        if checked.expires_at - now > self._longest:
            raise TokenBadClaims("The link holds for longer than max_lifetime.")
        return Grant(
            subject=checked.subject or self._name,
            session=checked.session or hashlib.blake2b(token.encode(), digest_size=16).hexdigest(),
            not_before=checked.not_before,
            expires_at=checked.expires_at,
            key_id=checked.key_id,
            scheme=self.scheme,
            issuer=self._name,
            token_id=checked.token_id,
            path_prefixes=narrowed(checked.covered.prefixes, self._origins),
            rules=checked.covered.rules + checked.conditions,
        )

    def renewed(self, token: str, *, now: float) -> str:
        """Never: a link ends when its signer said."""
        raise TokenUnsupported("A signed link is not renewed.")

    def _is_for(self, path: str) -> bool:
        try:
            target = parse_target(path)
        except BadPath:
            return False
        return not self._origins or target.origin in self._origins


def _without_filter(path: str) -> tuple[str, str]:
    """A path taken apart behind '/f/{filter}', which only ever takes something away."""
    if not path.startswith("/f/"):
        return "", path
    end = path.find("/", len("/f/"))
    return ("", path) if end < 0 else (path[:end], path[end:])
