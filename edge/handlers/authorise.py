"""Whether a request may have what it asks for, and which token it goes on with."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import web

from config.contracts.grants import Grant
from config.runtime.logging import SESSION_ID
from edge import keys, metrics
from edge.errors import (
    NotAllowed,
    PathNotCovered,
    TokenExpired,
    TokenMissing,
    TokenRevoked,
    TokenUnknownKey,
    TokenUsed,
    refusal_by,
)
from edge.handlers.asked import asked_of
from edge.handlers.client import address_of
from edge.origin.shield import FIELD, shield_allows
from edge.query import Query
from edge.sessions.cmcd.cut import cut
from edge.target import Target, origin_form, parse_target
from edge.tokens.transport import CarriedToken, brings_token, cookies_of, find_token
from edge.tokens.verified import Remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request that its token allows."""

    carried: CarriedToken
    held: Remembered
    following: str | None = None  # the token that the viewer goes on with from here on
    must_move: bool = False  # only there: this one opens nothing itself any more

    @property
    def grant(self) -> Grant:
        """What the token grants."""
        return self.held.grant

    @property
    def going_on(self) -> CarriedToken:
        """The token that what the viewer gets leads on with."""
        if self.following is None:
            return self.carried
        return replace(self.carried, text=self.following)


def is_shielded(request: web.Request) -> bool:
    """Whether another edge asks, which has checked its viewer itself."""
    shield_keys = request.app[keys.SETTINGS].shield_keys
    if not shield_keys or FIELD not in request.headers:
        return False
    plain = (key.get_secret_value() for key in shield_keys)
    return shield_allows(request.headers, request.method, request.raw_path, plain, time.time())


def read_target(request: web.Request) -> tuple[Target, str | None]:
    """What the request asks for, and its token if it stands where only some schemes put one."""
    signers = request.app[keys.SIGNERS]
    if signers.links:
        # First of all: the token may stand in the path, in ways that no path of ours has. No signer knew of CMCD.
        bare, said = cut(origin_form(request.raw_path))
        path, _, query = bare.partition("?")
        link_of = partial(
            signers.link_of,
            path,
            query,
            address=address_of(request),
            user_agent=request.headers.get("User-Agent", ""),
        )
        found = link_of({})
        cookies = cookies_of(request.headers) if found is None else {}
        if cookies and not brings_token(path, query, request.headers):
            # Last: pages of neighbouring hosts can set cookies that are sent here, too.
            found = link_of(cookies)
        if found is not None:
            rest = (found.query, "" if said is None else f"CMCD={said}")
            plain = "?".join(filter(None, (found.path, "&".join(filter(None, rest)))))
            return parse_target(plain), found.link.encode()
    target = parse_target(request.raw_path)
    return target, target.package if target.token is None else None


async def admitted(request: web.Request, target: Target, query: Query) -> Admission:
    """The request's token and what it grants, or a ``NotAllowed`` that says why not."""
    carried = find_token(
        path_token=target.token,
        query_token=query.token,
        headers=request.headers,
    )
    if carried is None:
        raise TokenMissing
    now = request.app[keys.CLOCK]()
    try:
        return await _checked(request, target, query, carried, now)
    except NotAllowed as error:
        claim = getattr(error.rule, "claim", None)
        instead = request.app[keys.SIGNERS].answer(carried.text, error, now=now, claim=claim)
        if instead is not None:
            request[keys.INSTEAD] = instead
        raise


async def _checked(
    request: web.Request, target: Target, query: Query, carried: CarriedToken, now: float
) -> Admission:
    app = request.app
    held = await _remembered(app, carried.text, now)
    grant = held.grant
    request[keys.GRANT] = grant
    SESSION_ID.set(grant.session)
    late = app[keys.TOKENS].is_late(carried.text, held, now=now)
    if not target.is_covered_by(grant):
        raise PathNotCovered
    if grant.rules:
        broken = grant.broken_rule(asked_of(request, scope=target.scope, query=query.rest))
        if broken is not None:
            raise refusal_by(broken)
    if grant.once:
        if late:
            # Who had it first is not kept beyond its end: it would open a second session.
            raise TokenExpired
        if app[keys.TOKENS].revoked.is_stale(now):
            raise TokenRevoked  # nobody can say that it is not
        if not await app[keys.FIRST_USE].first_use(grant, carried.text, now=now):
            raise TokenUsed
        marked = app[keys.SIGNERS].admitted.marked(carried.text)
        return Admission(carried=carried, held=held, following=marked)
    following = None
    if late or (grant.renewal is not None and now >= held.renews_at):
        following = _following(app, held, carried.text, now, late=late)
    return Admission(carried=carried, held=held, following=following, must_move=late)


async def _remembered(app: web.Application, token: str, now: float) -> Remembered:
    try:
        return app[keys.TOKENS].remembered(token, now=now)
    except TokenUnknownKey as error:
        # A key may have been published since: asked for rarely, and for all who come meanwhile at once.
        if not error.key_id or not await app[keys.SIGNERS].wanted(error.key_id):
            raise
    return app[keys.TOKENS].remembered(token, now=now)


def _following(
    app: web.Application, held: Remembered, token: str, now: float, *, late: bool
) -> str | None:
    """The next token: made once for all who come with this one, until it is due itself."""
    if held.following is not None and now < held.following[1]:
        return held.following[0]
    try:
        if app[keys.TOKENS].revoked.is_stale(now):
            # What was revoked is not known: nobody's time is made longer.
            raise TokenRevoked
        text = app[keys.SIGNERS].renewed(token, now)
        successor = app[keys.TOKENS].remembered(text, now=now)
    except NotAllowed as error:
        metrics.TOKENS_RENEWED.labels(error.code).inc()
        if late:
            raise
        return None  # this one holds a little longer
    metrics.TOKENS_RENEWED.labels("ok").inc()
    held.following = (text, min(successor.renews_at, successor.ends_at))
    return text
