"""The one seam between what the edge remembers and where it has it from: a question, and a reply as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from multidict import CIMultiDict, CIMultiDictProxy

Fields = CIMultiDict[str] | CIMultiDictProxy[str]


class RequestBody(Protocol):
    """What a viewer sends, as it comes."""

    fault: Exception | None  # why it broke off, which is not the origin's fault
    on_end: Callable[[], None]  # called once it has been read whole

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an origin is asked; nothing of the viewer's token, cookies or address is in it."""

    method: str = "GET"
    path: str  # below the origin's base, in its one spelling, without a leading slash
    query: str = ""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)  # end-to-end fields only
    body: RequestBody | None = None
    document: bool = False  # a manifest or the like, which is read here
    held_back: bool = False  # a playlist request that the origin answers late on purpose (LL-HLS)

    @property
    def target(self) -> str:
        """Path and query as they stand in a URL."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Reply(Protocol):
    """The head of an answer, and a body that is read at most once."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str: ...

    @property
    def headers(self) -> Fields:
        """Every field as it was received."""

    @property
    def url(self) -> str:
        """Where the answer came from; relative references in it start here."""

    @property
    def framed(self) -> bool:
        """Whether the end of the body is marked: a body that ends with its connection may have been cut."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, not decoded; an ``OriginError`` if it breaks off, stalls, or is too slow."""


class Upstream(Protocol):
    """Whoever can be asked: an origin, a sibling process, another edge."""

    def ask(self, question: Question) -> AbstractAsyncContextManager[Reply]:
        """The reply's head, or an ``OriginError``; leaving the block in mid-body drops the connection."""
