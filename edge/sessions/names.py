"""The addresses of a session: the last segment of any path that its token covers, never a file of an origin."""

from __future__ import annotations

SESSION = "_kawa_session"  # its state and advice; a request is a sign of life, a POST with ``?stop`` ends it
COLLECTOR = "_kawa_cmcd"  # where its player posts events (CTA-5004-B)


def is_session_path(path: str) -> bool:
    """Whether a path of ``Target``, or a raw request target without its query, is one of them."""
    return path.rpartition("/")[2] in (SESSION, COLLECTOR)


def takes_body(raw_target: str) -> bool:
    """Whether something may be posted to a raw request target, whose path is not checked yet."""
    return is_session_path(raw_target.partition("?")[0])
