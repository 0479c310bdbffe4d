"""What of a find of the cache a request gets."""

from __future__ import annotations

from multidict import CIMultiDict

from edge.cache.answers import Answer, answer, part, whole
from edge.cache.call import Found
from edge.cache.ranges import NotSatisfiable, Span, resolve
from edge.origin.upstream import Fields


def answered(found: Found, request: Fields, method: str) -> Answer:
    """Head and place of the body; the fields are the origin's, without what each answer has anew."""
    headers = CIMultiDict(found.headers)
    headers.popall("Content-Length", None)
    headers.popall("Age", None)
    if method in ("GET", "HEAD"):
        if found.span is not None:
            return _of_part(found, found.span, request, headers)
        if found.status == 200:
            return answer(
                request, headers, size=found.body.size, method=method, reason=found.reason
            )
    return whole(found.status, found.reason, headers, found.body.size)


def _of_part(found: Found, held: Span, request: Fields, headers: CIMultiDict[str]) -> Answer:
    if found.complete is not None:
        try:
            span = resolve(request.get("Range"), size=found.complete)
        except NotSatisfiable:
            span = None
        if span is not None and held.start <= span.start and span.stop <= held.stop:
            return part(span, found.complete, headers, offset=held.start)
    return whole(found.status, found.reason, headers, found.body.size)
