"""The keys of CMCD, versions 1 and 2 (CTA-5004 and CTA-5004-B): what kind of value each has, and within what bounds."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["integer", "number", "measures", "boolean", "string", "strings", "token"]

_KEYS_OF: dict[Kind, str] = {
    "integer": "d dfa dl ltc msd pt rc rtp sn ts ttfb ttfbb ttlb v",
    "number": "pr",
    # Of one number for all, or of one for each type of object: an inner list in version 2.
    "measures": "ab bl br bsa bsd bsda lab lb mtp pb tab tb tbl tpb",
    "boolean": "bg bs nr su",
    "string": "cdn cen cid cmsdd cmsds cs h nrr sid smrt url",
    "strings": "ec nor",
    "token": "e ot sf st sta",
}
KINDS: dict[str, Kind] = {key: kind for kind, keys in _KEYS_OF.items() for key in keys.split()}

# What version 1 has no list for.
PLAIN_IN_V1 = frozenset(["bl", "br", "mtp", "tb", "nor"])

TOKENS: dict[str, frozenset[str]] = {
    "e": frozenset(
        [
            "bc",
            "ps",
            "pr",
            "e",
            "t",
            "c",
            "b",
            "m",
            "um",
            "pe",
            "pc",
            "rr",
            "as",
            "ae",
            "abs",
            "abe",
            "sk",
            "ce",
        ]
    ),
    "ot": frozenset(["m", "a", "v", "av", "i", "c", "tt", "k", "o"]),
    "sf": frozenset(["d", "h", "s", "o"]),
    "st": frozenset(["v", "l", "ll"]),
    "sta": frozenset(["s", "p", "k", "r", "a", "w", "e", "f", "q", "d"]),
}

MOST_CHARS_OF = {"sid": 64, "cid": 128, "cdn": 128, "h": 128, "cen": 64}
MOST_CUSTOM_CHARS = 64

# Addresses, tokens and titles may stand in these: they are checked, and then forgotten at once.
FORGOTTEN = frozenset(["url", "cs", "cmsdd", "cmsds", "smrt", "h"])

# Types of object for which a measure may hold.
OBJECT_TYPES = TOKENS["ot"]

_CUSTOM = re.compile(r"[a-z*](?:[a-z0-9_.*]*-)+[a-z0-9_.*]+\Z")


def is_custom(key: str) -> bool:
    """Whether it is somebody's own: a hyphen in it, such as in ``com.example-key``, neither first nor last."""
    return _CUSTOM.match(key) is not None
