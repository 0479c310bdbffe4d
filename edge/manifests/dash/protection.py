"""ContentProtection elements that stand for others of the same MPD, when those others go.

ISO/IEC 23009-1 (5th edition) section 5.8.4.1.3: an element with ``@ref`` has the attributes and the content of the one
with that ``@refId``, wherever it stands. When that one goes, the first that refers to it takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from edge.manifests.dash.removal import escaped
from edge.manifests.dash.scan import Document, Element
from edge.manifests.edits import Edit

_NAME = "ContentProtection"
_PREFIX = re.compile(rb"(?:</?|\s)([A-Za-z_][A-Za-z0-9_.-]{0,100}):(?=[A-Za-z_])")
_RESERVED = frozenset({"xml", "xmlns"})


def mended(document: Document, gone: Collection[Element]) -> Iterator[Edit]:
    """What must change so that no reference leads to something in an element that goes."""
    if not gone or b"refId" not in document.data:
        return
    kept: list[Element] = []
    lost: dict[str, Element] = {}
    for element in document.elements:
        if element.name == _NAME and document.is_dash(element):
            name = element.get("refId")
            if not _is_inside(element, gone):
                kept.append(element)
            elif name is not None:
                lost.setdefault(name, element)
    for element in kept:
        lost.pop(element.get("refId") or "", None)
    for element in kept:
        source = lost.pop(element.get("ref") or "", None)
        if source is not None:
            yield Edit(
                start=element.start,
                stop=element.stop,
                text=_in_place_of(source, element),
                where=f"{_NAME} {element.get('ref')}",
                why="the ContentProtection that it refers to went",
            )


def _is_inside(element: Element, gone: Collection[Element]) -> bool:
    node: Element | None = element
    while node is not None:
        if node in gone:
            return True
        node = node.parent
    return False


def _in_place_of(source: Element, element: Element) -> bytes:
    """``element`` with all that it had from ``source``; what it says itself counts."""
    data = element.document.data
    content = data[element.open_stop : element.close_start].strip()
    content += data[source.open_stop : source.close_start]
    own, inherited = element.attributes, source.attributes
    pieces = [b"<", element.tag.encode()]
    for name in (*own, *(name for name in inherited if name not in own)):
        if name != "ref":
            attribute = own.get(name) or inherited[name]
            quote = data[attribute.start - 1 : attribute.start]
            pieces += (b" ", name.encode(), b"=", quote, attribute.raw, quote)
    pieces += _declarations(source, element, content)
    if content.strip():
        pieces += (b">", content, b"</", element.tag.encode(), b">")
    else:
        pieces.append(b"/>")
    return b"".join(pieces)


def _declarations(source: Element, element: Element, content: bytes) -> Iterator[bytes]:
    """The prefixes that mean nothing, or something else, where the content comes to stand."""
    used = dict.fromkeys(name.decode() for name in _PREFIX.findall(content))
    used |= dict.fromkeys(name.partition(":")[0] for name in source.attributes if ":" in name)
    for prefix in used:
        declaration = f"xmlns:{prefix}"
        if (
            prefix in _RESERVED
            or declaration in source.attributes
            or declaration in element.attributes
        ):
            continue
        namespace = source.namespace_of(prefix)
        if namespace is not None and namespace != element.namespace_of(prefix):
            yield b' %s="%s"' % (declaration.encode(), escaped(namespace))
