"""Sends a viewer to where it goes on: the path form of a token, or the next token."""

from __future__ import annotations

from http.cookies import SimpleCookie

from aiohttp import hdrs, web
from yarl import URL

from config.contracts.grants import Grant
from edge import keys
from edge.handlers.authorise import Admission
from edge.handlers.filtering import filter_of
from edge.query import Query
from edge.target import Target
from edge.tokens.transport import CAT, COOKIE


def must_move(admission: Admission, *, is_manifest: bool, by_cookie: bool) -> bool:
    """Whether the request is answered with the address where the next token stands."""
    if admission.following is None or by_cookie or _carrier(admission) == "header":
        return False
    return admission.must_move or (admission.carried.in_path and is_manifest)


def moved(admission: Admission, target: Target, query: Query) -> web.Response:
    """The same address with the next token in its path."""
    renewal = admission.grant.renewal
    status = 307 if renewal is None else renewal.status
    if admission.carried.in_path:
        return _found(status, f"/t/{admission.following}{target.rest}")
    return to_path_form(admission.following or admission.carried.text, target, query, status=status)


def to_path_form(token: str, target: Target, query: Query, *, status: int = 302) -> web.Response:
    """Where relative URIs inherit the token."""
    words = target.filter or ""
    if query.filters:
        words = str(filter_of(words, query.filters, None) or "")
    rest = "&".join(part for part in (query.rest, query.directives) if part)
    return _found(
        status,
        f"/t/{token}"
        + (f"/f/{words}" if words else "")
        + target.scope
        + (f"?{rest}" if rest else ""),
    )


def is_by_cookie(request: web.Request, admission: Admission) -> bool:
    """Whether this viewer's token stands in a cookie from here on, and URIs need not carry it."""
    if admission.carried.in_path:
        return False
    if _carrier(admission) == "cookie":
        return True
    return request.app[keys.SETTINGS].entry == "cookie" and not admission.grant.once


def give_next_token(
    request: web.Request, admission: Admission, scope: str, *, by_cookie: bool
) -> None:
    """Put the next token into the answer's fields, where the token is one that travels in them."""
    carried, renewal = admission.carried, admission.grant.renewal
    following = admission.following
    if by_cookie and (following is not None or carried.place != "cookie"):
        path = cookie_path(admission.grant, scope)
        if path is not None:
            name = carried.name or (renewal.name if renewal is not None else "") or COOKIE
            request[keys.GIVEN] = (hdrs.SET_COOKIE, _cookie(request, admission, name, path))
    elif following is not None and _carrier(admission) == "header":
        name = renewal.name if renewal is not None else ""
        request[keys.GIVEN] = (name or CAT, following)


def _carrier(admission: Admission) -> str:
    renewal = admission.grant.renewal
    return "" if renewal is None else renewal.carrier


def cookie_path(grant: Grant, scope: str) -> str | None:
    """The Path of a cookie: as deep as the token says (RFC 9246 section 2.1.14), else its only prefix.

    ``None``: the request's path is not as deep, and no token is to be sent.
    """
    depth = 0 if grant.renewal is None else grant.renewal.depth
    path = grant.path_prefixes[0] if len(grant.path_prefixes) == 1 else "/"
    if depth:
        segments = [segment for segment in scope.split("/") if segment]
        if len(segments) < depth:
            return None
        path = "/" + "/".join(segments[:depth])
    if ";" in path:
        # It would end the attribute and begin one of the viewer's choice: the folder before will do.
        path = path[: path.rindex("/", 0, path.index(";")) + 1]
    return path


def _cookie(request: web.Request, admission: Admission, name: str, path: str) -> str:
    """RFC 6265, and CHIPS: a cookie of this site for the page that plays, which scripts cannot read."""
    grant = admission.grant
    cookie: SimpleCookie = SimpleCookie()
    cookie[name] = admission.following or admission.carried.text
    morsel = cookie[name]
    morsel["path"] = path
    morsel["httponly"] = True
    text = str(morsel.OutputString())
    ends = grant.expires_at if grant.renewal is None else grant.renewal.until or 0
    if ends:
        text += f"; Max-Age={max(0, ends - int(request.app[keys.CLOCK]()))}"
    if URL(request.app[keys.PUBLIC_URL]).scheme == "https":
        # Browsers take SameSite=None only with Secure; Partitioned keeps it to the embedding site.
        text += "; Secure; SameSite=None; Partitioned"
    else:
        text += "; SameSite=Lax"
    if grant.renewal is not None:
        text += "".join(f"; {attribute}" for attribute in grant.renewal.attributes)
    return text


def _found(status: int, location: str) -> web.Response:
    return web.Response(
        status=status, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"}
    )
