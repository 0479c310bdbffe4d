"""Links and tokens of the schemes that sign with a shared secret: url_sig, access_control, secure_link, Akamai."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, quote_plus, unquote_to_bytes, urlsplit

from config.launch.tokens.errors import NotMinted
from config.launch.tokens.minting.wanted import Wanted
from config.settings.schemes.links import AccessControl, Akamai, SecureLink, UrlSig
from edge.tokens.links.secrets import named_secrets, plain_secrets
from edge.tokens.links.secure_link import Expression

_DEFAULT_SUBJECT = "operator"


def mint_url_sig(wanted: Wanted, name: str, settings: UrlSig) -> str:
    """The signed URL; ``--claim P=…`` says which of its parts are signed, else all are."""
    wanted.require("url-sig", "url", "networks", "key_id", "claims")
    key_id, secret = _named(named_secrets(name, settings), wanted.key_id)
    url = required_url(wanted)
    before, _, query = url.partition("?")
    hash_name = settings.algorithms[0]
    said = {
        "C": wanted.network,
        "E": wanted.expires_at,
        "A": {"sha1": 1, "md5": 2}[hash_name],
        "K": key_id.removeprefix("key"),
        "P": "1",
        **wanted.claims,
    }
    own = "&".join(f"{field}={value}" for field, value in said.items() if value is not None)
    query = f"{query}&{own}" if query else own
    parts = (wanted.public_url.partition("://")[2] + _path(before)).split("/")
    mask = str(said["P"])
    signed = "/".join(part for n, part in enumerate(parts) if mask[min(n, len(mask) - 1)] == "1")
    digest = hmac.digest(secret, f"{signed}?{query}&S=".encode(), hash_name)
    return f"{before}?{query}&S={digest.hex()}"


def mint_access_control(wanted: Wanted, name: str, settings: AccessControl) -> str:
    """A token as its cookie holds it; the URL with it, if the settings name a parameter and a URL is given."""
    wanted.require(
        "access-control",
        *("paths", "url", "subject", "not_before", "token_id", "key_id", "claims"),
    )
    key_id, secret = _named(named_secrets(name, settings), wanted.key_id)
    said = {
        "sub": quote(wanted.subject or _DEFAULT_SUBJECT, safe=""),
        "exp": wanted.expires_at,
        "nbf": wanted.not_before,
        "iat": wanted.now,
        "tid": None if wanted.token_id is None else quote(wanted.token_id, safe=""),
        "ver": 1,
        "scope": wanted.path if wanted.paths else None,
        "kid": key_id,
        "st": "HMAC-SHA-256",
        **wanted.claims,
    }
    items = [f"{field}={value}" for field, value in said.items() if value is not None]
    text = "&".join([*items, "md="])
    text += hmac.digest(secret, text.encode(), "sha256").hex()
    token = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    if wanted.url is None or settings.parameter is None:
        return token
    return _with(wanted.url, settings.parameter, token)


def mint_secure_link(wanted: Wanted, name: str, settings: SecureLink) -> str:
    """The signed URL, in either form of the module."""
    wanted.require("secure-link", "url", "networks", "claims")
    secret = plain_secrets(name, settings)[0]
    url = required_url(wanted)
    before, _, query = url.partition("?")
    path = _path(before)
    if settings.form == "path":
        origin, _, rest = path[1:].partition("/")
        signed = f"{rest}?{query}" if query else rest
        # The scheme's own hash: nginx's documentation of secure_link_secret.
        digest = hashlib.md5(f"{signed}{secret}".encode(), usedforsecurity=False).hexdigest()
        base = before[: len(before) - len(path)]
        return f"{base}/{origin}/{digest}/{signed}"
    ends = settings.expires_parameter
    values = {f"arg_{n}": v.encode() for n, _, v in (i.partition("=") for i in query.split("&"))}
    values |= {
        "secret": secret.encode(),
        "uri": unquote_to_bytes(path),
        "host": (urlsplit(wanted.public_url).hostname or "").encode(),
        "remote_addr": (wanted.network or "").encode(),
        "http_user_agent": str(wanted.claims.get("http_user_agent", "")).encode(),
        "secure_link_expires": str(wanted.expires_at).encode() if ends else b"",
    }
    if ends:
        values[f"arg_{ends}"] = values["secure_link_expires"]
    text = Expression.read(settings.expression).value(values)
    # The scheme's own hash: nginx's documentation of secure_link_md5.
    digest_bytes = hashlib.md5(text, usedforsecurity=False).digest()
    given = base64.urlsafe_b64encode(digest_bytes).decode().rstrip("=")
    url = _with(url, settings.hash_parameter, given)
    return _with(url, ends, str(wanted.expires_at)) if ends else url


def mint_akamai(wanted: Wanted, name: str, settings: Akamai) -> str:
    """A token for patterns of paths, or the URL with one."""
    wanted.require("akamai", "paths", "url", "session", "not_before", "networks", "claims")
    key = bytes.fromhex(plain_secrets(name, settings)[0])
    patterns = "!".join(f"{path}*" for path in wanted.paths) or None
    said = {
        "ip": wanted.network,
        "st": wanted.not_before,
        "exp": wanted.expires_at,
        "acl": None if patterns is None else _escaped(patterns, settings),
        "id": None if wanted.session is None else _escaped(wanted.session, settings),
        **wanted.claims,
    }
    text = "~".join(f"{field}={value}" for field, value in said.items() if value is not None)
    signed = text
    if patterns is None:
        before, _, query = required_url(wanted).partition("?")
        address = _path(before)
        if query and not settings.ignore_query:
            address += f"?{query}"
        signed += f"~url={_escaped(address, settings)}"
    if settings.salt is not None:
        signed += f"~salt={settings.salt.get_secret_value()}"
    token = f"{text}~hmac={hmac.digest(key, signed.encode(), settings.algorithm).hex()}"
    return token if wanted.url is None else _with(wanted.url, settings.names[0], token)


def required_url(wanted: Wanted) -> str:
    """The URL that is signed, or ``NotMinted``."""
    if wanted.url is None:
        raise NotMinted("this scheme signs a URL: give --url")
    return wanted.url


def _named(keys: dict[str, bytes], key_id: str | None) -> tuple[str, bytes]:
    name = next(iter(keys)) if key_id is None else key_id
    if name not in keys:
        raise NotMinted(f"there is no secret {name}")
    return name, keys[name]


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url


def _with(url: str, name: str, value: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{name}={value}"


def _escaped(text: str, settings: Akamai) -> str:
    """As Akamai's own libraries escape: like a form, with hexadecimal digits in lower case."""
    if not settings.escape_input:
        return text
    parts = quote_plus(text).split("%")
    return parts[0] + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts[1:])
