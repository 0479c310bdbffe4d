"""catnip, cath and catalpn: where a request comes from, what it says, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from config.contracts.grants import Asked
from edge.errors import (
    AddressNotCovered,
    HeaderNotCovered,
    ProtocolNotCovered,
    TokenBadClaims,
    TokenUnsupported,
)
from edge.tokens.cat.cbor import Tagged
from edge.tokens.cat.matches import Matches
from edge.tokens.cat.names import CATALPN, CATH, CATNIP, TAG_IPV4
from edge.tokens.rules import Network, network

_MAX_ENTRIES = 256
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Clients:
    """The client's address is in one of these networks, or its network is one of these autonomous systems."""

    networks: tuple[Network, ...]
    systems: frozenset[int]
    reason = AddressNotCovered.code
    claim = CATNIP

    @classmethod
    def of(cls, value: object) -> Clients:
        """Read the claim, or raise ``TokenBadClaims`` or ``TokenUnsupported``."""
        networks: list[Network] = []
        systems: set[int] = set()
        for entry in entries(value, claim="catnip"):
            if type(entry) is int and 0 <= entry < 2**32:
                systems.add(entry)
            elif isinstance(entry, Tagged):
                networks.append(_network(entry))
            else:
                raise TokenUnsupported("The token's catnip names something that is no network.")
        return cls(tuple(networks), frozenset(systems))

    def allows(self, asked: Asked) -> bool:
        """Whether the client is in one of them."""
        if asked.place.network is not None and asked.place.network in self.systems:
            return True
        address = asked.address
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address is not None and any(address in network for network in self.networks)

    def to_json(self) -> object:
        """The networks and systems."""
        return {"catnip": [*map(str, self.networks), *sorted(self.systems)]}


@dataclass(frozen=True, slots=True)
class Fields:
    """The request has these header fields, and what they say satisfies conditions."""

    fields: tuple[tuple[str, Matches], ...]  # names in lower case
    reason = HeaderNotCovered.code
    claim = CATH

    @classmethod
    def of(cls, value: object) -> Fields:
        """Read the claim, or raise ``TokenBadClaims``."""
        if type(value) is not dict or not 0 < len(value) <= _MAX_ENTRIES:
            raise TokenBadClaims("The token's cath has no fields.")
        found: dict[str, Matches] = {}
        for name, matches in value.items():
            if type(name) is not str or not _FIELD.match(name) or name.lower() in found:
                raise TokenBadClaims(
                    "The token's cath names what is no header field, or one twice."
                )
            found[name.lower()] = Matches.of(matches, claim="cath")
        return cls(tuple(found.items()))

    def allows(self, asked: Asked) -> bool:
        """Whether each is there, and what it says (its lines joined, RFC 9110 section 5.3) satisfies its conditions."""
        wanted = {name for name, _ in self.fields}
        said: dict[str, list[str]] = {}
        for name, value in asked.headers.items():
            if name.lower() in wanted:
                said.setdefault(name.lower(), []).append(value.strip(" \t"))
        return all(
            name in said and matches.hold(", ".join(said[name])) for name, matches in self.fields
        )

    def to_json(self) -> object:
        """The fields and their conditions."""
        return {"cath": {name: matches.to_json() for name, matches in self.fields}}


@dataclass(frozen=True, slots=True)
class Protocols:
    """The client speaks one of these protocols (RFC 7301)."""

    names: frozenset[bytes]
    reason = ProtocolNotCovered.code
    claim = CATALPN

    @classmethod
    def of(cls, value: object) -> Protocols:
        """Read the claim, or raise ``TokenBadClaims``."""
        names = entries(value, claim="catalpn")
        if any(type(name) is not bytes for name in names):
            raise TokenBadClaims("The token's catalpn names what is no protocol.")
        return cls(frozenset(name for name in names if type(name) is bytes))

    def allows(self, asked: Asked) -> bool:
        """Whether the request's protocol is one of them."""
        return asked.protocol.encode() in self.names

    def to_json(self) -> object:
        """The protocols."""
        return {"catalpn": sorted(name.decode(errors="replace") for name in self.names)}


def entries(value: object, *, claim: str) -> tuple[object, ...]:
    """The members of an array of bounded length, or ``TokenBadClaims``; an empty one allows nothing."""
    if type(value) is not tuple or len(value) > _MAX_ENTRIES:
        raise TokenBadClaims(f"The token's {claim} is not an array of few entries.")
    return value


def _network(entry: Tagged) -> Network:
    """RFC 9164 section 3: an address, or a prefix as its length and its bytes, without zeros at its end."""
    width = 4 if entry.tag == TAG_IPV4 else 16
    length, packed = width * 8, entry.value
    if type(packed) is tuple and len(packed) == 2:
        length, packed = packed
    elif type(packed) is bytes and len(packed) != width:
        raise TokenBadClaims("The token's catnip has an address of a wrong length.")
    if type(length) is not int or not 0 <= length <= width * 8:
        raise TokenBadClaims("The token's catnip has a prefix of a wrong length.")
    if type(packed) is not bytes or len(packed) > width:
        # With three members it is an interface (section 3.1.3), which names a host and not who may ask.
        raise TokenUnsupported("The token's catnip names something that is no network.")
    packed = packed.ljust(width, b"\0")
    address = IPv4Address(packed) if width == 4 else IPv6Address(packed)
    read: Network
    if isinstance(address, IPv4Address):
        read = IPv4Network((address, length), strict=False)
    else:
        read = IPv6Network((address, length), strict=False)
    return network(str(read))
