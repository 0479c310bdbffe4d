"""The head of an answer to one request, and which bytes follow it (RFC 9110 sections 13 to 15)."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDict

from edge.cache.policy.validation import (
    Outcome,
    if_range_holds,
    not_modified_fields,
    viewer_outcome,
)
from edge.cache.ranges import NotSatisfiable, Span, resolve
from edge.origin.upstream import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, the fields that go with it, and the bytes that follow a GET."""

    status: int
    reason: str = ""  # empty: what the status is called
    headers: CIMultiDict[str]
    body: Span | None  # None: no body, whatever the method
    sized: bool = True  # False: only its end tells how long the body is, from ``body.start`` on

    @property
    def size(self) -> int | None:
        """Bytes of the body, if that is known."""
        if self.body is None:
            return 0
        return self.body.size if self.sized else None

    @property
    def start(self) -> int:
        """Where the body begins in what was found."""
        return 0 if self.body is None else self.body.start

    @property
    def stop(self) -> int | None:
        """Where the body ends in what was found; ``None``: where that ends."""
        if self.body is None:
            return 0
        return self.body.stop if self.sized else None


def answer(
    request: Fields, headers: CIMultiDict[str], *, size: int | None, method: str, reason: str = ""
) -> Answer:
    """What of a whole file with these fields a GET or HEAD gets, by its conditions and its range."""
    outcome = viewer_outcome(request, headers, 200)
    if outcome is Outcome.NOT_MODIFIED:
        return Answer(status=304, headers=not_modified_fields(headers), body=None)
    if outcome is Outcome.FAILED:
        return _refused(412)
    if size is not None:
        headers.setdefault("Accept-Ranges", "bytes")
        # RFC 9110 section 14.2: a range means something to GET only.
        if method == "GET" and if_range_holds(request, headers):
            try:
                span = resolve(request.get("Range"), size=size)
            except NotSatisfiable:
                return _refused(416, f"bytes */{size}")
            if span is not None:
                return part(span, size, headers, offset=0)
    return whole(200, reason, headers, size)


def whole(status: int, reason: str, headers: CIMultiDict[str], size: int | None) -> Answer:
    """Everything that there is."""
    body = None if status in (204, 304) else Span(0, size or 0)
    return Answer(status=status, reason=reason, headers=headers, body=body, sized=size is not None)


def part(span: Span, complete: int, headers: CIMultiDict[str], *, offset: int) -> Answer:
    """A part of a file of ``complete`` bytes; what was found begins at its byte ``offset``."""
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{complete}"
    return Answer(status=206, headers=headers, body=Span(span.start - offset, span.stop - offset))


def _refused(status: int, content_range: str | None = None) -> Answer:
    headers = CIMultiDict({"Cache-Control": "no-store"})
    if content_range is not None:
        headers["Content-Range"] = content_range
    return Answer(status=status, headers=headers, body=None)
