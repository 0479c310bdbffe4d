"""Where a URI stands in an MPD: its bytes, what they say, and how another URI is written in their place."""

from __future__ import annotations

import re

from edge.manifests.dash.scan import Attribute, Element
from edge.manifests.places import Kind

_SPACE = b" \t\r\n"
_WORD = re.compile(rb"[^ \t\r\n]+")
_CDATA_OPEN, _CDATA_CLOSE = len(b"<![CDATA["), len(b"]]>")
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_IN_QUOTES = {
    ord('"'): str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;"}),
    ord("'"): str.maketrans({"&": "&amp;", "<": "&lt;", "'": "&apos;"}),
}


class Spot:
    """One URI in the document, and what has been decided about it."""

    __slots__ = (
        "element",
        "kind",
        "name",
        "period",
        "quote",
        "reachable",
        "start",
        "stop",
        "text",
        "uri",
    )

    def __init__(
        self, uri: str, start: int, stop: int, element: Element, name: str = "", quote: int = 0
    ) -> None:
        self.uri = uri
        self.start = start
        self.stop = stop
        self.element = element
        self.name = name  # of the attribute; '' for text
        self.quote = quote  # the byte that encloses the attribute's value
        self.kind = Kind.SEGMENT
        self.text: str | None = None  # None: the bytes stay
        self.reachable = False
        self.period = 0

    def __str__(self) -> str:
        inside = f"Period {self.period}, " if self.period else ""
        return f"{inside}{self.element.tag} {self.name}".rstrip()

    def written(self, data: bytes) -> bytes | None:
        """The bytes that replace this spot, or ``None`` when they stay as they are."""
        text = self.text
        if text is None:
            if not (self.reachable and self._awkward(data)):
                return None
            text = self.uri
        table = _IN_QUOTES[self.quote] if self.quote else _IN_TEXT
        return text.translate(table).encode()

    def _awkward(self, data: bytes) -> bool:
        """Whether a parameter could not be put behind these bytes: '#' and '&' in them are not what they seem."""
        raw = data[self.start : self.stop]
        return b"&#" in raw or b"<" in raw


def of_attribute(element: Element, name: str) -> Spot | None:
    """The URI in an attribute; ``None`` when there is none or it is blank."""
    attribute = element.attributes.get(name)
    if attribute is None:
        return None
    raw = attribute.raw
    quote = element.document.data[attribute.start - 1]
    if raw[:1].isspace() or raw[-1:].isspace():
        lead = len(raw) - len(raw.lstrip(_SPACE))
        raw = raw.strip(_SPACE)
        attribute = Attribute(raw, attribute.start + lead)
    uri = attribute.value.strip()
    return Spot(uri, attribute.start, attribute.stop, element, name, quote) if uri else None


def of_list(element: Element, name: str) -> list[Spot]:
    """The URIs in an attribute that lists them, parted by white space."""
    attribute = element.attributes.get(name)
    if attribute is None:
        return []
    quote = element.document.data[attribute.start - 1]
    words = (
        Attribute(word[0], attribute.start + word.start()) for word in _WORD.finditer(attribute.raw)
    )
    return [Spot(word.value, word.start, word.stop, element, name, quote) for word in words]


def of_text(element: Element) -> Spot | None:
    """The URI that is the text of an element; ``None`` when it is blank or when there are elements in it."""
    if element.children:
        return None
    document = element.document
    runs = [run for run in element.runs if document.data[run.start : run.stop].strip(_SPACE)]
    uri = "".join(document.decode(run) for run in runs).strip()
    if not uri:
        return None
    first, last = runs[0], runs[-1]
    raw = document.data[first.start : first.stop]
    start = first.start + len(raw) - len(raw.lstrip(_SPACE))
    raw = document.data[last.start : last.stop]
    stop = last.stop - (len(raw) - len(raw.rstrip(_SPACE)))
    # A section whose bytes mean themselves is replaced whole, so that what replaces it is ordinary text.
    if first.cdata:
        start = first.start - _CDATA_OPEN
    if last.cdata:
        stop = last.stop + _CDATA_CLOSE
    return Spot(uri, start, stop, element)
