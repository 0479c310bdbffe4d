"""Whether a request may have what it asks for."""

from __future__ import annotations

import time

from aiohttp import web

from config.contracts.grants import Grant
from config.runtime.logging import SESSION_ID
from edge import keys
from edge.errors import PathNotCovered, TokenMissing
from edge.origin.shield import FIELD, shield_allows
from edge.query import Query
from edge.target import Target
from edge.tokens.transport import CarriedToken, find_token


def is_shielded(request: web.Request) -> bool:
    """Whether another edge asks, which has checked its viewer itself."""
    shield_keys = request.app[keys.SETTINGS].shield_keys
    if not shield_keys or FIELD not in request.headers:
        return False
    plain = (key.get_secret_value() for key in shield_keys)
    return shield_allows(request.headers, request.method, request.raw_path, plain, time.time())


def authorised(request: web.Request, target: Target, query: Query) -> tuple[CarriedToken, Grant]:
    """The request's token and what it grants, or a ``NotAllowed`` that says why not."""
    carried = find_token(
        path_token=target.token,
        query_token=query.token,
        headers=request.headers,
        cookies=request.cookies,
    )
    if carried is None:
        raise TokenMissing
    grant = request.app[keys.TOKENS].grant_of(carried.text, now=time.time())
    request[keys.GRANT] = grant
    SESSION_ID.set(grant.session)
    if not _covers(grant, target):
        raise PathNotCovered
    return carried, grant


def _covers(grant: Grant, target: Target) -> bool:
    if target.carried is None:
        return grant.covers(target.scope)
    # No token names a carried host: whoever may have something of the origin may have what it leads to.
    via = f"/{target.carried.host.via}/"
    return grant.covers(via) or any(prefix.startswith(via) for prefix in grant.path_prefixes)
