"""Conditions on a text, as catu and cath write them: CTA-5007's match objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from edge.errors import TokenBadClaims, TokenUnsupported
from edge.tokens.rules import compiled

EXACT: Final = 0
PREFIX: Final = 1
SUFFIX: Final = 2
CONTAINS: Final = 3
REGEX: Final = 4
SHA256: Final = -1
SHA512: Final = -2

_NAMES = {
    EXACT: "exact",
    PREFIX: "prefix",
    SUFFIX: "suffix",
    CONTAINS: "contains",
    REGEX: "regex",
    SHA256: "sha256",
    SHA512: "sha512",
}
MAX_MATCHES = 16
_MAX_TEXT = 2048

Test = Callable[[str], bool]


class Match:
    """One condition on a text."""

    __slots__ = ("_test", "kind", "wanted")

    def __init__(self, kind: int, wanted: str, test: Test) -> None:
        self.kind = kind
        self.wanted = wanted
        self._test = test

    def holds(self, text: str) -> bool:
        """Whether ``text`` satisfies it."""
        return self._test(text)

    def to_json(self) -> dict[str, str]:
        """Its kind and value."""
        return {_NAMES[self.kind]: self.wanted}


@dataclass(frozen=True, slots=True)
class Matches:
    """Conditions all of which must hold."""

    conditions: tuple[Match, ...]

    @classmethod
    def of(cls, value: object, *, claim: str) -> Matches:
        """Read a match object, or raise ``TokenBadClaims``, ``TokenUnsupported`` for a kind that is not known."""
        if type(value) is not dict or not 0 < len(value) <= MAX_MATCHES:
            raise TokenBadClaims(f"The token's {claim} has no conditions.")
        return cls(tuple(_match(kind, wanted, claim) for kind, wanted in value.items()))

    def hold(self, text: str) -> bool:
        """Whether ``text`` satisfies all of them."""
        return all(condition.holds(text) for condition in self.conditions)

    def to_json(self) -> object:
        """All of them."""
        return [condition.to_json() for condition in self.conditions]


def _match(kind: object, wanted: object, claim: str) -> Match:
    if type(kind) is not int or kind not in _NAMES:
        raise TokenUnsupported(f"The token's {claim} has a kind of match that is not known.")
    if kind == REGEX:
        return _regex(wanted, claim)
    if kind in (SHA256, SHA512):
        return _hash(kind, wanted, claim)
    if type(wanted) is not str or len(wanted) > _MAX_TEXT:
        raise TokenBadClaims(f"The token's {claim} has a value that is no text.")
    return Match(kind, wanted, _text_test(kind, wanted))


def _text_test(kind: int, wanted: str) -> Test:
    match kind:
        case 0:
            return lambda text: text == wanted
        case 1:
            return lambda text: text.startswith(wanted)
        case 2:
            return lambda text: text.endswith(wanted)
        case _:
            return lambda text: wanted in text


def _regex(wanted: object, claim: str) -> Match:
    """An array of a pattern and, where there are some, flags; or the pattern alone. It may match anywhere."""
    parts = wanted if type(wanted) is tuple else (wanted,)
    if not 1 <= len(parts) <= 2 or any(type(part) is not str for part in parts):
        raise TokenBadClaims(f"The token's {claim} has a regular expression that is none.")
    pattern, flags = parts[0], parts[1] if len(parts) == 2 else ""
    if flags not in ("", "i"):
        raise TokenUnsupported(f"The token's {claim} has flags of a regular expression.")
    expression: Any = compiled(f"(?i){pattern}" if flags else pattern)
    return Match(REGEX, pattern, lambda text: expression.search(text) is not None)


def _hash(kind: int, wanted: object, claim: str) -> Match:
    digest = _digest_of(wanted, claim)
    test: Test
    if kind == SHA256 and len(digest) == 32:
        test = lambda text: hashlib.sha256(text.encode()).digest() == digest  # noqa: E731
    elif kind == SHA512 and len(digest) == 32:
        test = lambda text: _sha512_256(text) == digest  # noqa: E731
    elif kind == SHA512 and len(digest) == 64:
        # What both published implementations put there.
        test = lambda text: hashlib.sha512(text.encode()).digest() == digest  # noqa: E731
    else:
        raise TokenBadClaims(f"The token's {claim} has a hash of a wrong length.")
    return Match(kind, digest.hex(), test)


def _digest_of(wanted: object, claim: str) -> bytes:
    if type(wanted) is bytes:
        return wanted
    try:
        if type(wanted) is not str:
            raise TypeError
        return bytes.fromhex(wanted)  # as one implementation writes it
    except (TypeError, ValueError) as error:
        raise TokenBadClaims(f"The token's {claim} has a hash that is none.") from error


def _sha512_256(text: str) -> bytes:
    digest = hashes.Hash(hashes.SHA512_256())
    digest.update(text.encode())
    return digest.finalize()
