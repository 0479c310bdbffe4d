"""Tokens of RFC 9246, signed by PyJWT and encrypted by joserfc."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Any

import jwt
from joserfc import jwe
from joserfc.jwk import OctKey

from config.launch.tokens.errors import NotMinted
from config.launch.tokens.minting.wanted import Wanted
from config.runtime.jwk import Key
from config.runtime.keys import KeySet

_COOKIE = 1  # cdnistt, RFC 9246 section 6.5
_ORDINARY = re.compile(r"[A-Za-z0-9/_~:,;=@&%!' -]")


def mint_uri_signing(wanted: Wanted, keys: KeySet) -> str:
    """A signed JWT for the paths and all below, or for the one URL."""
    wanted.require(
        "uri-signing",
        *("paths", "url", "subject", "session", "issuer", "not_before", "token_id", "networks"),
        *("renew", "once", "key_id", "claims"),
    )
    key = signing_key(keys, wanted.key_id, ("EdDSA", "ES256", "HS256", "PS256"))
    claims: dict[str, Any] = {"cdniuc": _container(wanted), "iat": wanted.now}
    claims["exp"] = wanted.expires_at
    named = {
        "iss": wanted.issuer,
        "nbf": wanted.not_before,
        "sid": wanted.session,
        "jti": wanted.token_id or (secrets.token_urlsafe(16) if wanted.once else None),
        "sub": None if wanted.subject is None else _encrypted(wanted.subject, keys),
        "cdniip": None if wanted.network is None else _encrypted(wanted.network, keys),
        "cdniets": wanted.renew,
        "cdnistt": None if wanted.renew is None else _COOKIE,
    }
    claims |= {name: value for name, value in named.items() if value is not None}
    claims |= wanted.claims
    private: Any = key.signing
    return jwt.encode(claims, private, algorithm=key.algorithm, headers={"kid": key.key_id})


def signing_key(keys: KeySet, key_id: str | None, algorithms: tuple[str, ...]) -> Key:
    """The key of this name, or the only one that signs; ``NotMinted`` if there is none or are several."""
    found = [
        key
        for key in keys.keys.values()
        if key.signing is not None and key.algorithm in algorithms and key_id in (None, key.key_id)
    ]
    if not found:
        raise NotMinted("the key file holds no private key that signs this, or none of that name")
    if len(found) > 1:
        names = ", ".join(key.key_id for key in found)
        raise NotMinted(f"the key file holds several keys that sign ({names}): choose by --kid")
    return found[0]


def _container(wanted: Wanted) -> str:
    """cdniuc (RFC 9246 section 2.1.15): a hash of the one URL, or an expression for all below the paths."""
    if "cdniuc" in wanted.claims:
        return ""
    if wanted.url is not None and not wanted.paths:
        url = wanted.url if "://" in wanted.url else wanted.public_url + wanted.url
        digest = base64.urlsafe_b64encode(hashlib.sha256(url.encode()).digest()).rstrip(b"=")
        return f"hash:sha-256;{digest.decode()}"
    if not wanted.paths:
        raise NotMinted("say for what: paths, --url, or --claim cdniuc=…")
    paths = "|".join(_escaped(path) for path in wanted.paths)
    return f"regex:{_escaped(wanted.public_url)}({paths}).*"


def _escaped(text: str) -> str:
    """A text as a POSIX extended regular expression that matches nothing else."""
    return "".join(c if _ORDINARY.match(c) else f"\\{c}" for c in text)


def _encrypted(text: str, keys: KeySet) -> str:
    found = [key for key in keys.keys.values() if key.content_key is not None]
    if not found:
        raise NotMinted("a subject or a network is encrypted, and the key file has no key for that")
    key = found[0]
    header = {"alg": "dir", "enc": key.algorithm, "kid": key.key_id}
    algorithms = ["dir", key.algorithm]
    secret = OctKey.import_key(key.content_key or b"")
    return jwe.encrypt_compact(header, text.encode(), secret, algorithms=algorithms)
