"""Signs links as the schemes' documentation says, for tests that then change them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import unquote_to_bytes


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def nginx(path: str, expires: object, *, address: str = "192.0.2.7") -> str:
    """A link as the example of secure_link_md5 has it."""
    text = f"{expires}".encode() + unquote_to_bytes(path) + f"{address} enigma".encode()
    return f"{path}?md5={base64url(hashlib.md5(text, usedforsecurity=False).digest())}&expires={expires}"


def url_sig(
    path: str, query: str, *, host: str = "media.example.com", parts: str = "1", key: str = "hush"
) -> str:
    """A link of url_sig with HMAC-SHA1; ``query`` begins with what the application has and ends with P."""
    segments = [host, *path[1:].split("/")]
    signed = [
        segment
        for number, segment in enumerate(segments)
        if parts[min(number, len(parts) - 1)] == "1"
    ]
    text = "/".join(signed) + f"?{query}&S="
    return f"{path}?{query}&S={hmac.digest(key.encode(), text.encode(), 'sha1').hex()}"


def access_token(claims: str, *, key: str = "PEIFtmunx9", algorithm: str = "sha256") -> str:
    """A token of access_control as its cookie has it."""
    text = f"{claims}&md="
    return base64url((text + hmac.digest(key.encode(), text.encode(), algorithm).hex()).encode())


def akamai(fields: str, *, key: str, url: str | None = None) -> str:
    """A token with HMAC-SHA-256."""
    signed = fields if url is None else f"{fields}~url={url}"
    return f"{fields}~hmac={hmac.digest(bytes.fromhex(key), signed.encode(), 'sha256').hex()}"
