"""One question for a JWK Set: bounded in time and size, and nothing is followed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, hdrs
from yarl import URL

from config.runtime.key_files import MAX_BYTES
from config.runtime.processes import WrongUse

_TYPES = ("application/jwk-set+json", "application/json")  # RFC 7517 section 8.5.2
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*(?:,|$)", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}\Z")


class NotFetched(Exception):
    """The URL gave no JWK Set; ``reason`` is one of few words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer."""

    data: bytes | None  # None: what was fetched before is still so
    etag: str
    fresh_seconds: float | None  # as its Cache-Control says


def checked_url(text: str, *, plain_http: bool) -> URL:
    """The URL, if keys may come from there, or ``WrongUse``."""
    try:
        url = URL(text)
        host = url.host
    except ValueError as error:
        raise WrongUse("jwks_url is not a URL") from error
    if url.scheme not in ("http", "https") or not host:
        raise WrongUse("jwks_url is not an https URL")
    if url.user is not None or url.password is not None:
        raise WrongUse("jwks_url has a user name or password in it, which is not sent")
    if url.scheme == "http" and not plain_http and not _is_local(host):
        raise WrongUse(
            "jwks_url is plain http, on which others can put in keys of their own: "
            "use https, or set tokens.jwks_plain_http in a network of your own"
        )
    return url.with_fragment(None)


def open_session() -> ClientSession:
    """A client that keeps nothing and decodes nothing."""
    return ClientSession(
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        headers={hdrs.USER_AGENT: "kawa", hdrs.ACCEPT: ", ".join(_TYPES)},
        skip_auto_headers=(hdrs.ACCEPT_ENCODING,),
    )


async def fetch(session: ClientSession, url: URL, *, etag: str, timeout_seconds: float) -> Fetched:
    """The JWK Set's text, or ``NotFetched``."""
    headers = {hdrs.ACCEPT_ENCODING: "identity"}
    if etag:
        headers[hdrs.IF_NONE_MATCH] = etag
    try:
        async with session.get(
            url,
            headers=headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=timeout_seconds, ceil_threshold=3600),
        ) as answer:
            return await _read(answer, asked_with=etag)
    except TimeoutError as error:
        raise NotFetched("timeout", "the answer took too long") from error
    except (ClientError, OSError, ValueError) as error:
        raise NotFetched("unreachable", type(error).__name__) from error


async def _read(answer: ClientResponse, *, asked_with: str) -> Fetched:
    etag = answer.headers.get(hdrs.ETAG, "")
    fresh = _fresh_seconds(answer.headers)
    if answer.status == 304 and asked_with:
        return Fetched(data=None, etag=etag or asked_with, fresh_seconds=fresh)
    if 300 <= answer.status < 400:
        raise NotFetched("redirect", f"status {answer.status}, which is not followed")
    if answer.status != 200:
        raise NotFetched("status", f"status {answer.status}")
    if answer.content_type not in _TYPES:
        raise NotFetched("type", f"neither {' nor '.join(_TYPES)}")
    if answer.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise NotFetched("type", "compressed, which was not asked for")
    data = bytearray()
    async for piece in answer.content.iter_any():
        data += piece
        if len(data) > MAX_BYTES:
            raise NotFetched("too-large", f"larger than {MAX_BYTES} bytes")
    return Fetched(data=bytes(data), etag=etag, fresh_seconds=fresh)


def _fresh_seconds(headers: Mapping[str, str]) -> float | None:
    found = _MAX_AGE.search(headers.get(hdrs.CACHE_CONTROL, ""))
    if found is None:
        return None
    age = headers.get(hdrs.AGE, "").strip()
    return float(found[1]) - (float(age) if _SECONDS.match(age) else 0.0)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
