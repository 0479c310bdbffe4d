"""Checks AWS Signature Version 4 of a request's Authorization header, written from AWS's description of it.

It shares no code with botocore, which signs the requests that it is there to judge.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})\Z"
)
_MUST_BE_SIGNED = {"host", "x-amz-content-sha256", "x-amz-date"}
_LARGEST_SKEW = timedelta(minutes=15)


class NotSigned(Exception):
    """The request is refused; the message is an S3 error code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What a signature covers."""

    method: str
    target: str  # path and query as they stood in the request line
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def check(request: SignedRequest, *, access_key: str, secret_key: str, now: datetime) -> None:
    """Return if the request was signed with these keys just now, or raise ``NotSigned``."""
    match = _HEADER.match(request.headers.get("authorization", ""))
    if match is None:
        raise NotSigned("AccessDenied")
    given_key, day, region, names, signature = match.groups()
    if given_key != access_key:
        raise NotSigned("InvalidAccessKeyId")
    if not set(names.split(";")) >= _MUST_BE_SIGNED:
        raise NotSigned("AccessDenied")
    moment = request.headers["x-amz-date"]
    signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(now - signed_at) > _LARGEST_SKEW or not moment.startswith(day):
        raise NotSigned("RequestTimeTooSkewed")
    if request.headers["x-amz-content-sha256"] != hashlib.sha256(request.body).hexdigest():
        raise NotSigned("XAmzContentSHA256Mismatch")
    expected = _signature(request, names.split(";"), f"{day}/{region}/s3/aws4_request", secret_key)
    if not hmac.compare_digest(signature, expected):
        raise NotSigned("SignatureDoesNotMatch")


def _signature(request: SignedRequest, names: list[str], scope: str, secret_key: str) -> str:
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    canonical = "\n".join(
        (
            request.method,
            path,
            _canonical_query(query),
            headers,
            ";".join(names),
            request.headers["x-amz-content-sha256"],
        )
    )
    to_sign = "\n".join(
        (
            "AWS4-HMAC-SHA256",
            request.headers["x-amz-date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, to_sign).hex()


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return "&".join(
        sorted(
            f"{quote(unquote(name), safe='-_.~')}={quote(unquote(value), safe='-_.~')}"
            for name, _, value in pairs
        )
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
