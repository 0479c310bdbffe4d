"""An edge that asks another edge: requests signed with a key that both know, instead of a token.

The field ``Kawa-Shield: v1 {time} {signature}`` goes with a request. ``time`` is seconds since the epoch, and
``signature`` the URL-safe base64 (RFC 4648 section 5, no padding) of HMAC-SHA-256 over ``kawa-shield-v1``, the method,
the target as it stands in the request line, and the time, each on a line of its own. It is good for 30 s either way,
for GET and HEAD only: who overhears it can within that time read one file again and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

FIELD = "Kawa-Shield"

_GOOD_SECONDS = 30
_VALUE = re.compile(r"v1 (\d{1,12}) ([A-Za-z0-9_-]{43})\Z")
_METHODS = frozenset({"GET", "HEAD"})


def sign(method: str, target: str, *, key: str, now: float) -> str:
    """The field's value for a request."""
    moment = str(int(now))
    return f"v1 {moment} {_signature(method, target, moment, key)}"


def shield_allows(
    headers: Mapping[str, str], method: str, target: str, keys: Iterable[str], now: float
) -> bool:
    """Whether another edge signed this request just now with one of the keys."""
    match = _VALUE.match(headers.get(FIELD, ""))
    if match is None or method not in _METHODS:
        return False
    moment, given = match.groups()
    right = False
    for key in keys:  # all of them, so that time does not tell which one fits
        right |= hmac.compare_digest(_signature(method, target, moment, key), given)
    return right and abs(now - int(moment)) <= _GOOD_SECONDS


def _signature(method: str, target: str, moment: str, key: str) -> str:
    text = "\n".join(("kawa-shield-v1", method, target, moment))
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
