"""Content keys made from a master secret: the packager encrypts with what the edge gives, and nobody stores it.

All are HKDF with SHA-256 (RFC 5869) of the master secret, without a salt. ``info`` is UTF-8 text whose parts are
parted by NUL, which stands in none of them::

    key   "kawa content key" NUL title NUL key id        16 bytes
    tag   "kawa content kid" NUL title NUL master's id   12 bytes

``title`` is the path inside the origin as URLs spell it, without slashes at its ends (``{media id}``): what stands in
front of ``/key/``. The key id of AES-128 is ``{master}.{n}``. A KID (ISO/IEC 23001-7) is the tag and then ``n`` in four
bytes, big-endian: it says which master its key comes from, and for which title. Its key's id is the KID in lower-case
hexadecimal digits, so that no key serves two ciphers.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.contracts.content_keys import KEY_BYTES, KID_BYTES, KeyId

_KEY = b"kawa content key"
_KID = b"kawa content kid"
_TAG_BYTES = 12


def content_key(master: bytes, *, title: str, key_id: str) -> bytes:
    """The 16 bytes that ``{title}/key/{key_id}`` stands for."""
    return _derived(master, _KEY, title, key_id, length=KEY_BYTES)


def content_kid(master: bytes, *, title: str, key_id: KeyId) -> bytes:
    """The KID of a title's n-th ClearKey key; the key is ``content_key`` with ``key_id=kid.hex()``."""
    tag = _derived(master, _KID, title, key_id.master, length=_TAG_BYTES)
    return tag + key_id.number.to_bytes(KID_BYTES - _TAG_BYTES)


def number_of_kid(master: bytes, *, title: str, master_id: str, kid: bytes) -> int | None:
    """The n of a KID that ``content_kid`` made with this master for this title; ``None`` for every other."""
    tag = _derived(master, _KID, title, master_id, length=_TAG_BYTES)
    if len(kid) != KID_BYTES or not hmac.compare_digest(kid[:_TAG_BYTES], tag):
        return None
    return int.from_bytes(kid[_TAG_BYTES:])


def _derived(master: bytes, use: bytes, title: str, name: str, *, length: int) -> bytes:
    parts = (title.encode(), name.encode())
    if any(b"\0" in part for part in parts):
        raise ValueError("a title and a key id hold no NUL")
    info = b"\0".join((use, *parts))
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master)
