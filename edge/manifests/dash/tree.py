"""An MPD as a tree of byte positions: nothing is lost; attributes and text are read when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

_LEAVES = re.compile(rb"<(S(?:egmentURL)?)[^>]*+(>)(?:(?<=/>)|</[^>]*+>)")
_ATTRIBUTE = re.compile(rb"""\s([^\s<>/!?"'=&]++)\s*+=\s*+(?:"([^"<]*+)"|'([^'<]*+)')""")
_ASIDE = re.compile(
    rb"<!--[^-]*+(?:-(?!->)[^-]*+)*+-->"
    rb"|<!\[CDATA\[([^\]]*+(?:\](?!\]>)[^\]]*+)*+)\]\]>"
    rb"|<\?[^?]*+(?:\?(?!>)[^?]*+)*+\?>"
)
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_SPACE = str.maketrans("\t\n\r", "   ")
_DASH = "urn:mpeg:dash:schema:mpd:"


class Attribute:
    """The value of one attribute and where it stands, without its quotes."""

    __slots__ = ("raw", "start", "stop")

    def __init__(self, raw: bytes, start: int) -> None:
        self.raw = raw
        self.start = start
        self.stop = start + len(raw)

    @property
    def value(self) -> str:
        """The value as an XML parser reports it (XML 1.0 section 3.3.3)."""
        text = self.raw.decode("utf-8", "replace")
        if "\n" in text or "\r" in text or "\t" in text:
            text = text.replace("\r\n", "\n").translate(_SPACE)
        return decode_references(text)


class Run:
    """A stretch of text of an element; ``cdata`` when its bytes mean themselves."""

    __slots__ = ("cdata", "start", "stop")

    def __init__(self, start: int, stop: int, *, cdata: bool) -> None:
        self.start = start
        self.stop = stop
        self.cdata = cdata


class Element:
    """One element: ``start`` to ``stop`` is the whole of it, ``open_stop`` to ``close_start`` its content."""

    __slots__ = (
        "_attributes",
        "_children",
        "_rows",
        "close_start",
        "document",
        "name",
        "open_stop",
        "parent",
        "prefix",
        "scope",
        "start",
        "stop",
    )

    def __init__(
        self,
        document: Document,
        qualified: tuple[str, str],
        start: int,
        open_stop: int,
        parent: Element | None,
        scope: Element | None,
    ) -> None:
        self.document = document
        self.prefix, self.name = qualified
        self.start = start
        self.open_stop = self.close_start = self.stop = open_stop
        self.parent = parent
        self.scope = scope  # the nearest element, itself included, that declares namespaces
        self._children: list[Element] | tuple[()] = ()
        self._rows: list[tuple[int, int]] | None = None  # of leaves not asked for yet
        self._attributes: dict[str, Attribute] | None = None

    def __repr__(self) -> str:
        return f"<{self.tag} at {self.start}>"

    @property
    def tag(self) -> str:
        """The name as it is written."""
        return f"{self.prefix}:{self.name}" if self.prefix else self.name

    @property
    def children(self) -> Sequence[Element]:
        """The elements directly in this one, in document order."""
        if self._rows is not None:
            elements = [*self._children]
            for row in self._rows:
                elements += self._leaves(*row)
            elements.sort(key=_position)
            self._children = elements
            self._rows = None
        return self._children

    def _leaves(self, start: int, stop: int) -> Iterator[Element]:
        document = self.document
        for match in _LEAVES.finditer(document.data, start, stop):
            name = match[1].decode()
            element = Element(document, ("", name), match.start(), match.end(2), self, self.scope)
            element.stop = match.end()
            yield element

    @property
    def outline(self) -> Sequence[Element]:
        """The children without the leaves that stand in rows."""
        return self._children if self._rows is not None else self.children

    @property
    def rows(self) -> Sequence[tuple[int, int]]:
        """Where the leaves stand that are not in the outline: rows of S or SegmentURL elements and white space."""
        return self._rows or ()

    def add(self, child: Element) -> None:
        """Append a child; only the scanner does."""
        if self._children:
            self._children.append(child)
        else:
            self._children = [child]

    def add_row(self, start: int, stop: int) -> None:
        """Append a row of leaves; only the scanner does."""
        if self._rows is None:
            self._rows = []
        self._rows.append((start, stop))

    @property
    def attributes(self) -> dict[str, Attribute]:
        """Every attribute by its name as it is written (``xlink:href``)."""
        if self._attributes is None:
            data = self.document.data
            found: dict[str, Attribute] = {}
            for match in _ATTRIBUTE.finditer(data, self.start + 1, self.open_stop):
                group = 2 if match.start(2) >= 0 else 3
                found[match[1].decode("utf-8", "replace")] = Attribute(
                    match[group], match.start(group)
                )
            self._attributes = found
        return self._attributes

    def get(self, name: str) -> str | None:
        """The value of an attribute, or ``None`` when it is not there."""
        attribute = self.attributes.get(name)
        return None if attribute is None else attribute.value

    def namespace_of(self, prefix: str) -> str | None:
        """What a prefix is bound to here; '' is the default namespace. Undeclared is ``None``."""
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        node = self.scope
        while node is not None:
            declared = node.attributes.get(name)
            if declared is not None:
                return declared.value or None
            node = None if node.parent is None else node.parent.scope
        return None

    @property
    def namespace(self) -> str | None:
        """The namespace of this element, ``None`` when it has none or its prefix is undeclared."""
        return self.namespace_of(self.prefix)

    @property
    def runs(self) -> Iterator[Run]:
        """The text of this element itself, without that of its children, comments or instructions."""
        position = self.open_stop
        for child in self.children:
            yield from _runs(self.document.data, position, child.start)
            position = child.stop
        yield from _runs(self.document.data, position, self.close_start)

    @property
    def text(self) -> str:
        """The text of this element itself, decoded."""
        return "".join(self.document.decode(run) for run in self.runs)

    def named(self, *names: str) -> Iterator[Element]:
        """The children with one of these local names, whatever their prefix."""
        return (child for child in self.children if child.name in names)

    def walk(self) -> Iterator[Element]:
        """This element and everything below it, in document order."""
        stack = [self]
        while stack:
            element = stack.pop()
            yield element
            stack.extend(reversed(element.children))


class Document:
    """A scanned MPD: its bytes, and its elements in document order, except leaves that nobody has asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.elements: list[Element] = []

    @property
    def root(self) -> Element:
        """The outermost element."""
        return self.elements[0]

    @cached_property
    def dash_namespace(self) -> str | None:
        """The namespace in which this document's MPD stands, whatever its spelling, or ``None``."""
        return self.root.namespace

    def is_dash(self, element: Element) -> bool:
        """Whether an element belongs to DASH rather than to an extension inside it."""
        root = self.root
        if element.scope is root.scope and element.prefix == root.prefix:
            return True
        namespace = element.namespace
        if namespace is None:  # no namespace at all, or a prefix that nobody declared
            return self.dash_namespace is None and element.prefix == root.prefix
        # Players do not mind 'urn:mpeg:DASH:schema:MPD:2011' nor a later year.
        return namespace == self.dash_namespace or namespace.lower().startswith(_DASH)

    def decode(self, run: Run) -> str:
        """A stretch of text as an XML parser reports it."""
        text = self.data[run.start : run.stop].decode("utf-8", "replace")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text if run.cdata else decode_references(text)


def decode_references(text: str) -> str:
    """Text with the references that XML itself defines replaced; others stay, and a strict parser refuses them."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        return _NAMED[name]
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _position(element: Element) -> int:
    return element.start


def _runs(data: bytes, start: int, stop: int) -> Iterator[Run]:
    position = start
    if data.find(b"<", start, stop) >= 0:
        for aside in _ASIDE.finditer(data, start, stop):
            if aside.start() > position:
                yield Run(position, aside.start(), cdata=False)
            if aside.start(1) >= 0:
                yield Run(*aside.span(1), cdata=True)
            position = aside.end()
    if stop > position:
        yield Run(position, stop, cdata=False)
