"""Tags that an origin puts on its answers, to purge them by."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.origin.upstream import Fields

_SEPARATORS = re.compile(r"[\s,]+")
_MAX_TAGS = 64
_MAX_TAG_CHARS = 256


def tags_of(headers: Fields, names: Iterable[str]) -> tuple[str, ...]:
    """The tags in the fields called ``names``, separated by commas or spaces; of too many, the first."""
    found: dict[str, None] = {}
    for name in names:
        for value in headers.getall(name, ()):
            found.update(
                dict.fromkeys(
                    tag for tag in _SEPARATORS.split(value) if 0 < len(tag) <= _MAX_TAG_CHARS
                )
            )
    return tuple(found)[:_MAX_TAGS]
