"""Answers a sibling process that asks for what this one owns: as an origin would, from the shared cache."""

from __future__ import annotations

from aiohttp import web
from multidict import CIMultiDict

from edge import keys
from edge.cache.answering import answered
from edge.cache.policy.forwarding import onward
from edge.cache.upstreams import AHEAD, ASK, DOCUMENT, ERROR, FRAMED, HELD_BACK, URGENT, URL
from edge.errors import EdgeError
from edge.handlers.found import send_found
from edge.origin.upstream import Question
from edge.sessions.cmsd import DYNAMIC


async def ask(request: web.Request, public: web.Application) -> web.StreamResponse:
    """What the origin has, kept here for all siblings."""
    name, _, query = request.raw_path.removeprefix(ASK).partition("?")
    try:
        origin, path = public[keys.ORIGINS].kept(name)
    except EdgeError as error:
        return _refused(error)
    headers = onward(request.headers, via="", peer=True)
    held_back = headers.popall(HELD_BACK, None) is not None
    is_document = headers.popall(DOCUMENT, None) is not None
    expected = headers.popone(AHEAD, None)
    is_urgent = headers.popone(URGENT, None) is not None
    question = Question(
        method=request.method,
        path=path,
        query=query,
        headers=headers,
        document=is_document,
        held_back=held_back,
    )
    calls = public[keys.CALLS]
    make = calls.segment
    if is_document:
        make = calls.document
    elif origin.name == calls.root_origin:
        make = calls.proxy
    try:
        if expected is not None:
            public[keys.PREFETCHER].want(origin, question, int(expected), is_urgent=is_urgent)
            return web.Response(status=202)
        found = await public[keys.CACHE].find(make(origin, question, here=True))
    except EdgeError as error:
        return _refused(error)
    try:
        decided = answered(found, request.headers, request.method)
        if make == calls.segment:
            public[keys.PREFETCHER].served(origin, question, found.result, decided.size)
        fields: CIMultiDict[str] = decided.headers
        if found.age is not None:
            fields["Age"] = str(found.age)
        if not found.is_arriving:
            fields.popall(DYNAMIC, None)
        fields[URL] = found.url
        if not found.framed:
            fields[FRAMED] = "0"
        return await send_found(request, found, decided, fields, route="sibling")
    finally:
        found.body.close()


def _refused(error: EdgeError) -> web.Response:
    return web.Response(status=error.status, headers={ERROR: error.code})
