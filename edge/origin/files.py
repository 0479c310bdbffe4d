"""Kawa's storage or a folder as an origin: what an HTTP server over the same files would answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from aiohttp import hdrs
from multidict import CIMultiDict

from config.contracts import paths
from config.contracts.content_types import content_type_of
from config.contracts.paths import checked_path
from config.runtime.storage.base import (
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    Storage,
    StorageError,
)
from config.runtime.storage.folder import FolderStorage
from edge import metrics
from edge.cache.answers import answer
from edge.cache.policy.dates import http_date
from edge.content_keys.names import is_key_file, is_reserved
from edge.errors import (
    BadPath,
    NotFound,
    OriginError,
    OriginFailed,
    OriginTimeout,
)
from edge.origin.upstream import Question, Reply

# A disk, or a server of files behind one, that does not answer for so long will not help a viewer either.
_LONGEST_WAIT_SECONDS = 10.0
_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReply:
    """An answer that was made here."""

    status: int
    url: str
    headers: CIMultiDict[str]
    body: AsyncIterator[bytes] | None = None
    reason: str = ""
    framed: bool = field(default=True, init=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the file; ``OriginFailed`` if it changed meanwhile."""
        if self.body is not None:
            async for chunk in self.body:
                yield chunk


def bare(status: int, url: str, **headers: str) -> FileReply:
    """An answer without a body."""
    fields = CIMultiDict({hdrs.CONTENT_LENGTH: "0"} | headers)
    return FileReply(status=status, url=url, headers=fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrigin:
    """Files by path, as one name in URLs shows them."""

    name: str
    storage: Storage
    prefix: str  # '' or ending in '/'
    public: bool
    fresh_seconds: float = 2.0  # of files of this machine
    has_content_keys: bool = False

    @property
    def base(self) -> str:
        """A URL that nobody can fetch (RFC 2606): what relative references of its manifests start from."""
        return f"http://{self.name}.origin.invalid/"

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine: asking costs little, and a second copy on disk is worth nothing."""
        return isinstance(self.storage, FolderStorage)

    def ask(self, question: Question) -> AbstractAsyncContextManager[Reply]:
        """The reply's head, or an ``OriginError``; a file that is not there is a 404."""
        return self._asked(question)

    @contextlib.asynccontextmanager
    async def _asked(self, question: Question) -> AsyncIterator[Reply]:
        url = self.base + question.path
        if question.method not in _METHODS:
            yield bare(405, url, Allow="GET, HEAD")
            return
        try:
            info = await self.stat(question.path)
        except NotFound:
            yield bare(404, url)
            return
        reply = self._reply(question, info, url)
        try:
            yield reply
        finally:
            if reply.body is not None:
                await reply.body.aclose()  # type: ignore[attr-defined]  # a generator

    def _reply(self, question: Question, info: ObjectInfo, url: str) -> FileReply:
        fields = CIMultiDict(
            {
                hdrs.CONTENT_TYPE: content_type_of(question.path),
                "ETag": info.etag,
                hdrs.LAST_MODIFIED: http_date(info.modified_at),
            }
        )
        decided = answer(question.headers, fields, size=info.size_bytes, method=question.method)
        headers = decided.headers
        span = decided.body
        if decided.status != 304:
            headers[hdrs.CONTENT_LENGTH] = str(span.size if span else 0)
        body = None
        if span is not None and question.method == hdrs.METH_GET:
            body = self.read(question.path, info=info, start=span.start, stop=span.stop)
        return FileReply(status=decided.status, url=url, headers=headers, body=body)

    async def stat(self, path: str) -> ObjectInfo:
        """Describe a file, or raise ``NotFound`` or an ``OriginError``."""
        with self._counted():
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                return await self.storage.stat(self._key(path))

    async def read(
        self, path: str, *, info: ObjectInfo, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Yield a part of the file that ``info`` describes; a file that changed since is an error."""
        count = metrics.BYTES_FROM_ORIGIN.labels(self.name)
        chunks = self.storage.read(self._key(path), start=start, stop=stop, etag=info.etag)
        with self._counted():
            while True:
                async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                    chunk = await anext(chunks, b"")
                if not chunk:
                    return
                count.inc(len(chunk))
                yield chunk

    def _key(self, path: str) -> str:
        if is_key_file(path) or (self.has_content_keys and is_reserved(path)):
            raise NotFound
        try:
            return self.prefix + checked_path(path)
        except paths.BadPath as error:
            raise BadPath from error

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        result = "ok"
        try:
            yield
        except ObjectNotFound as error:
            result = "4xx"
            raise NotFound from error
        except TimeoutError as error:
            result = "stall"
            raise OriginTimeout(result=result) from error
        except ObjectChanged as error:
            result = "truncated"
            raise OriginFailed(
                "The file changed while it was being read: try again.", result=result
            ) from error
        except StorageError as error:
            result = "5xx"
            raise OriginFailed(result=result) from error
        except OriginError as error:
            result = error.result
            raise
        finally:
            metrics.ORIGIN_REQUESTS.labels(self.name, result).inc()
