"""HKDF with SHA-256 written down once more from RFC 5869, to hold the edge's keys against."""

from __future__ import annotations

import hashlib
import hmac


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 sections 2.2 and 2.3."""
    key = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
    output, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha256).digest()
        output += block
    return output[:length]


def expected_key(master: bytes, title: str, key_id: str) -> bytes:
    """What a packager of somebody else would compute."""
    info = b"kawa content key\0" + title.encode() + b"\0" + key_id.encode()
    return hkdf(master, salt=b"", info=info, length=16)


def expected_kid(master: bytes, title: str, master_id: str, number: int) -> bytes:
    """The KID that such a packager would write into its boxes."""
    info = b"kawa content kid\0" + title.encode() + b"\0" + master_id.encode()
    return hkdf(master, salt=b"", info=info, length=12) + number.to_bytes(4, "big")
