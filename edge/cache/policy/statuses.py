"""What the cache knows about status codes, RFC 9110 section 15."""

from __future__ import annotations

# May be stored without a word about freshness, RFC 9110 section 15.1.
HEURISTIC = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})

# Good answers: an origin's default freshness is for these only.
DEFAULTABLE = frozenset({200, 203, 204, 206, 300, 301, 308})

# Errors worth remembering for a moment, lest every viewer asks the origin.
NEGATIVE = frozenset({404, 405, 410, 414, 500, 501, 502, 503, 504})

# Their meaning lies in one request (a condition, a range), so another must never get them.
NEVER = frozenset({304, 412, 416})

# With must-understand: those whose rules of caching this cache follows.
UNDERSTOOD = frozenset(
    {200, 203, 204, 206, 300, 301, 302, 303, 307, 308}
    | {400, 401, 403, 404, 405, 410, 414, 451}
    | {500, 501, 502, 503, 504}
)
