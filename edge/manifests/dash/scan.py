"""From bytes to a tree of positions, in one pass and within limits."""

from __future__ import annotations

import re

from edge.manifests.dash import gate
from edge.manifests.dash.tree import Attribute, Document, Element, Run
from edge.manifests.errors import (
    NotAManifest,
    TooDeep,
    TooManyAttributes,
    TooManyElements,
    Truncated,
)
from edge.manifests.limits import Limits

__all__ = ["Attribute", "Document", "Element", "Run", "read", "root_of", "scan"]

# One token after '<'. The quantifiers are possessive and the alternatives begin with different
# bytes, so a byte is looked at once; the last, empty group catches what is no markup at all. Plain S and
# SegmentURL elements are most of a long MPD: a row of them is one token, and becomes elements when somebody asks.
_LEAF = (
    rb"""S(?:egmentURL)?(?:\s++(?!xmlns)[A-Za-z]{1,20}\s*+=\s*+"[^"<>]*+"){0,8}+"""
    rb"""\s*+(?:/>|></S(?:egmentURL)?\s*+>)"""
)
_TOKEN = re.compile(
    rb"""<(?:
      ("""
    + _LEAF
    + rb"""(?:\s*+<"""
    + _LEAF
    + rb""")*+)
    | ([^\s<>/!?"'=&]++) (?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+ >
    | /([^\s<>/!?"'=&]++) \s*+ >
    | !--[^-]*+(?:-(?!->)[^-]*+)*+--> ()
    | !\[CDATA\[[^\]]*+(?:\](?!\]>)[^\]]*+)*+\]\]> ()
    | \?[^?]*+(?:\?(?!>)[^?]*+)*+\?> ()
    | ()
    )""",
    re.VERBOSE,
)
_ROW, _OPEN, _CLOSE, _BAD = 1, 2, 3, 7
_UNFINISHED_TAG = re.compile(
    rb"""</?[^\s<>/!?"'=&]*+(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+(?:"[^"<]*+|'[^'<]*+)?\Z"""
)
_UNFINISHED = (b"<!--", b"<![CDATA[", b"<?")
_XMLNS = re.compile(rb"xmlns(?<=\sxmlns)[\s:=]")  # what begins with letters is searched for quickly
_SMALLEST_ATTRIBUTE = len(b' a=""')


def scan(data: bytes, limits: Limits) -> Document:
    """The tree of an MPD, after everything that could make it dangerous or meaningless was refused."""
    gate.check_bytes(data, limits)
    document = read(data, limits)
    gate.check_well_formed(data)
    if document.root.name != "MPD":
        raise NotAManifest(f"the root element is {document.root.tag[:100]}, not MPD")
    return document


def read(data: bytes, limits: Limits) -> Document:
    """The tree of any XML document; what is not well-formed in other ways than nesting is not noticed here."""
    document = Document(data)
    elements = document.elements
    names: dict[bytes, tuple[str, str]] = {}
    declarations = [match.start() for match in _XMLNS.finditer(data)]
    declarations.append(len(data))
    declared = 0
    roomy = limits.attributes * _SMALLEST_ATTRIBUTE
    stack: list[Element] = []
    open_names: list[bytes] = []
    parent: Element | None = None
    scope: Element | None = None
    count = 0

    for token in _TOKEN.finditer(data):
        kind = token.lastindex
        if kind == _OPEN:
            name = token[2]
            start, stop = token.span()
            if parent is None and elements:
                raise NotAManifest("there is something after the root element")
            if len(stack) >= limits.xml_depth:
                raise TooDeep(f"more than {limits.xml_depth} elements inside one another")
            if count >= limits.elements:
                raise TooManyElements(f"more than {limits.elements} elements")
            element = Element(
                document, names.get(name) or _qualify(name, names), start, stop, parent, scope
            )
            while declarations[declared] < start:
                declared += 1
            if declarations[declared] < stop:
                element.scope = element
            if stop - start > roomy and len(element.attributes) > limits.attributes:
                raise TooManyAttributes(
                    f"{element.tag[:100]} has more than {limits.attributes} attributes"
                )
            elements.append(element)
            count += 1
            if parent is not None:
                parent.add(element)
            if data[stop - 2] != 0x2F:  # '/'
                stack.append(element)
                open_names.append(name)
                parent, scope = element, element.scope
        elif kind == _CLOSE:
            if parent is None or token[3] != open_names.pop():
                raise NotAManifest(f"an end tag without its start at byte {token.start()}")
            parent.close_start, parent.stop = token.span()
            stack.pop()
            parent = stack[-1] if stack else None
            scope = None if parent is None else parent.scope
        elif kind == _ROW and parent is not None:
            count += data.count(b"<S", *token.span())
            if count > limits.elements:
                raise TooManyElements(f"more than {limits.elements} elements")
            if len(stack) >= limits.xml_depth:
                raise TooDeep(f"more than {limits.xml_depth} elements inside one another")
            parent.add_row(*token.span())
        elif kind in (_ROW, _BAD):
            raise _malformed(data, token.start())
    if parent is not None:
        raise Truncated(f"the document ends inside {parent.tag[:100]}")
    if not elements:
        if data.strip()[:1] == b"<" or data.startswith(b"\xef\xbb\xbf<"):
            raise Truncated("the document ends before its root element")
        raise NotAManifest("there is no element in it")
    return document


def root_of(data: bytes) -> Element | None:
    """The start tag of the root element, ``None`` when there is none; nothing behind it is looked at."""
    for token in _TOKEN.finditer(data):
        if token.lastindex == _OPEN:
            element = Element(Document(data), _qualify(token[2], {}), *token.span(), None, None)
            element.document.elements.append(element)
            element.scope = element
            return element
        if token.lastindex in (_CLOSE, _ROW, _BAD):
            break
    return None


def _qualify(name: bytes, names: dict[bytes, tuple[str, str]]) -> tuple[str, str]:
    text = name.decode("utf-8", "replace")
    prefix, _, local = text.partition(":")
    qualified = (prefix, local) if prefix and local else ("", text)
    names[name] = qualified
    return qualified


def _malformed(data: bytes, start: int) -> NotAManifest:
    rest = data[start : start + 9]
    for opening in _UNFINISHED:
        if rest.startswith(opening) or (len(rest) < len(opening) and opening.startswith(rest)):
            return Truncated("the document ends inside a comment, an instruction or CDATA")
    if _UNFINISHED_TAG.match(data, start):
        return Truncated("the document ends inside a tag")
    return NotAManifest(f"no markup at byte {start}")
