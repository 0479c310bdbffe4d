"""Decides the head of an answer from a request's conditions and ranges, RFC 9110 sections 13 to 15."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.cache.conditions import Outcome, Validators, evaluate, range_applies
from edge.cache.ranges import NotSatisfiable, Span, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, the fields that go with it, and the bytes that follow a GET."""

    status: int
    headers: Mapping[str, str]
    body: Span | None  # None: no body, whatever the method
    reason: str | None = None
    sized: bool = True  # False: only its end tells how long the body is


def answer(
    request: Mapping[str, str],
    validators: Validators,
    *,
    size: int,
    content_type: str,
    cache_control: str,
    ranged: bool,
) -> Answer:
    """The answer to a GET or HEAD with these request fields; ``ranged`` is False where ranges mean nothing (HEAD)."""
    common = {
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": cache_control,
    }
    outcome = evaluate(request, validators)
    if outcome is Outcome.NOT_MODIFIED:
        return Answer(status=304, headers=common, body=None)
    if outcome is Outcome.FAILED:
        return Answer(status=412, headers={"Cache-Control": "no-store"}, body=None)
    headers = common | {"Accept-Ranges": "bytes", "Content-Type": content_type}
    span = None
    if ranged and range_applies(request, validators):
        try:
            span = resolve(request.get("Range"), size=size)
        except NotSatisfiable:
            return Answer(
                status=416,
                headers={"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"},
                body=None,
            )
    if span is None:
        return Answer(status=200, headers=headers, body=Span(0, size))
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return Answer(status=206, headers=headers, body=span)
