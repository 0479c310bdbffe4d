"""Which addresses an origin's connections may lead to, whatever a name or a redirect says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

IPAddress = IPv4Address | IPv6Address

# What the registry of special addresses (RFC 6890 and its updates) keeps from the public internet. Spelled out:
# ``is_global`` of one Python release differs from that of the next, and is true for several of these.
_SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Global unicast (RFC 4291 section 2.4), which leaves out fec0::/10, 5f00::/16, multicast and all local ranges.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: a v4 address of anyone's choice
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are where the connection ends
_PRIVATE_V4 = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_PRIVATE_V6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 section 6.1, before an embedded v4 address


class AddressRefused(OSError):
    """An address that this origin's connections must not lead to."""

    def __init__(self) -> None:
        # One message for all: happy eyeballs then hands on this very error.
        super().__init__("the origin's address is not allowed: see its setting 'private'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Lets global addresses pass, and those that the operator allowed."""

    private: bool = False  # private and loopback addresses pass too
    written: frozenset[IPAddress] = frozenset()  # addresses that stand in the settings themselves
    localhost: bool = False  # 'localhost' stands in the settings

    def allows(self, text: str, *, name: str = "") -> bool:
        """Whether a connection to this address may be opened, if ``name`` led to it."""
        try:
            address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if is_global(address):
            return True
        private = is_private(address)
        if private and self.private:
            return True
        if name:  # an address in the settings is no leave for names, which others may point there
            return self.localhost and name == "localhost" and address.is_loopback
        if self.localhost and address.is_loopback:
            return True
        return address in self.written and (private or self.private)

    def check(self, text: str) -> None:
        """Return, or raise ``AddressRefused``."""
        if not self.allows(text):
            raise AddressRefused


def guard_of(hosts: Iterable[str], *, private: bool) -> Guard:
    """The guard of an origin whose settings name these hosts, as they were written there."""
    named = [host.lower().strip("[]") for host in hosts]
    written = set()
    for host in named:
        try:
            written.add(_plain(ipaddress.ip_address(host)))
        except ValueError:  # a name; also every other spelling of a number
            continue
    return Guard(private=private, written=frozenset(written), localhost="localhost" in named)


def host_of(url: str) -> str:
    """The host of a URL as it is written, without brackets or port."""
    return urlsplit(url).hostname or ""


def is_global(address: IPAddress) -> bool:
    """Whether this is a unicast address of the public internet that hides no other one."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    if address in _NAT64:
        return is_global(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _GLOBAL_V6 or any(address in network for network in _SPECIAL_V6):
        return False
    hidden = int(address) & 0xFFFFFFFF
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return is_global(IPv4Address(hidden))
    return True


def is_private(address: IPAddress) -> bool:
    """Whether this is an address of a private network or of this machine; link-local (metadata services) is neither."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _PRIVATE_V4)
    return any(address in network for network in _PRIVATE_V6)


def _plain(address: IPAddress) -> IPAddress:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
