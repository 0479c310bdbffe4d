"""Answers that lie ready as bytes, for requests that ask for nothing but the plain file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Literal, Protocol

from aiohttp import hdrs, web

from config.contracts.content_types import is_manifest
from edge.lane.heads import codings_of, is_preflight
from edge.query import MAX_PARAMETERS
from edge.sessions.cmcd.cut import cut
from edge.sessions.naming import rendition_of
from edge.target import Target
from edge.tokens.verified import Limits, Remembered

Route = Literal["manifest", "segment"]
# The rest of a body from a place on, for when it is no longer at hand.
Rest = Callable[[int], AsyncIterator[bytes | memoryview]]
# Takes in what a player said with a request that was answered here, some time later.
Hear = Callable[[str], None]
# What stands after the token in the target, without CMCD, the grant's limits, the content codings accepted.
Key = tuple[str, Limits | None, str]

# Nothing is given for longer without asking the ordinary way, which remembers what was used lately.
_LONGEST_SECONDS = 5.0
_LONGEST_TARGET = 1024
_TELLING = (hdrs.SET_COOKIE, hdrs.TRANSFER_ENCODING, hdrs.CONNECTION, "X-Request-Id")


class Lent(Protocol):
    """What an answer leans on; looked at for each use, so that nothing evicted is kept alive here."""

    freq: int  # 0 to 3: how often it was used lately

    @property
    def alive(self) -> bool:
        """Whether it is still what the ordinary way would answer with."""

    @property
    def body(self) -> bytes | None:
        """The bytes, if they are in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An answer that may be given again, once its head is known."""

    key: Key
    scope: str | None  # what the grant must cover; None: public
    route: Route
    rendition: str | None  # what a session counts it as; None: a manifest
    lent: Lent
    until: float  # monotonic seconds
    moving: Mapping[str, Callable[[float], str]] = field(default_factory=dict)
    rest: Rest | None = None
    hear: Hear | None = None


OFFER = web.RequestKey("lane_offer", Offer)
# The answer says nothing but which methods may be asked for; these are they, as ``allowed_methods`` names them.
PREFLIGHT = web.RequestKey("lane_preflight", str)


class ReadyHead:
    """Status line and fields of an answer, composed at most once a second."""

    __slots__ = ("_fields", "_head", "_second")

    def __init__(
        self,
        status: str,
        headers: Mapping[str, str],
        moving: Mapping[str, Callable[[float], str]] | None = None,
    ) -> None:
        self._fields = _fields(status, headers, moving or {})
        self._second = -1
        self._head = b""

    def head_at(self, now: float) -> bytes:
        """The bytes at ``now`` (seconds since the epoch)."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._head = b"".join(
                part if isinstance(part, bytes) else part(now).encode() for part in self._fields
            )
        return self._head


class ReadyAnswer(ReadyHead):
    """A plain 200 to a GET."""

    __slots__ = ("hear", "lent", "rendition", "rest", "route", "scope", "size", "until")

    def __init__(self, offer: Offer, reason: str, headers: Mapping[str, str], *, size: int) -> None:
        super().__init__(f"200 {reason}", headers, offer.moving)
        self.hear = offer.hear
        self.lent = offer.lent
        self.rest = offer.rest
        self.rendition = offer.rendition
        self.route = offer.route
        self.scope = offer.scope
        self.until = offer.until
        self.size = size


class ReadyAnswers:
    """Ready answers by what asks for them; bounded, longest not offered out first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._answers: dict[Key, ReadyAnswer] = {}
        self.get = self._answers.get
        self.preflights: dict[str, ReadyHead] = {}  # by the methods that they allow: a few

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, key: Key, answer: ReadyAnswer) -> None:
        """Keep ``answer`` until it is over, or others need the room."""
        self._answers.pop(key, None)
        self._answers[key] = answer
        if len(self._answers) > self._capacity:
            del self._answers[next(iter(self._answers))]

    def drop_dead(self, now: float) -> None:
        """Let go of what cannot be given any more."""
        dead = [
            key
            for key, answer in self._answers.items()
            if answer.until <= now or not answer.lent.alive or answer.lent.body is None
        ]
        for key in dead:
            del self._answers[key]

    def complete(self, request: web.Request, response: web.StreamResponse) -> None:
        """Keep the answer that ``request`` is about to get, if it was offered and is a plain one."""
        methods = request.get(PREFLIGHT)
        if methods is not None:
            self._complete_preflight(request, methods, response)
            return
        offer = request.get(OFFER)
        if offer is None or response.status != 200:
            return
        body, headers = offer.lent.body, response.headers
        if (
            body is None
            or headers.get(hdrs.CONTENT_LENGTH) != str(len(body))
            or any(field.lower() != "accept-encoding" for field in headers.getall(hdrs.VARY, ()))
            or any(name in headers for name in _TELLING)
        ):
            return
        self.add(offer.key, ReadyAnswer(offer, response.reason, headers, size=len(body)))

    def _complete_preflight(
        self, request: web.Request, methods: str, response: web.StreamResponse
    ) -> None:
        headers = response.headers
        if (
            response.status == 204
            and hdrs.VARY not in headers
            and not any(name in headers for name in _TELLING)
            and is_preflight(
                request.method,
                request.version,
                request.headers,
                should_close=not request.keep_alive,
            )
        ):
            self.preflights[methods] = ReadyHead(f"204 {response.reason}", headers)


def lend(
    request: web.Request,
    target: Target,
    held: Remembered | None,
    *,
    route: Route,
    limits: Limits | None,
    lent: Lent,
    fresh_seconds: float,
    moving: Mapping[str, Callable[[float], str]] | None = None,
    rest: Rest | None = None,
    hear: Hear | None = None,
) -> None:
    """Let the hot lane give the answer that is being made, a plain 200 that the next such request would get too.

    ``held`` is ``None`` for a public origin; ``limits`` are those that the answer was made for; ``moving`` has the
    fields that change with time, by the seconds since the epoch; ``rest`` reads on when the body is evicted while it
    is being sent; ``hear`` wants to know some of what players say with such requests.
    """
    codings = codings_of(
        request.method, request.version, request.headers, should_close=not request.keep_alive
    )
    raw = request.raw_path
    if codings is None or request.can_read_body or (held is not None and target.token is None):
        return
    before = "" if target.token is None else f"/t/{target.token}"
    if not raw.startswith(f"{before}/") or raw.count("&") >= MAX_PARAMETERS:
        return  # also an absolute target, or a token that something was cut out in front of
    plain, _ = cut(raw)
    if len(plain) - len(before) > _LONGEST_TARGET:
        return
    if held is None and target.token is not None:
        return  # a token where none is needed: not worth a place
    if held is not None and target.carried is not None:
        return  # what covers a carried host is more than the lane looks at
    request[OFFER] = Offer(
        key=(plain[len(before) :], limits, codings),
        scope=None if held is None else target.scope,
        route=route,
        rendition=None if is_manifest(target.path) else rendition_of(target.scope),
        lent=lent,
        until=time.monotonic() + min(fresh_seconds, _LONGEST_SECONDS),
        moving=moving or {},
        rest=rest,
        hear=hear,
    )


Part = bytes | Callable[[float], str]


def _fields(
    status: str, headers: Mapping[str, str], moving: Mapping[str, Callable[[float], str]]
) -> tuple[Part, ...]:
    """The head in pieces: what stays as it is, and what is made anew; ``status`` with its reason."""
    changing = {name.lower(): make for name, make in moving.items()}
    changing["date"] = _date
    parts: list[Part] = []
    still = f"HTTP/1.1 {status}\r\n".encode()
    for name, value in headers.items():
        make = changing.get(name.lower())
        if make is None:
            still += f"{name}: {value}\r\n".encode()
        else:
            parts += [still + f"{name}: ".encode(), make]
            still = b"\r\n"
    return (*parts, still + b"\r\n")


def _date(now: float) -> str:
    return _date_of(int(now))


@lru_cache(maxsize=4)
def _date_of(second: int) -> str:
    return formatdate(second, usegmt=True)
