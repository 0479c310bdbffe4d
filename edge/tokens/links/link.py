"""A signed link as a token of its own: what was signed, and the signature."""

from __future__ import annotations

import re
from dataclasses import dataclass

from config.contracts.tokens import MAX_TOKEN_CHARS
from edge.errors import TokenMalformed
from edge.tokens.strict import base64url, to_base64url

MARK = "l."  # no other scheme's token begins like this
_MAX_FIELDS = 16
_SIGNER = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,72}\Z")
# Long enough for every signer's name and the line's end; a multiple of four, so that it decodes by itself.
_HEAD_CHARS = 44


@dataclass(frozen=True, slots=True)
class Link:
    """A signed link, without what its scheme does not sign: two links that mean the same are equal."""

    signer: str  # as the settings call it
    path: str  # empty if the signature is not over one path
    query: str  # the part that is signed
    fields: tuple[tuple[str, str], ...]  # by name; each once

    @classmethod
    def of(cls, signer: str, *, path: str = "", query: str = "", fields: dict[str, str]) -> Link:
        """A link with its fields in their order."""
        return cls(signer, path, query, tuple(sorted(fields.items())))

    def encode(self) -> str:
        """The link as one token that may stand in a path; one that could not be decoded is encoded too."""
        lines = [
            self.signer,
            self.path,
            self.query,
            *(f"{name}={value}" for name, value in self.fields),
        ]
        return MARK + to_base64url("\n".join(lines).encode("utf-8", "surrogatepass"))

    @classmethod
    def decode(cls, text: str) -> Link:
        """The link of a token, or ``TokenMalformed``; no other token gives the same link."""
        if len(text) > MAX_TOKEN_CHARS or not text.startswith(MARK):
            raise TokenMalformed
        try:
            lines = base64url(text[len(MARK) :]).decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise TokenMalformed from error
        if not 3 < len(lines) <= 3 + _MAX_FIELDS or not all(line.isprintable() for line in lines):
            raise TokenMalformed
        signer, path, query = lines[:3]
        fields: list[tuple[str, str]] = []
        for line in lines[3:]:
            name, equals, value = line.partition("=")
            if not equals or not _NAME.match(name) or (fields and name <= fields[-1][0]):
                raise TokenMalformed
            fields.append((name, value))
        if not _SIGNER.match(signer) or " " in path + query or (path and path[0] != "/"):
            raise TokenMalformed
        return cls(signer, path, query, tuple(fields))

    def values(
        self, required: frozenset[str], optional: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """The fields, which are these and no others."""
        found = dict(self.fields)
        if not required <= found.keys() <= required | optional:
            raise TokenMalformed
        return found


def signer_of(text: str) -> str | None:
    """Who is said to have signed the link that ``text`` may be; nothing else of it is looked at."""
    if not text.startswith(MARK):
        return None
    head = text[len(MARK) : len(MARK) + _HEAD_CHARS]
    try:
        signer, end, _ = base64url(head[: len(head) // 4 * 4]).decode("latin-1").partition("\n")
    except TokenMalformed:
        return None
    return signer if end else None
