"""Small files that are read whole: manifests, steering and asset lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file as the origin sent it, decoded, and what is needed to ask for a newer one."""

    body: bytes
    url: str  # where it stands, after redirects: relative references start here
    content_type: str
    etag: str | None  # the origin's own
    last_modified: str | None
    max_age: float | None  # seconds that the origin calls it fresh; None if it does not say
    tags: tuple[str, ...] = ()  # to purge it by
