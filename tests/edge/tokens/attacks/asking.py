"""Asks an edge in bytes that nothing normalises, checks or leaves out on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict

from tests.edge.refusals import NOT_ALLOWED
from tests.edge.tokens.forging import HOST

# No answer takes as long: an edge that hangs fails the test.
_SECONDS = 5.0
# Of which nothing may tell one refusal from another.
_CHANGING = frozenset({"date", "x-request-id"})


SECRET = b"what nobody here may have"


@dataclass(frozen=True, slots=True)
class Attacked:
    """An edge as its viewers reach it."""

    host: str
    port: int
    app: web.Application


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def error(self) -> str:
        """The code of a refusal."""
        return str(json.loads(self.body)["error"])


async def sent(
    edge: Attacked, target: str | bytes, *, method: str = "GET", body: str = "", **fields: str
) -> Answer:
    """The answer to a request with this very target; fields are encoded as Latin-1."""
    line = target.encode() if isinstance(target, str) else target
    head = {"Host": HOST, "Connection": "close"}
    head |= {name.replace("_", "-"): value for name, value in fields.items()}
    if body:
        head["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    rest = f"{lines}\r\n{body}".encode("latin-1")
    return await raw(edge, method.encode() + b" " + line + b" HTTP/1.1\r\n" + rest)


async def raw(edge: Attacked, request: bytes) -> Answer:
    """The answer to these bytes."""
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(edge.host, edge.port)
        try:
            writer.write(request)
            is_head = request.startswith(b"HEAD ")
            return await answer_on(reader, has_body=not is_head)
        finally:
            writer.close()


async def answer_on(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """The next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(": ")
        headers.add(name, value)
    status = int(first.split()[1])
    length = int(headers.get("Content-Length", "0")) if has_body and status not in (204, 304) else 0
    return Answer(status, headers, await reader.readexactly(length))


def is_plain_refusal(found: Answer) -> bool:
    """Whether it is the one answer to whoever is not allowed something."""
    return found.status == 403 and json.loads(found.body) == NOT_ALLOWED


def looks(found: Answer) -> tuple[object, ...]:
    """All that an attacker can compare."""
    fields = [(n, v) for n, v in found.headers.items() if n.lower() not in _CHANGING]
    return found.status, tuple(fields), found.body
