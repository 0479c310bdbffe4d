"""Parts of a representation: which may be kept, put together and served, RFC 9110 sections 14.4 and 15.3.7."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.cache.policy.validation import strong_etag
from edge.cache.ranges import Span
from edge.origin.upstream import Fields

_CONTENT_RANGE = re.compile(r"bytes +(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a whole whose size may not be known."""

    span: Span
    size: int | None  # bytes of the whole


def content_range(value: str | None) -> Part | None:
    """The Content-Range of one part; ``None`` if it is none, or impossible."""
    match = None if value is None else _CONTENT_RANGE.fullmatch(value)
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    size = None if match.group(3) == "*" else int(match.group(3))
    if last < first or (size is not None and last >= size):
        return None
    return Part(Span(first, last + 1), size)


def part_in(fields: Fields) -> Part | None:
    """The single part that a 206 with these fields carries; ``None`` where its fields disagree."""
    lines = fields.getall("Content-Range", ())
    part = content_range(lines[0]) if len(lines) == 1 else None
    if part is None or _is_multipart(fields):
        return None
    length = fields.get("Content-Length")
    if length is not None and length != str(part.span.size):
        return None
    return part


def may_combine(stored: Fields, new: Fields) -> bool:
    """Whether two answers hold parts of the same bytes: both name the same strong ETag, and no size contradicts."""
    etag = strong_etag(stored)
    if etag is None or etag != strong_etag(new):
        return False
    sizes = {size for fields in (stored, new) if (size := _whole_size(fields)) is not None}
    codings = {fields.get("Content-Encoding", "").strip().lower() for fields in (stored, new)}
    return len(sizes) <= 1 and len(codings) == 1


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same bytes as few spans in order, none touching another."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if result and span.start <= result[-1].stop:
            result[-1] = Span(result[-1].start, max(result[-1].stop, span.stop))
        else:
            result.append(span)
    return tuple(result)


def covers(held: Iterable[Span], wanted: Span) -> bool:
    """Whether every wanted byte is there."""
    return not missing(held, wanted)


def missing(held: Iterable[Span], wanted: Span) -> tuple[Span, ...]:
    """The wanted bytes that are not there."""
    gaps: list[Span] = []
    at = wanted.start
    for span in joined(held):
        if span.start >= wanted.stop:
            break
        if span.start > at:
            gaps.append(Span(at, span.start))
        at = max(at, span.stop)
    if at < wanted.stop:
        gaps.append(Span(at, wanted.stop))
    return tuple(gaps)


def range_for(gap: Span, *, size: int | None) -> str:
    """The Range field that asks for the gap, open at the end if it reaches the end of the whole."""
    return f"bytes={gap.start}-" if gap.stop == size else f"bytes={gap.start}-{gap.stop - 1}"


def completing_range(held: Iterable[Span], *, size: int) -> str | None:
    """The Range field that fetches what is missing of the whole; ``None`` unless it is one piece."""
    gaps = missing(held, Span(0, size))
    return range_for(gaps[0], size=size) if len(gaps) == 1 else None


def _is_multipart(fields: Fields) -> bool:
    return fields.get("Content-Type", "").lstrip().lower().startswith("multipart/byteranges")


def _whole_size(fields: Fields) -> int | None:
    if "Content-Range" in fields:
        part = part_in(fields)
        return None if part is None else part.size
    length = fields.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else None
