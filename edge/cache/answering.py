"""The head of an answer to one viewer, and which bytes follow it (RFC 9110 sections 13 to 15)."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDict

from edge.cache.call import Found
from edge.cache.conditions import Outcome
from edge.cache.policy.validation import if_range_holds, viewer_outcome
from edge.cache.ranges import NotSatisfiable, Span, resolve
from edge.origin.upstream import Fields

# RFC 9110 section 15.4.5: what a 304 repeats.
_NOT_MODIFIED_FIELDS = (
    "Cache-Control",
    "Content-Location",
    "Date",
    "ETag",
    "Expires",
    "Last-Modified",
    "Vary",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A status, the origin's fields that go with it, and the place of the body in what was found."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    start: int = 0
    stop: int | None = None
    size: int | None = None  # bytes that follow; None: until the end
    has_body: bool = True


def answered(found: Found, request: Fields, method: str) -> Answered:
    """What of ``found`` this request gets."""
    headers = CIMultiDict(found.headers)
    headers.popall("Content-Length", None)
    headers.popall("Age", None)
    if method not in ("GET", "HEAD"):
        return Answered(
            status=found.status, reason=found.reason, headers=headers, size=found.body.size
        )
    if found.span is not None:
        return _of_part(found, found.span, request, headers)
    if found.status == 200:
        outcome = viewer_outcome(request, headers, found.status)
        if outcome is Outcome.NOT_MODIFIED:
            told: CIMultiDict[str] = CIMultiDict()
            for name in _NOT_MODIFIED_FIELDS:
                told.extend((name, value) for value in headers.getall(name, ()))
            return Answered(status=304, reason="Not Modified", headers=told, has_body=False)
        if outcome is Outcome.FAILED:
            return _empty(412, "Precondition Failed")
        size = found.body.size
        if size is not None:
            headers.setdefault("Accept-Ranges", "bytes")
            if method == "GET" and if_range_holds(request, headers):
                try:
                    span = resolve(request.get("Range"), size=size)
                except NotSatisfiable:
                    return _empty(416, "Range Not Satisfiable", f"bytes */{size}")
                if span is not None:
                    return _ranged(span, size, headers, offset=0)
        return Answered(status=200, reason=found.reason, headers=headers, stop=size, size=size)
    has_body = found.status not in (204, 304)
    return Answered(
        status=found.status,
        reason=found.reason,
        headers=headers,
        size=found.body.size if has_body else None,
        has_body=has_body,
    )


def _of_part(found: Found, part: Span, request: Fields, headers: CIMultiDict[str]) -> Answered:
    complete = found.complete
    if complete is not None:
        try:
            span = resolve(request.get("Range"), size=complete)
        except NotSatisfiable:
            span = None
        if span is not None and part.start <= span.start and span.stop <= part.stop:
            return _ranged(span, complete, headers, offset=part.start)
    return Answered(status=found.status, reason=found.reason, headers=headers, size=found.body.size)


def _ranged(span: Span, complete: int, headers: CIMultiDict[str], *, offset: int) -> Answered:
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{complete}"
    return Answered(
        status=206,
        reason="Partial Content",
        headers=headers,
        start=span.start - offset,
        stop=span.stop - offset,
        size=span.size,
    )


def _empty(status: int, reason: str, content_range: str | None = None) -> Answered:
    headers = CIMultiDict({"Cache-Control": "no-store"})
    if content_range is not None:
        headers["Content-Range"] = content_range
    return Answered(status=status, reason=reason, headers=headers, size=0, has_body=False)
