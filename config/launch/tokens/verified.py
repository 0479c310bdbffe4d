"""What an edge would say to a token, asked of the edge's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit

from config.contracts.grants import Asked, Grant, Place
from config.launch.tokens.errors import NotAToken
from config.launch.tokens.forms import Form, form_of, is_url
from config.launch.tokens.keys import Chosen, signers_of
from config.launch.tokens.shown import grant_to_json
from config.settings.load import Settings
from config.settings.schemes.links import AccessControl, Akamai
from edge.errors import (
    EdgeError,
    NotAllowed,
    PathNotCovered,
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    error_called,
)
from edge.query import Query, parse_carried_query, parse_query
from edge.target import Target, parse_target
from edge.tokens.signers import Signers
from edge.tokens.transport import cookies_of, find_token
from edge.tokens.verified import VerifiedTokens

_COOKIE: str = AccessControl.model_fields["cookie"].default
_NAMES: tuple[str, ...] = Akamai.model_fields["names"].default


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a viewer asks for, as far as somebody says it."""

    url: str | None = None  # None: the token alone is looked at, and no rule about requests
    method: str = "GET"
    address: IPv4Address | IPv6Address | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The grant, or why there is none."""

    scheme: str | None
    grant: Grant | None = None
    refusal: EdgeError | None = None

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        if self.grant is not None and self.refusal is None:
            return {"ok": True, "scheme": self.scheme, "grant": grant_to_json(self.grant)}
        refusal = self.refusal or TokenMalformed()
        return {
            "ok": False,
            "scheme": self.scheme,
            "reason": refusal.code,
            "message": str(refusal),
        }


async def verify(
    text: str, request: Request, *, settings: Settings, chosen: Chosen, now: float
) -> Verdict:
    """What the edge would say at ``now`` (seconds since the epoch)."""
    form = _form(text, request)
    public_url = _public_url(text, request, settings, own_keys=chosen.file is not None)
    async with signers_of(settings, chosen, form, public_url=public_url, now=now) as signers:
        scheme = chosen.scheme or form.scheme or None
        try:
            token = _token(text, form, request, signers, names=_cookies(form, settings, chosen))
            grant = _granted(token, signers, settings, now)
            scheme = grant.scheme
            _hold(grant, _asked_url(text, request), request, public_url, signers)
        except EdgeError as refusal:
            return Verdict(scheme=scheme, refusal=refusal)
    return Verdict(scheme=scheme, grant=grant)


def _form(text: str, request: Request) -> Form:
    try:
        return form_of(text, request.headers)
    except NotAToken:
        # Links may have names of the settings' choice; and what is none, the edge refuses in its own words.
        return Form(kind="link" if is_url(text) else "jws", scheme="", text=text, says={})


def _public_url(text: str, request: Request, settings: Settings, *, own_keys: bool) -> str:
    """The edge's own URL; where no edge is asked but a file with keys, that of the URL that is given."""
    url = request.url or (text if is_url(text) else "")
    if own_keys and "://" in url:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"
    return settings.edge_url


def _asked_url(text: str, request: Request) -> str | None:
    return request.url or (text if is_url(text) else None)


def _token(
    text: str, form: Form, request: Request, signers: Signers, *, names: frozenset[str]
) -> str:
    """The token that a request with this text carries."""
    if not is_url(text):
        if names and "signer" not in form.says:
            return _of_cookie(text, names, request, signers)
        return text
    target = parse_target(text)
    query = _query(target)
    carried = find_token(
        path_token=target.token or target.package, query_token=query.token, headers=request.headers
    )
    if carried is not None:
        return carried.text
    path, _, raw = target.rest.partition("?")
    return _link(signers, path, raw, cookies_of(request.headers), request)


def _of_cookie(text: str, names: frozenset[str], request: Request, signers: Signers) -> str:
    """A token of a scheme whose tokens may stand in a cookie, given without one."""
    target = parse_target(request.url or "/any/")
    path, _, raw = target.rest.partition("?")
    return _link(signers, path, raw, dict.fromkeys(names, text), request)


def _cookies(form: Form, settings: Settings, chosen: Chosen) -> frozenset[str]:
    """The names of cookies that could hold a link's token."""
    given = [scheme for scheme in settings.tokens.signers.values() if scheme.scheme == form.scheme]
    if form.scheme == "access-control":
        named = [scheme.cookie for scheme in given if isinstance(scheme, AccessControl)]
        own = (chosen.fields or {}).get("cookie", _COOKIE)
        return frozenset({own, *named})
    if form.scheme == "akamai":
        first = [scheme.names[0] for scheme in given if isinstance(scheme, Akamai)]
        return frozenset({(chosen.fields or {}).get("names", _NAMES)[0], *first})
    return frozenset()


def _link(
    signers: Signers, path: str, query: str, cookies: Mapping[str, str], request: Request
) -> str:
    agent = next((v for n, v in request.headers.items() if n.lower() == "user-agent"), "")
    found = signers.link_of(path, query, cookies, address=request.address, user_agent=agent)
    if found is None:
        raise TokenMissing
    return found.link.encode()


def _granted(token: str, signers: Signers, settings: Settings, now: float) -> Grant:
    leeway = settings.tokens.leeway.total_seconds()
    tokens = VerifiedTokens(signers.verify, capacity=1, leeway_seconds=leeway)
    held = tokens.remembered(token, now=now)
    if tokens.is_late(token, held, now=now):
        raise TokenExpired("The token has ended; it can still be exchanged for the next one.")
    return held.grant


def _hold(
    grant: Grant, url: str | None, request: Request, public_url: str, signers: Signers
) -> None:
    """Nothing, or the ``NotAllowed`` that says what of the request the grant does not cover."""
    if url is None:
        return
    target, query = _plain(url, request, signers)
    if not target.is_covered_by(grant):
        raise PathNotCovered
    asked = Asked(
        method=request.method,
        uri=f"{public_url}{target.scope}{'?' if query else ''}{query}",
        scope=target.scope,
        headers=request.headers,
        address=request.address,
        place=Place(
            country=request.country[:2], subdivision=request.country[3:] and request.country
        ),
    )
    broken = grant.broken_rule(asked)
    if broken is not None:
        refusal = error_called(broken.reason)
        raise refusal if isinstance(refusal, NotAllowed) else TokenMalformed()


def _plain(url: str, request: Request, signers: Signers) -> tuple[Target, str]:
    """What is asked for, without the token in its path or its query."""
    target = parse_target(url)
    path, _, raw = target.rest.partition("?")
    agent = next((v for n, v in request.headers.items() if n.lower() == "user-agent"), "")
    found = signers.link_of(
        path, raw, cookies_of(request.headers), address=request.address, user_agent=agent
    )
    if found is not None and target.token is None and target.package is None:
        target = parse_target(found.path + (f"?{found.query}" if found.query else ""))
    return target, _query(target).rest


def _query(target: Target) -> Query:
    if target.carried is not None:
        return parse_carried_query(target.query, with_token=target.token is None)
    return parse_query(target.query)
