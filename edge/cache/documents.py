"""Small files that are read whole and decoded: manifests, steering and asset lists."""

from __future__ import annotations

import contextlib
import zlib

from multidict import CIMultiDict

from edge.cache.call import Found
from edge.cache.calls import Calls
from edge.cache.policy.targeted import effective
from edge.cache.shared import SharedCache
from edge.cache.tags import tags_of
from edge.errors import ManifestTooLarge, NotFound, OriginFailed
from edge.origin.documents import Document
from edge.origin.origins import Origin
from edge.origin.upstream import Question

_MAX_RATIO = 200  # decoded to sent: beyond this it is a bomb, not a playlist


class Documents:
    """Fetches documents through the shared cache: once for all worker processes."""

    def __init__(self, cache: SharedCache, calls: Calls, *, tag_fields: tuple[str, ...]) -> None:
        self._cache = cache
        self._tag_fields = tag_fields
        self._calls = calls

    async def fetch(
        self,
        origin: Origin,
        path: str,
        query: str,
        *,
        known: Document | None,
        max_bytes: int,
        held_back: bool = False,
    ) -> Document:
        """The document as its origin has it now; ``known`` itself if it has not changed."""
        headers = CIMultiDict({"Accept-Encoding": "gzip"})
        question = Question(
            path=path, query=query, headers=headers, document=True, held_back=held_back
        )
        call = self._calls.document(origin, question)
        found = await self._cache.find(call)
        try:
            if found.status in (404, 410):
                raise NotFound
            if found.status != 200:
                raise OriginFailed(f"The origin answered with status {found.status}.")
            etag = found.headers.get("ETag")
            if known is not None and etag is not None and etag == known.etag:
                body = known.body
            else:
                body = await _decoded(found, max_bytes)
            directives = effective(found.headers, call.profile).directives
            max_age = directives.s_maxage if directives.s_maxage is not None else directives.max_age
            if directives.no_cache or directives.no_store or directives.private:
                max_age = 0
            return Document(
                body=body,
                url=found.url,
                content_type=found.headers.get("Content-Type", ""),
                etag=etag,
                last_modified=found.headers.get("Last-Modified"),
                max_age=None if max_age is None else max(0.0, max_age - (found.age or 0)),
                tags=tags_of(found.headers, self._tag_fields),
            )
        finally:
            found.body.close()


async def _decoded(found: Found, max_bytes: int) -> bytes:
    encoding = found.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise OriginFailed(
            f"The origin sent the encoding {encoding[:20]}, which was not asked for."
        )
    decoder = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)
    pieces: list[bytes] = []
    sent = size = 0
    try:
        async with contextlib.aclosing(found.body.read(0, None)) as chunks:
            async for chunk in chunks:
                sent += len(chunk)
                piece = (
                    bytes(chunk)
                    if decoder is None
                    else decoder.decompress(chunk, max_bytes + 1 - size)
                )
                size += len(piece)
                if size > max_bytes or size > _MAX_RATIO * max(sent, 1024):
                    raise ManifestTooLarge
                pieces.append(piece)
    except zlib.error as error:
        raise OriginFailed("The origin's compressed body is damaged.") from error
    if decoder is not None and not decoder.eof:
        raise OriginFailed("The origin's compressed body ends early.")
    return b"".join(pieces)
