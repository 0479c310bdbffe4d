"""Content keys in URLs: ``{title path}/key/{id}`` and, for ClearKey, ``{title path}/key/license``."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEY_FOLDER = "key"
LICENSE = "license"

# AES-128 in HLS (RFC 8216 section 4.3.2.4), and both the key and the KID of ISO/IEC 23001-7.
KEY_BYTES = 16
KID_BYTES = 16

_KEY_ID = re.compile(r"([a-z0-9][a-z0-9-]{0,15})\.(0|[1-9][0-9]{0,9})\Z")
_MOST_NUMBER = 2**32 - 1


class BadKeyId(ValueError):
    """The text is not ``{master}.{n}``."""


@dataclass(frozen=True, slots=True)
class KeyId:
    """Which key of a title: the n-th below one master secret."""

    master: str
    number: int

    @classmethod
    def parse(cls, text: str) -> KeyId:
        """Read ``{master}.{n}`` in its one spelling, or raise ``BadKeyId``."""
        match = _KEY_ID.match(text)
        if match is None or int(match[2]) > _MOST_NUMBER:
            raise BadKeyId(text[:80])
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.master}.{self.number}"
