"""Conditions that several schemes can set on each request."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import re2

from config.contracts.grants import Asked
from edge.errors import (
    AddressNotCovered,
    MethodNotCovered,
    PathNotCovered,
    PlaceNotCovered,
    TokenBadClaims,
)

MAX_PATTERN_CHARS = 1024
_PATTERN_MEMORY = 1 << 20

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Within:
    """The path is below one of these prefixes, each of which starts and ends with '/'."""

    prefixes: tuple[str, ...]
    reason = PathNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the request's path is below one."""
        return asked.scope.startswith(self.prefixes)

    def to_json(self) -> object:
        """The prefixes."""
        return {"within": list(self.prefixes)}


@dataclass(frozen=True, slots=True)
class Exactly:
    """The path is one of these."""

    scopes: frozenset[str]
    reason = PathNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the request's path is one of them."""
        return asked.scope in self.scopes

    def to_json(self) -> object:
        """The paths."""
        return {"exactly": sorted(self.scopes)}


class UriPattern:
    """The whole URI matches a regular expression: anchored at both ends, in linear time (RE2)."""

    __slots__ = ("_compiled", "pattern")
    reason = PathNotCovered.code

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._compiled = compiled(pattern)

    def allows(self, asked: Asked) -> bool:
        """Whether the request's URI matches from its first character to its last."""
        return self._compiled.fullmatch(asked.uri) is not None

    def to_json(self) -> object:
        """The pattern."""
        return {"uri_matches": self.pattern}


@dataclass(frozen=True, slots=True)
class Methods:
    """The method is one of these."""

    names: frozenset[str]
    reason = MethodNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the request's method is one of them (RFC 9110 section 9.1: case-sensitive)."""
        return asked.method in self.names

    def to_json(self) -> object:
        """The methods."""
        return {"methods": sorted(self.names)}


@dataclass(frozen=True, slots=True)
class Networks:
    """The client's address is in one of these networks; IPv4-mapped IPv6 counts as IPv4, zones do not count."""

    networks: tuple[Network, ...]
    reason = AddressNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the client's address is in one."""
        address = asked.address
        return address is not None and any(address in network for network in self.networks)

    def to_json(self) -> object:
        """The networks."""
        return {"networks": [str(network) for network in self.networks]}


@dataclass(frozen=True, slots=True)
class Countries:
    """The client is in one of these countries or subdivisions (ISO 3166-1 alpha-2, ISO 3166-2)."""

    codes: frozenset[str]
    reason = PlaceNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the client is known to be in one."""
        place = asked.place
        return bool(place.country) and (
            place.country in self.codes
            or (bool(place.subdivision) and place.subdivision in self.codes)
        )

    def to_json(self) -> object:
        """The codes."""
        return {"countries": sorted(self.codes)}


def network(text: str) -> Network:
    """A network in one of its usual spellings, IPv4-mapped ones as IPv4, or ``TokenBadClaims``."""
    try:
        read = ip_network(text, strict=False)
    except ValueError as error:
        raise TokenBadClaims("The token names a network that is none.") from error
    if isinstance(read, IPv6Network) and read.prefixlen >= 96:
        mapped = read.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, read.prefixlen - 96))
    return read


def compiled(pattern: str) -> Any:
    """A regular expression of a token: bounded in size, and matched in linear time."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise TokenBadClaims("The token's regular expression is too long.")
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise TokenBadClaims("The token's regular expression is not one.") from error
