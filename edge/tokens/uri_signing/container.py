"""URI containers (RFC 9246 section 2.1.15): which URIs a token is for."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from config.contracts.grants import Asked, Rule
from edge.errors import PathNotCovered, TokenBadClaims, TokenMalformed, TokenUnsupported
from edge.tokens.rules import compiled
from edge.tokens.strict import base64url
from edge.tokens.uri_signing.normal import NotAUri, normal_uri
from edge.tokens.uri_signing.posix import to_re2

# IANA's Named Information Hash Algorithms, without the shortened ones (RFC 6920 section 9.4).
_HASHES = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}


class MatchingUri:
    """The whole URI matches an expression; RFC 9246 section 2.1.15.2 leaves open whether a part would do."""

    __slots__ = ("_compiled", "pattern")
    reason = PathNotCovered.code

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._compiled = compiled(to_re2(pattern))

    def allows(self, asked: Asked) -> bool:
        """Whether the request's normalised URI matches from its first character to its last."""
        try:
            return self._compiled.fullmatch(normal_uri(asked.uri)) is not None
        except NotAUri:
            return False

    def to_json(self) -> object:
        """The expression, as the token has it."""
        return {"uri_matches": self.pattern}


class HashedUri:
    """The URI has this hash (RFC 9246 section 2.1.15.1)."""

    __slots__ = ("_digest", "_hash", "container")
    reason = PathNotCovered.code

    def __init__(self, container: str) -> None:
        """Read the URL segment form of RFC 6920 section 5."""
        name, _, value = container.partition(";")
        if name not in _HASHES:
            raise TokenUnsupported("The token's cdniuc uses a hash that is not supported.")
        try:
            self._digest = base64url(value)
        except TokenMalformed as error:
            raise TokenBadClaims("The token's cdniuc is not a hash.") from error
        self._hash = _HASHES[name]
        if len(self._digest) != hashlib.new(self._hash).digest_size:
            raise TokenBadClaims("The token's cdniuc is not a whole hash.")
        self.container = container

    def allows(self, asked: Asked) -> bool:
        """Whether the request's normalised URI is the one that was signed."""
        try:
            uri = normal_uri(asked.uri)
        except NotAUri:
            return False
        return hmac.compare_digest(hashlib.new(self._hash, uri.encode()).digest(), self._digest)

    def to_json(self) -> object:
        """The hash, as the token has it."""
        return {"uri_hash": self.container}


@lru_cache(maxsize=1024)  # all viewers of a title have the same one; only signed ones come here
def read_container(text: str) -> Rule:
    """The rule that a cdniuc claim sets, or ``TokenBadClaims``, ``TokenUnsupported``."""
    form, _, value = text.partition(":")
    match form:
        case "regex":
            return MatchingUri(value)
        case "hash":
            return HashedUri(value)
    raise TokenUnsupported("The token's cdniuc is neither 'hash:' nor 'regex:'.")
