"""Apache Traffic Server's plugin access_control: claims as 'name=value', and an HMAC-SHA-256 or -SHA-512 over them.

Such a token is bound to no path unless it has a ``scope``. The plugin does not look at that claim; here it is a path,
or a folder if it ends with '/', and a scope of another form is refused.
"""

from __future__ import annotations

import hmac
from urllib.parse import unquote

from config.settings.schemes.links import AccessControl
from edge.errors import (
    TokenBadClaims,
    TokenBadSignature,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.links.coverage import Covered, one_file, scope_of
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import named_secrets
from edge.tokens.links.values import Parameters, is_hex, seconds
from edge.tokens.links.verifier import Checked, Found, LinkVerifier, Sent
from edge.tokens.strict import base64url
from edge.tokens.verifier import Keys

_ALGORITHMS = {"HMAC-SHA-256": ("sha256", 32), "HMAC-SHA-512": ("sha512", 64)}
_DEFAULT = "HMAC-SHA-256"
_REQUIRED = frozenset(("sub", "exp", "kid", "md"))
_CLAIMS = _REQUIRED | {"nbf", "iat", "tid", "ver", "scope", "st"}
_TOKEN = "token"  # noqa: S105 - a field's name
_MAX_TEXT_CHARS = 128


class AccessControlTokens:
    """Tokens of access_control."""

    scheme = "access-control"

    def __init__(self, name: str, settings: AccessControl, keys: dict[str, bytes]) -> None:
        self._name = name
        self._settings = settings
        self._keys = keys

    def found(self, sent: Sent) -> Found | None:
        """The token of a request: of its query, else of its cookie."""
        query, encoded = sent.query, sent.cookies.get(self._settings.cookie)
        if self._settings.parameter is not None:
            parameters = Parameters.read(query)
            given = parameters.named((self._settings.parameter,))
            if given:
                encoded = given[0][1] if len(given) == 1 else ""
                query = parameters.without((self._settings.parameter,))
        if encoded is None:
            return None
        try:
            # The claims as they are, not what they were wrapped in, so that the whole fits into a token.
            text = base64url(encoded.rstrip("=")).decode("ascii")
        except (TokenMalformed, UnicodeDecodeError):
            text = ""
        return Found(Link.of(self._name, fields={_TOKEN: text}), query, sent.path)

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a token says whose HMAC is right."""
        text = link.values(frozenset((_TOKEN,)))[_TOKEN]
        if link.path or link.query:
            raise TokenMalformed
        parameters = Parameters.read(text)
        pairs = parameters.named(_CLAIMS)
        claims = dict(pairs)
        if len(claims) != len(parameters.items) or not claims.keys() >= _REQUIRED:
            raise TokenMalformed
        if parameters.items[-1][0] != "md" or not all("=" in item for _, item in parameters.items):
            raise TokenMalformed
        self._check_signature(text, claims)
        if claims.get("ver", "1") != "1":
            raise TokenUnsupported("The token is of another version.")
        if "iat" in claims:
            seconds(claims["iat"], "iat")
        # The plugin takes a token one second after nbf and still at exp; exp=0, for ever, is refused.
        begins = seconds(claims["nbf"], "nbf") + 1 if "nbf" in claims else 0
        return Checked(
            covered=self._covered(claims.get("scope")),
            expires_at=seconds(claims["exp"], "exp") + 1,
            not_before=begins,
            key_id=f"{self._name}-{claims['kid']}",
            subject=_text(claims["sub"], "sub"),
            token_id=_text(claims["tid"], "tid") if "tid" in claims else "",
        )

    def _check_signature(self, text: str, claims: dict[str, str]) -> None:
        key = self._keys.get(claims["kid"])
        if key is None:
            raise TokenUnknownKey
        algorithm = _ALGORITHMS.get(claims.get("st", _DEFAULT))
        if algorithm is None:
            raise TokenUnsupported("The token has an algorithm that is not accepted.")
        hash_name, length = algorithm
        given = claims["md"]
        if not is_hex(given, count=length):
            raise TokenMalformed
        signed = text[: -len(given)]
        if not hmac.compare_digest(hmac.digest(key, signed.encode(), hash_name).hex(), given):
            raise TokenBadSignature

    def _covered(self, scope: str | None) -> Covered:
        if scope is None:
            return Covered()
        if not scope.startswith("/"):
            raise TokenUnsupported("The token's scope is not a path.")
        if scope == "/":
            return Covered()
        return Covered((scope_of(scope),)) if scope.endswith("/") else one_file(scope, "file")


def _text(value: str, name: str) -> str:
    text = unquote(value)
    if not 0 < len(text) <= _MAX_TEXT_CHARS or not text.isprintable():
        raise TokenBadClaims(f"{name} is empty, too long or not text.")
    return text


def open_access_control(
    name: str, settings: AccessControl, *, keys: Keys | None, public_url: str, leeway_seconds: float
) -> LinkVerifier:
    """The verifier of one signer's tokens, or ``WrongUse``."""
    scheme = AccessControlTokens(name, settings, named_secrets(name, settings))
    return LinkVerifier(name, scheme, settings, leeway_seconds=leeway_seconds)
