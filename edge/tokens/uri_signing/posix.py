"""POSIX extended regular expressions (RFC 9246 section 2.1.15.2) said to RE2, or refused where the two would differ."""

from __future__ import annotations

import re

from edge.errors import TokenBadClaims, TokenUnsupported

# IEEE Std 1003.1 section 9.3.5, in the POSIX locale.
_CLASSES = "alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit"
# ']' is ordinary where it stands first, and so is '\' everywhere between brackets.
_BRACKETS = re.compile(
    rf"\[\^?+\]?+(?:\[:(?:{_CLASSES}):\]|\[(?![:.=])|[^\[\]])*\]",
)
_INTERVAL = re.compile(r"\{[0-9]{1,3}(?:,(?:[0-9]{1,3})?)?\}")
_REPEATS = "*+?"


def to_re2(pattern: str) -> str:
    """The same language in RE2's syntax; what POSIX leaves undefined is ``TokenUnsupported``."""
    if not pattern.isascii() or not pattern.isprintable():
        raise TokenBadClaims("The token's regular expression has characters that no URI has.")
    said: list[str] = []
    at, repeated = 0, False
    while at < len(pattern):
        part = _part(pattern, at)
        repeats = part in _REPEATS or part.startswith("{")
        if repeats and repeated:
            raise TokenUnsupported("POSIX does not say what a repetition of a repetition is.")
        if part == "(" and pattern.startswith("?", at + 1):
            raise TokenUnsupported("POSIX has no groups that start with '(?'.")
        said.append(part.replace("\\", "\\\\") if part.startswith("[") else part)
        repeated = repeats
        at += len(part)
    return "".join(said)


def _part(pattern: str, at: int) -> str:
    match pattern[at]:
        case "[":
            found = _BRACKETS.match(pattern, at)
            if found is None:
                raise TokenUnsupported(
                    "The token's regular expression has brackets of an unknown kind."
                )
            return found[0]
        case "{":
            found = _INTERVAL.match(pattern, at)
            if found is None:
                raise TokenUnsupported(
                    "The token's regular expression has an interval that is none."
                )
            return found[0]
        case "\\":
            escaped = pattern[at : at + 2]
            if len(escaped) < 2 or escaped[1].isalnum():
                raise TokenUnsupported(f"POSIX does not say what {escaped} is.")
            return escaped
        case character:
            return character
