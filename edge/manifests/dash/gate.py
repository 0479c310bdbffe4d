"""What an MPD must be before anything in it is believed: small enough, UTF-8, without a DTD, well-formed XML."""

from __future__ import annotations

import re

from lxml import etree

from edge.manifests.errors import HostileXml, NotAManifest, TooLarge, TooMuch, Truncated
from edge.manifests.limits import Limits

_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00", b"\x00\x00\xfe\xff", b"\x00\x00\x00<")
_FORBIDDEN = re.compile(rb"<!(?:DOCTYPE|ENTITY|NOTATION|ELEMENT|ATTLIST)", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
# Both are read as UTF-8, which is what every byte position in this package assumes.
_READABLE = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii"})
# libxml2 goes on after a prefix without a declaration, as players do (manifests in the wild have them).
_TOLERATED = etree.ErrorLevels.ERROR


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse what need not be read at all: too large, not UTF-8, or declaring a document type or entities."""
    if len(data) > limits.bytes:
        raise TooLarge(f"{len(data)} bytes; {limits.bytes} are allowed")
    if data.startswith(_WIDE):
        raise NotAManifest("the document is UTF-16 or UTF-32; only UTF-8 is accepted")
    _check_encoding(data)
    forbidden = _FORBIDDEN.search(data)
    if forbidden is not None:
        raise HostileXml(f"{forbidden[0].decode()} at byte {forbidden.start()}")


def _check_encoding(data: bytes) -> None:
    if data.isascii():
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise Truncated("the document ends inside a character") from error
        raise NotAManifest(f"byte {error.start} is not UTF-8") from error
    declared = _DECLARED.match(data.removeprefix(_BOM)[:1024])
    if declared is not None and declared[1].lower() not in _READABLE:
        raise NotAManifest(f"the encoding {declared[1].decode()} is not accepted, only UTF-8")


def check_well_formed(data: bytes) -> None:
    """Refuse what a strict XML parser refuses, except prefixes without a declaration."""
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    try:
        etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        for entry in parser.error_log:
            if entry.level > _TOLERATED:
                kind = TooMuch if entry.type_name == "ERR_RESOURCE_LIMIT" else NotAManifest
                raise kind(f"line {entry.line}: {entry.message}") from error
