"""The headers of the tus resumable upload protocol 1.0.0: core, creation, termination, checksum, expiration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from multidict import CIMultiDictProxy

from catalog.errors import BadRequest, WrongContentType, WrongTusVersion

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,checksum,expiration"
BODY_TYPE = "application/offset+octet-stream"

_ALGORITHMS: dict[str, Callable[[], Any]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}
ALGORITHMS = ",".join(_ALGORITHMS)

_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_MAX_METADATA_CHARS = 4096

Headers = CIMultiDictProxy[str]


def require_version(headers: Headers) -> None:
    """Raise unless the client speaks our version."""
    if headers.get("Tus-Resumable") != VERSION:
        raise WrongTusVersion


def require_body_type(headers: Headers) -> None:
    """Raise unless the body is a piece of an upload."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != BODY_TYPE:
        raise WrongContentType


def number(headers: Headers, name: str) -> int:
    """A header that must be a non-negative number."""
    value = headers.get(name, "")
    if not _NUMBER.match(value):
        raise BadRequest(f"{name} must be a number of bytes")
    return int(value)


def metadata(headers: Headers) -> dict[str, str]:
    """Upload-Metadata: pairs of a name and a text in base64, joined by commas."""
    value = headers.get("Upload-Metadata", "")
    if len(value) > _MAX_METADATA_CHARS:
        raise BadRequest("Upload-Metadata is too long")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        name, _, encoded = pair.partition(" ")
        if not name.isascii():
            raise BadRequest("Upload-Metadata: names are ASCII")
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise BadRequest(f"Upload-Metadata: {name[:64]!r} is not text in base64") from error
        if name in found:
            raise BadRequest(f"Upload-Metadata: {name[:64]!r} stands twice")
        found[name] = text
    return found


class UploadChecksum:
    """Upload-Checksum: what the bytes of this request must add up to."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hash = _ALGORITHMS[algorithm]()
        self._expected = expected

    def update(self, data: bytes, /) -> None:
        """Count in the next bytes."""
        self._hash.update(data)

    def is_kept(self) -> bool:
        """Whether the bytes so far are those that were promised."""
        return bool(self._hash.digest() == self._expected)


def checksum(headers: Headers) -> UploadChecksum | None:
    """The checksum that this request promises, ``None`` without one."""
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.partition(" ")
    if algorithm not in _ALGORITHMS:
        raise BadRequest(f"Upload-Checksum: use one of {ALGORITHMS}")
    try:
        return UploadChecksum(algorithm, base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequest("Upload-Checksum is not base64") from error


def http_date(at: datetime) -> str:
    """An instant as HTTP headers write it, RFC 9110 section 5.6.7."""
    return format_datetime(at.astimezone(UTC), usegmt=True)
