"""Another HTTP server as an origin: pooled connections, every wait bounded, every answer checked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
)
from yarl import URL

from config.settings.origins import HttpOrigin as HttpOriginSettings
from edge import metrics
from edge.errors import ManifestTooLarge, NotFound, OriginFailed, OriginTimeout
from edge.origin.documents import Document

_CHUNK_BYTES = 256 * 1024
_MAX_AGE = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NOT_FRESH = re.compile(r"(?:^|[\s,])(?:no-cache|no-store|private)\b", re.IGNORECASE)
_MAX_RATIO = 200  # decoded to sent: beyond this it is a bomb, not a playlist


class StrictConnector(TCPConnector):
    """Never reuses a connection on which the origin has written without being asked.

    aiohttp would read those bytes as the answer to the next request. Leans on private names: aiohttp is pinned,
    and tests/edge/test_http_origin.py notices when this stops working.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        waiting = self._conns.get(key)
        if waiting:
            for item in [item for item in waiting if item[0].should_close]:
                waiting.remove(item)
                item[0].close()
            if not waiting:
                self._conns.pop(key, None)
        return await super()._get(key, traces)


class HttpOrigin:
    """One server; clients choose a path below its URL, never a host."""

    def __init__(self, name: str, settings: HttpOriginSettings, session: ClientSession) -> None:
        self.name = name
        self.public = settings.public
        self.settings = settings
        self.base = settings.url.rstrip("/") + "/"
        self._session = session

    async def document(
        self,
        path: str,
        query: str,
        *,
        known: Document | None,
        max_bytes: int,
        held_back: bool = False,
    ) -> Document:
        """Read a small file whole; ``known`` itself if it has not changed (304)."""
        headers: dict[str, str] = {hdrs.ACCEPT_ENCODING: "gzip"}
        if known is not None and known.etag is not None:
            headers[hdrs.IF_NONE_MATCH] = known.etag
        elif known is not None and known.last_modified is not None:
            headers[hdrs.IF_MODIFIED_SINCE] = known.last_modified
        limit = self.settings.block_timeout if held_back else self.settings.first_byte_timeout
        with self._counted():
            async with self._asked(
                hdrs.METH_GET, path, query, headers, limit.total_seconds()
            ) as answer:
                if answer.status == 304 and known is not None:
                    return known
                if answer.status in (404, 410):
                    raise NotFound
                if answer.status != 200:
                    raise OriginFailed(f"The origin answered with status {answer.status}.")
                with _translated():
                    body = await _read_bounded(answer, max_bytes)
        metrics.BYTES_FROM_ORIGIN.labels(self.name).inc(len(body))
        return Document(
            body=body,
            url=str(answer.url),
            content_type=answer.headers.get(hdrs.CONTENT_TYPE, ""),
            etag=answer.headers.get(hdrs.ETAG),
            last_modified=answer.headers.get(hdrs.LAST_MODIFIED),
            max_age=_max_age(answer.headers),
        )

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> AsyncIterator[ClientResponse]:
        """Ask for a file that is passed on as it comes; leaving the block in its middle drops the connection."""
        seconds = self.settings.first_byte_timeout.total_seconds()
        with self._counted():
            async with self._asked(
                method, path, query, {**headers, hdrs.ACCEPT_ENCODING: "identity"}, seconds
            ) as answer:
                yield answer

    async def chunks(self, answer: ClientResponse) -> AsyncIterator[bytes]:
        """The body of an open answer; ``OriginFailed`` if it ends early, so that the viewer can tell too."""
        count = metrics.BYTES_FROM_ORIGIN.labels(self.name)
        with _translated():
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                count.inc(len(chunk))
                yield chunk

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, path: str, query: str, headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[ClientResponse]:
        url = URL(self.base + path + (f"?{query}" if query else ""), encoded=True)
        with _translated():
            # aiohttp's own timeouts start anew with every byte: a head that drips needs a deadline of its own.
            async with asyncio.timeout(seconds):
                answer = await self._session.request(
                    method, url, headers=headers, allow_redirects=False
                )
        try:
            yield answer
        finally:
            if answer.content.at_eof():
                answer.release()
            else:
                answer.close()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        result = "ok"
        try:
            yield
        except NotFound:
            result = "not_found"
            raise
        except OriginTimeout:
            result = "timeout"
            raise
        except (OriginFailed, ManifestTooLarge):
            result = "error"
            raise
        finally:
            metrics.ORIGIN_REQUESTS.labels(self.name, result).inc()


@contextlib.asynccontextmanager
async def open_http_origin(name: str, settings: HttpOriginSettings) -> AsyncIterator[HttpOrigin]:
    """An origin with a connection pool of its own."""
    connector = StrictConnector(limit=settings.connections, limit_per_host=settings.connections)
    timeout = ClientTimeout(
        total=None,
        sock_connect=settings.connect_timeout.total_seconds(),
        sock_read=max(settings.idle_timeout, settings.block_timeout).total_seconds(),
    )
    async with ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        headers={hdrs.USER_AGENT: "kawa"},
    ) as session:
        yield HttpOrigin(name, settings, session)


async def _read_bounded(answer: ClientResponse, max_bytes: int) -> bytes:
    encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise OriginFailed(
            f"The origin sent the encoding {encoding[:20]}, which was not asked for."
        )
    decoder = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)
    pieces: list[bytes] = []
    sent = size = 0
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        sent += len(chunk)
        piece = chunk if decoder is None else decoder.decompress(chunk, max_bytes + 1 - size)
        size += len(piece)
        if size > max_bytes or size > _MAX_RATIO * max(sent, 1024):
            raise ManifestTooLarge
        pieces.append(piece)
    if decoder is not None and not decoder.eof:
        raise OriginFailed("The origin's compressed body ends early.")
    return b"".join(pieces)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise OriginTimeout from error
    except (ClientError, zlib.error, OSError) as error:
        raise OriginFailed from error


def _max_age(headers: Mapping[str, str]) -> float | None:
    field = headers.get(hdrs.CACHE_CONTROL, "")
    if _NOT_FRESH.search(field):
        return 0.0
    found = _MAX_AGE.search(field)
    return None if found is None else float(found[1])
