"""Who asks, as proxies name it: X-Forwarded-For and Forwarded (RFC 7239), read from the right.

Each proxy adds at the right end what it knows itself; everything further left is what it was told. So the walk begins
at the right, goes on only past proxies that are trusted, and ends for good at the first entry that is no address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FieldName = Literal["x-forwarded-for", "forwarded"]

_MOST_ELEMENTS = 32
_LONGEST_ELEMENT = 1024
_LONGEST_NODE = 128
_REMEMBERED = 4096

# RFC 7239 section 6: a port, or the name that a proxy gives it.
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]{1,32}))?"
_IPV4 = re.compile(rf"([0-9.]{{7,15}}){_PORT}\Z")
_BRACKETED = re.compile(rf"\[([^\]]{{2,100}})\]{_PORT}\Z")
# RFC 7239 section 4; the quantifiers give nothing back, so that no text takes more than one look.
_PAIR = re.compile(
    r"""[ \t]*+(?:([!#$%&'*+.^_`|~0-9A-Za-z-]++)=("(?:[^"\\]|\\.)*+"|[^\s",;]++))?[ \t]*+(?:;|\Z)"""
)
_ESCAPED = re.compile(r"\\(.)")


def address_in(node: str) -> Address | None:
    """The address of one node: with or without port and brackets, IPv4-mapped IPv6 as IPv4, without its zone."""
    return _address_in(node) if len(node) <= _LONGEST_NODE else None


@lru_cache(maxsize=_REMEMBERED)
def _address_in(node: str) -> Address | None:
    match = _IPV4.match(node) or _BRACKETED.match(node)
    text = node if match is None else match[1]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        # '[192.0.2.1]' is neither spelling (RFC 3986 section 3.2.2).
        return None if node.startswith("[") else address
    return address.ipv4_mapped or IPv6Address(int(address))  # a number has no zone


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks."""
    return any(address in network for network in networks)


def viewer_in(
    lines: Sequence[str], *, field: FieldName, trusted: Sequence[Network]
) -> Address | None:
    """The rightmost address of a field that is none of the trusted proxies'.

    ``None`` if everybody in it is trusted, or if something that is no address comes before: nothing left of that is
    known to have been written by a trusted proxy.
    """
    elements, node_of = _READERS[field]
    for element in islice(elements(lines), _MOST_ELEMENTS):
        if not element:
            continue  # RFC 9110 section 5.6.1.2
        address = address_in(node_of(element))
        if address is None or not is_in(address, trusted):
            return address
    return None


def _plain_elements(lines: Sequence[str]) -> Iterator[str]:
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            comma = line.rfind(",", max(0, end - _LONGEST_ELEMENT), end)
            if comma < 0 and end > _LONGEST_ELEMENT:
                yield "too long"
                return
            yield line[comma + 1 : end].strip(" \t")
            end = comma


def _quoting_elements(lines: Sequence[str]) -> Iterator[str]:
    """The elements from the right: a quoted comma parts nothing, and what is further left cannot unbalance a quote."""
    for line in reversed(lines):
        end, quoted = len(line), False
        for place in range(len(line) - 1, -1, -1):
            character = line[place]
            if character == '"' and not (quoted and _is_escaped(line, place)):
                quoted = not quoted
            elif character == "," and not quoted:
                yield line[place + 1 : end].strip(" \t")
                end = place
            if end - place > _LONGEST_ELEMENT:
                yield "too long"
                return
        yield line[:end].strip(" \t")


def _is_escaped(line: str, place: int) -> bool:
    """Whether an odd number of backslashes stands before ``place``."""
    before = line[max(0, place - _LONGEST_ELEMENT) : place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _itself(element: str) -> str:
    return element


def _for_of(element: str) -> str:
    """What ``for`` says in an element of Forwarded; empty if it is missing, said twice, or not well formed."""
    found: list[str] = []
    place = 0
    while place < len(element):
        match = _PAIR.match(element, place)
        if match is None:
            return ""
        if match[1] is not None and match[1].lower() == "for":
            found.append(match[2])
        place = match.end()
    if len(found) != 1:
        return ""
    [value] = found
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


_READERS: dict[FieldName, tuple[Callable[[Sequence[str]], Iterator[str]], Callable[[str], str]]] = {
    "x-forwarded-for": (_plain_elements, _itself),
    "forwarded": (_quoting_elements, _for_of),
}
