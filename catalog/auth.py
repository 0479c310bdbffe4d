"""Who makes a request, and whether they may."""

from __future__ import annotations

from aiohttp import web

from catalog import keys
from catalog.accounts.domain import Caller
from catalog.accounts.use_cases import caller_of
from catalog.endpoints import Access
from catalog.errors import NotAllowed, NotLoggedIn


async def authorize(request: web.Request, access: Access) -> None:
    """Let the request pass or raise; afterwards ``request`` knows its caller, if there is one."""
    if access is Access.ANYONE:
        return
    token = bearer_token(request)
    if token is None:
        if access is Access.OPTIONAL:
            return
        raise NotLoggedIn
    # A token that no longer counts is told so even where none is needed: apps then log in anew.
    caller = await caller_of(
        token,
        rules=request.app[keys.ACCOUNT_RULES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    request[keys.CALLER] = caller
    if access is Access.ADMIN and not caller.is_admin:
        raise NotAllowed


def caller_if_any(request: web.Request) -> Caller | None:
    """Who makes this request, ``None`` without a login."""
    return request.get(keys.CALLER)


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header (RFC 6750 section 2.1), ``None`` without that header."""
    values = request.headers.getall("Authorization", [])
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise NotLoggedIn
    return token.strip()
