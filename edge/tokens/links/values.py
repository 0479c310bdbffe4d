"""Values as the schemes of signed links write them; each is taken in one spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from edge.errors import TokenBadClaims
from edge.tokens.rules import Network, network

_SECONDS = re.compile(r"[1-9][0-9]{0,11}\Z")
_HEX = re.compile(r"[0-9a-f]*\Z")


def seconds(text: str, name: str) -> int:
    """An instant in seconds since the epoch: decimal digits, no sign, no leading zero; ``TokenBadClaims`` otherwise."""
    if not _SECONDS.match(text):
        raise TokenBadClaims(f"{name} is not a whole number of seconds.")
    return int(text)


def is_hex(text: str, *, count: int) -> bool:
    """Whether ``text`` is that many bytes in lower-case hexadecimal."""
    return len(text) == 2 * count and _HEX.match(text) is not None


def single_address(text: str) -> Network:
    """The network of one address; ``TokenBadClaims`` for a range, a zone or anything else."""
    try:
        if "%" in text:
            raise ValueError("a zone means something on one machine only")
        ip_address(text)
    except ValueError as error:
        raise TokenBadClaims("The link names an address that is none.") from error
    return network(text)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A raw query, taken apart at '&' without decoding anything."""

    items: tuple[tuple[str, str], ...]  # name, and the whole item as it was sent

    @classmethod
    def read(cls, query: str, *, separator: str = "&") -> Parameters:
        """The parameters of a query in their order."""
        items = query.split(separator) if query else []
        return cls(tuple((item.partition("=")[0], item) for item in items))

    def named(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Name and raw value of every parameter that has one of these names, twice what stands twice."""
        wanted = frozenset(names)
        return [(name, item[len(name) + 1 :]) for name, item in self.items if name in wanted]

    def without(self, names: Iterable[str]) -> str:
        """The query without these parameters; the others keep their bytes and their order."""
        unwanted = frozenset(names)
        return "&".join(item for name, item in self.items if name not in unwanted)


def ordered(fields: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Fields of a link by name; one that stands twice stays so, and is refused when the link is read."""
    return tuple(sorted(fields))
