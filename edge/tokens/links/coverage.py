"""What a link opens: one file, a folder, or what its signer's own pattern says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from config.contracts.grants import Asked, Rule
from edge.errors import BadPath, PathNotCovered, TokenBadClaims, TokenMalformed
from edge.target import Target, parse_target
from edge.tokens.rules import Exactly, compiled

Reach = Literal["file", "folder"]
EVERYTHING = ("/",)
_MAX_WILDCARDS = 32
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Covered:
    """Prefixes of which one must cover the path, and rules that must hold too."""

    prefixes: tuple[str, ...] = EVERYTHING
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class ExactlyAsked:
    """Path and query are these: the signature is over both."""

    scope: str
    query: str
    reason = PathNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the request asks for this path with this query."""
        return asked.scope == self.scope and asked.uri.partition("?")[2] == self.query

    def to_json(self) -> object:
        """Path and query."""
        return {"exactly": self.scope, "query": self.query}


class Globs:
    """The path matches one of these patterns, in which '*' is anything and '?' one character."""

    __slots__ = ("_compiled", "patterns")
    reason = PathNotCovered.code

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._compiled = compiled("|".join(glob(pattern) for pattern in patterns))

    def allows(self, asked: Asked) -> bool:
        """Whether the whole path matches one."""
        return self._compiled.fullmatch(asked.scope) is not None

    def to_json(self) -> object:
        """The patterns."""
        return {"path_matches": list(self.patterns)}


def scope_of(path: str) -> str:
    """The path of a link as grants name it, or ``TokenMalformed``."""
    return _target(path).scope


def canonical(path: str) -> str:
    """The path of a link in its one spelling, or ``TokenMalformed``."""
    target = _target(path)
    return target.scope if target.path or path.endswith("/") else f"/{target.origin}"


def _target(path: str) -> Target:
    if "?" in path or "#" in path or path.startswith(("/t/", "/f/")):
        raise TokenMalformed
    try:
        target = parse_target(path)
    except BadPath as error:
        raise TokenMalformed from error
    if target.package is not None or target.carried is not None:
        raise TokenMalformed
    return target


def one_file(path: str, reach: Reach, *, query: str | None = None) -> Covered:
    """What a signature over one path opens; ``query`` is ``None`` if the signature is not over it."""
    scope = scope_of(path)
    folder = (scope[: scope.rindex("/") + 1],)
    if reach == "folder":
        return Covered(folder)
    rule: Rule = Exactly(frozenset((scope,))) if query is None else ExactlyAsked(scope, query)
    return Covered(folder, (rule,))


def by_patterns(patterns: Iterable[str]) -> Covered:
    """What patterns of paths open: a prefix where one says the same, for that is looked up fastest."""
    found = tuple(respelt(pattern) for pattern in patterns)
    if not found or not all(pattern.startswith("/") for pattern in found):
        raise TokenBadClaims("A pattern does not begin with '/'.")
    if sum(pattern.count("*") + pattern.count("?") for pattern in found) > _MAX_WILDCARDS:
        raise TokenBadClaims("There are too many wildcards.")
    prefixes = [prefix_of(pattern) for pattern in found]
    plain = tuple(prefix for prefix in prefixes if prefix is not None)
    return Covered(plain) if len(plain) == len(found) else Covered(rules=(Globs(found),))


def prefix_of(pattern: str) -> str | None:
    """The prefix that says the same as a pattern; ``None`` if none does."""
    body = pattern.removesuffix("*")
    if body == pattern or not body.endswith("/") or "*" in body or "?" in body:
        return None
    return body


def glob(pattern: str) -> str:
    """The regular expression of a pattern."""
    return "".join(_WILD.get(character) or re.escape(character) for character in pattern)


def host_glob(pattern: str) -> str:
    """The regular expression of a pattern for a host and its port: a wildcard never leaves the host."""
    return "".join(_WILD_IN_HOST.get(character) or re.escape(character) for character in pattern)


_WILD = {"*": ".*", "?": "."}
_WILD_IN_HOST = {"*": "[^/?#@]*", "?": "[^/?#@]"}


def respelt(text: str) -> str:
    """A pattern with its percent-encoding as ``edge.target`` has it (RFC 3986 section 6.2.2)."""
    return _ENCODED.sub(_character, text) if "%" in text else text


def _character(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def narrowed(prefixes: tuple[str, ...], origins: tuple[str, ...]) -> tuple[str, ...]:
    """The prefixes, as far as they lie in these origins (none named: every one); ``PathNotCovered`` if nowhere."""
    if not origins:
        return prefixes
    within = [f"/{origin}/" for origin in origins]
    found = [prefix for prefix in prefixes if prefix.startswith(tuple(within))]
    found += [place for place in within if place.startswith(prefixes) and place not in found]
    if not found:
        raise PathNotCovered
    return tuple(found)
