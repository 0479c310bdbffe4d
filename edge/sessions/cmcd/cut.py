"""Takes what a player says of itself (CMCD, CTA-5004) out of a request, without reading it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.query import CMCD, MAX_PARAMETERS

FIELDS = ("CMCD-Object", "CMCD-Request", "CMCD-Session", "CMCD-Status")
# What text from fields begins with: never a query's value, in which no space can stand.
FROM_FIELDS = " "

_NAMES = frozenset(name.lower() for name in FIELDS)
_START = f"{CMCD}="
_END = b"\r\n\r\n"
_PLAIN = bytes(sign for sign in range(ord("!"), ord("~") + 1) if sign != ord("#"))
# As browsers send them, and as players that write lower case do; a longer or stranger one is left to the parser.
_LINES = tuple(
    (mark, re.compile(mark + rb"(?:%s): *([ -~]{0,1000})(?=\r\n)" % "|".join(names).encode()))
    for mark, names in (
        (b"\r\nCMCD-", [name[5:] for name in FIELDS]),
        (b"\r\ncmcd-", [name[5:].lower() for name in FIELDS]),
    )
)


def cut(target: str) -> tuple[str, str | None]:
    """The request target without CMCD in its query, and the raw value that stood there; of several the first.

    To ``parse_query`` the target means what it meant before, but for ``cmcd``.
    """
    mark = target.find("?")
    if mark < 0:
        return target, None
    if target.startswith(_START, mark + 1) and target.find("&", mark) < 0:
        return target[:mark], target[mark + 1 + len(_START) :]
    if target.find(CMCD, mark) < 0:
        return target, None
    items = target[mark + 1 :].split("&")
    if len(items) > MAX_PARAMETERS:
        return target, None  # without one of them another would begin to count
    value: str | None = None
    kept = []
    for item in items:
        name, _, said = item.partition("=")
        if name != CMCD:
            kept.append(item)
        elif value is None:
            value = said
    rest = "&".join(kept)
    return (f"{target[:mark]}?{rest}" if rest else target[:mark]), value


def is_clean(value: str) -> bool:
    """Whether every HTTP server reads the target with this in it alike: nothing that ends it, nothing unseen."""
    return value.isascii() and not value.encode().translate(None, _PLAIN)


def cut_fields(head: bytes) -> tuple[bytes, str | None]:
    """A head without its CMCD fields, and what they say; untouched if there are none that are plainly such.

    Of bytes that are more than one head it makes no head: what is cut out is whole lines, and the end stays.
    """
    for mark, lines in _LINES:
        if head.find(mark) >= 0 and head.endswith(_END):
            parts = lines.split(head)
            if 1 < len(parts) <= 1 + 2 * len(FIELDS):
                return b"".join(parts[::2]), FROM_FIELDS + b",".join(parts[1::2]).decode()
    return head, None


def said_by(query_value: str | None, headers: Mapping[str, str]) -> str | None:
    """What a request says: the raw value of its query, or else of its fields; see ``FROM_FIELDS``."""
    if query_value is not None:
        return query_value
    values = [value for name, value in headers.items() if name.lower() in _NAMES]
    return FROM_FIELDS + ",".join(values) if values else None
