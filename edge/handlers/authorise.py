"""Whether a request may have what it asks for."""

from __future__ import annotations

import time

from aiohttp import web

from config.contracts.grants import Grant
from config.runtime.logging import SESSION_ID
from edge import keys
from edge.errors import PathNotCovered, TokenMissing
from edge.query import Query
from edge.target import Target
from edge.tokens.transport import CarriedToken, find_token


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
    if not grant.covers(target.scope):
        raise PathNotCovered
    return carried, grant
