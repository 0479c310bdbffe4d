"""Which of two versions of a live document is the newer one: the nodes of an origin are not always in step."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from edge.manifests.hls import scan as hls_scan
from edge.manifests.hls.blocking import last_position, whole_of
from edge.manifests.limits import Limits
from edge.manifests.pipeline import Format, format_of

_HEAD_BYTES = 8192
_PUBLISHED = re.compile(rb"<(?:[\w.-]+:)?MPD\b[^>]*?\spublishTime\s*=\s*[\"']([^\"'<>]{1,64})[\"']")


def is_behind(new: bytes, old: bytes, limits: Limits) -> bool:
    """Whether ``new`` is an earlier state of the same stream than ``old``.

    A playlist that starts anew, with nothing in common with the old one, is not behind.
    """
    if new == old or format_of(new) is not format_of(old):
        return False
    match format_of(new):
        case Format.HLS:
            return _is_playlist_behind(new, old, limits)
        case Format.DASH:
            before, after = _published(old), _published(new)
            return before is not None and after is not None and after < before
    return False


def _is_playlist_behind(new: bytes, old: bytes, limits: Limits) -> bool:
    if b"#EXT-X-MEDIA-SEQUENCE" not in old or b"#EXT-X-ENDLIST" in new:
        return False
    known = hls_scan.scan(old, limits)
    sequence = next(known.tags("EXT-X-MEDIA-SEQUENCE"), None)
    if sequence is None:
        return False
    first = whole_of(known.value(sequence))
    end, last = last_position(hls_scan.scan(new, limits)), last_position(known)
    return first <= end.msn and (end.msn, end.parts) < (last.msn, last.parts)


def _published(mpd: bytes) -> datetime | None:
    match = _PUBLISHED.search(mpd[:_HEAD_BYTES])
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1].decode("ascii"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
