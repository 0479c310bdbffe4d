"""Which scheme a token is of, by its form alone; nothing is verified."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

import cbor2

from config.launch.tokens.errors import NotAToken
from edge.errors import EdgeError, TokenMalformed
from edge.query import parse_query
from edge.target import parse_target
from edge.tokens.admitted import MARK as ADMITTED
from edge.tokens.links.link import MARK as LINK
from edge.tokens.links.link import Link
from edge.tokens.links.values import Parameters
from edge.tokens.transport import find_token

MAX_CHARS = 64 * 1024  # the edge's own bound is lower; here somebody wants to know what it is

Kind = Literal["jws", "jwe", "cwt", "link"]
SCHEMES = (
    "kawa",
    "uri-signing",
    "cat",
    "url-sig",
    "access-control",
    "secure-link",
    "cloudfront",
    "akamai",
)

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}\Z")
_JWS = re.compile(r"[A-Za-z0-9_-]+={0,2}(?:\.[A-Za-z0-9_-]*={0,2}){1,2}\Z")
_JWE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}\Z")
_AKAMAI = re.compile(r"(?:[a-z]+=[^~]*~)+hmac=[0-9A-Fa-f]+\Z")
_HASH = re.compile(r"[A-Za-z0-9_-]{22}(?:==)?\Z")
_OLD_SECURE_LINK = re.compile(r"/[^/]+/[0-9A-Fa-f]{32}/.")
_CLOUDFRONT = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
_URL_SIG = ("C", "E", "A", "K", "P", "S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a text seems to be."""

    kind: Kind
    scheme: str  # empty: it could be several ones', or nobody's
    text: str  # the token, or the URL that a link is
    says: Mapping[str, str]  # of a link: the parts that it consists of
    admitted: bool = False  # with an edge's own mark behind it


def is_url(text: str) -> bool:
    """Whether ``text`` is a URL, or a path at an edge."""
    return text.startswith("/") or "://" in text


def form_of(text: str, headers: Mapping[str, str] | None = None) -> Form:
    """What ``text`` is, a token or a URL that carries one; ``NotAToken`` if it is neither."""
    if not text or len(text) > MAX_CHARS or not text.isprintable():
        raise NotAToken("this is empty, too long or not text")
    return _form_of_url(text, headers or {}) if is_url(text) else _form_of_token(text)


def decoded(text: str) -> bytes:
    """Base64url with or without its padding, or ``NotAToken``."""
    try:
        return base64.b64decode(
            text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise NotAToken("this is not base64url") from error


def json_part(text: str) -> dict[str, Any]:
    """A part of a JWT, or ``NotAToken``."""
    try:
        value = json.loads(decoded(text))
    except (ValueError, RecursionError) as error:
        raise NotAToken(f"a part of it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotAToken("a part of it is not a JSON object")
    return value


def cwt_item(text: str) -> Any:
    """The outermost CBOR item of a token, or ``NotAToken``."""
    try:
        return cbor2.loads(decoded(text))
    # What a foreign item can bring the decoder to raise is not a closed set: tags become dates, numbers, expressions.
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise NotAToken(f"this is not CBOR: {error}") from error


def _form_of_token(text: str) -> Form:
    token, mark, _ = text.partition(ADMITTED)
    if mark and not _AKAMAI.match(text):
        return _plain(token, admitted=True)
    return _plain(text, admitted=False)


def _plain(text: str, *, admitted: bool) -> Form:
    if text.startswith(LINK):
        try:
            link = Link.decode(text)
        except TokenMalformed as error:
            raise NotAToken("this begins like a link, and is none") from error
        says = {"signer": link.signer, "path": link.path, "query": link.query, **dict(link.fields)}
        scheme = _scheme_of_link(link)
        return Form(kind="link", scheme=scheme, text=text, says=says, admitted=admitted)
    if _AKAMAI.match(text):
        return Form(kind="link", scheme="akamai", text=text, says=_items(text, "~"))
    if _JWE.match(text):
        return Form(kind="jwe", scheme="", text=text, says={}, admitted=admitted)
    if _JWS.match(text):
        parts = text.split(".")
        claims = json_part(parts[-2])
        scheme = "kawa" if "cdniuc" not in claims and len(parts) == 3 else "uri-signing"
        return Form(kind="jws", scheme=scheme, text=text, says={}, admitted=admitted)
    if _BASE64URL.match(text):
        return _base64(text, admitted)
    raise NotAToken(NotAToken.__doc__)


def _base64(text: str, admitted: bool) -> Form:
    data = decoded(text)
    if b"&md=" in data and data.isascii():
        says = _items(data.decode("ascii"), "&")
        return Form(kind="link", scheme="access-control", text=text, says=says)
    cwt_item(text)
    return Form(kind="cwt", scheme="cat", text=text, says={}, admitted=admitted)


def _form_of_url(url: str, headers: Mapping[str, str]) -> Form:
    try:
        target = parse_target(url)
        query = parse_query(target.query)
    except EdgeError as error:
        raise NotAToken(str(error)) from error
    carried = find_token(
        path_token=target.token or target.package, query_token=query.token, headers=headers
    )
    if carried is not None:
        return _form_of_token(carried.text)
    path, _, raw = target.rest.partition("?")
    parameters = dict(_items(raw, "&"))
    if {"Signature", "Key-Pair-Id"} <= parameters.keys():
        return _link("cloudfront", url, {n: parameters[n] for n in _CLOUDFRONT if n in parameters})
    if {"E", "S"} <= parameters.keys():
        return _link("url-sig", url, {n: parameters[n] for n in _URL_SIG if n in parameters})
    for name, value in [*parameters.items(), *_segments(path)]:
        if _AKAMAI.match(unquote(value)):
            return _link("akamai", url, {"name": name, **_items(unquote(value), "~")})
    for name, value in parameters.items():
        if _HASH.match(value):
            says = {"hash": name, **parameters}
            return _link("secure-link", url, says)
    if _OLD_SECURE_LINK.match(path):
        return _link("secure-link", url, {"hash": path.split("/")[2]})
    return _link_elsewhere(url, target.rest)


def _link_elsewhere(url: str, rest: str) -> Form:
    """A signature in the path, behind an anchor of the signer's choice (ATS url_sig), or a token of access_control."""
    for item in re.split(r"[;?&/]", rest):
        _, equals, value = item.partition("=")
        if not equals or not _BASE64URL.match(value):
            continue
        try:
            text = decoded(value).decode("ascii")
        except (NotAToken, UnicodeDecodeError):
            continue
        if ";S=" in text:
            return _link("url-sig", url, _items(text.removeprefix(";"), ";"))
        if "&md=" in text:
            return _link("access-control", url, _items(text, "&"))
    raise NotAToken("this URL carries no token that is known")


def _link(scheme: str, url: str, says: Mapping[str, str]) -> Form:
    return Form(kind="link", scheme=scheme, text=url, says=says)


def _segments(path: str) -> list[tuple[str, str]]:
    pairs = (segment.partition("=") for segment in path.split("/"))
    return [(name, value) for name, equals, value in pairs if equals]


def _items(text: str, separator: str) -> dict[str, str]:
    items = Parameters.read(text, separator=separator).items
    return {name: item.partition("=")[2] for name, item in items}


def _scheme_of_link(link: Link) -> str:
    """The scheme of a link that an edge has put into one token."""
    names = {name for name, _ in link.fields}
    if "Signature" in names:
        return "cloudfront"
    if "S" in names:
        return "url-sig"
    if "hash" in names:
        return "secure-link"
    return "akamai" if "~hmac=" in dict(link.fields).get("token", "") else "access-control"
