"""One stored response, and its head as bytes for the disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from multidict import CIMultiDict, CIMultiDictProxy

from edge.cache.policy.freshness import Terms
from edge.cache.policy.validation import strong_etag
from edge.cache.ranges import Span
from edge.cache.tiers.purge import PART

SLICE_MARK = f"{PART}#"

Variant = tuple[tuple[str, str | None], ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Stored:
    """A response as its origin sent it, without what belongs to one connection (RFC 9111 section 3.1)."""

    key: str  # of the tiers: one per URL, variant and part
    base: str  # origin and URL
    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    url: str  # where it came from, after redirects
    variant: Variant  # the request fields that Vary names, as they were sent
    requested_at: float  # seconds since the epoch
    received_at: float
    terms: Terms
    chunks: tuple[bytes, ...] | None  # of the body, as they came; None: not in memory (any more)
    size: int  # of the body, bytes
    tags: tuple[str, ...] = ()
    span: Span | None = None  # of a part
    complete: int | None = None  # whole size of what this is a part of; None if unknown
    sliced: bool = False  # the head of a file that is kept in slices
    purged: bool = False  # softly: validate before the next use
    hold_off: float = 0.0  # the origin failed: do not ask again before this instant
    freq: int = 0
    alive: bool = True  # False: not what a request would be answered with any more
    arrived_at: float = 0.0  # when the bytes came, which no 304 changes

    def __post_init__(self) -> None:
        self.arrived_at = self.arrived_at or self.received_at

    @property
    def body(self) -> bytes | None:
        """The body in one piece, if it is in memory; put together when somebody first wants it so."""
        chunks = self.chunks
        if chunks is None:
            return None
        if len(chunks) != 1:
            chunks = self.chunks = (b"".join(chunks),)
        return chunks[0]

    def piece(self, start: int, stop: int) -> memoryview | None:
        """Some bytes from ``start`` on, none at or beyond ``stop``, as they lie in memory."""
        if self.chunks is None:
            return None
        for chunk in self.chunks:
            if start < len(chunk):
                return memoryview(chunk)[start:stop]
            start -= len(chunk)
            stop -= len(chunk)
        return memoryview(b"")

    @property
    def is_slice(self) -> bool:
        """Whether this is one of the slices of a large file."""
        return SLICE_MARK in self.key

    @property
    def etag(self) -> str | None:
        return self.headers.get("ETag")

    @property
    def strong_etag(self) -> str | None:
        """An entity tag that says that every byte is the same (RFC 9110 section 8.8.1)."""
        return strong_etag(self.headers)

    def is_same_version(self, other: Stored) -> bool:
        """Whether parts of both may stand in one body (RFC 9110 section 15.3.7.3)."""
        if self.strong_etag is not None or other.strong_etag is not None:
            return self.strong_etag == other.strong_etag and self.complete == other.complete
        modified = self.headers.get("Last-Modified")
        return (
            modified is not None
            and modified == other.headers.get("Last-Modified")
            and self.complete == other.complete
        )


def encode_head(stored: Stored) -> bytes:
    """Everything but the body."""
    span = stored.span
    return json.dumps(
        {
            "base": stored.base,
            "status": stored.status,
            "reason": stored.reason,
            "headers": list(stored.headers.items()),
            "url": stored.url,
            "variant": stored.variant,
            "requested_at": stored.requested_at,
            "received_at": stored.received_at,
            "arrived_at": stored.arrived_at,
            "terms": asdict(stored.terms),
            "span": None if span is None else (span.start, span.stop),
            "complete": stored.complete,
            "sliced": stored.sliced,
            "tags": stored.tags,
        },
        separators=(",", ":"),
    ).encode()


def decode_head(key: str, head: bytes, size: int) -> Stored:
    """The stored response that ``head`` describes, without its body; ``ValueError`` if it does not describe one."""
    try:
        facts = json.loads(head)
        span = facts["span"]
        return Stored(
            key=key,
            base=facts["base"],
            status=facts["status"],
            reason=facts["reason"],
            headers=CIMultiDictProxy(CIMultiDict(facts["headers"])),
            url=facts["url"],
            variant=tuple((name, value) for name, value in facts["variant"]),
            requested_at=facts["requested_at"],
            received_at=facts["received_at"],
            arrived_at=facts["arrived_at"],
            terms=Terms(**facts["terms"]),
            chunks=None,
            size=size,
            tags=tuple(facts["tags"]),
            span=None if span is None else Span(*span),
            complete=facts["complete"],
            sliced=facts["sliced"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not the head of a stored response") from error
