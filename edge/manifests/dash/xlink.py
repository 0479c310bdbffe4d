"""Remote elements of an MPD (ISO/IEC 23009-1 section 5.5): found, and put in their place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.manifests.dash import gate
from edge.manifests.dash.scan import Document, Element, read
from edge.manifests.edits import Edit
from edge.manifests.errors import ManifestError
from edge.manifests.limits import Limits

RESOLVE_TO_ZERO = "urn:mpeg:dash:resolve-to-zero:2013"
_NAMESPACE = "http://www.w3.org/1999/xlink"
_HREF = re.compile(rb":href\s*=")
_PROLOG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml\s[^?]*\?>)?")
_WRAPPER = (b"<fragment>", b"</fragment>")
# What stands in here is not DASH's: licence servers, and messages for the application.
_CLOSED = frozenset({"ContentProtection", "Event"})


@dataclass(frozen=True, slots=True)
class Target:
    """One element that stands for another one elsewhere."""

    href: str
    on_load: bool  # to be resolved at once (else: when it is about to be played)
    element: Element


def references(document: Document) -> Iterator[tuple[Element, str]]:
    """Every element with an xlink:href, and the name of that attribute as it is written."""
    if b":href" not in document.data:
        return
    elements = document.elements
    seen: Element | None = None
    for match in _HREF.finditer(document.data):
        index = bisect_right(elements, match.start(), key=lambda element: element.start) - 1
        element = elements[index] if index >= 0 else None
        if element is None or element is seen or match.start() >= element.open_stop:
            continue
        seen = element
        name = _name(element, "href")
        if name is not None and not _closed(element):
            yield element, name


def xlink_targets(document: Document) -> tuple[Target, ...]:
    """Everything remote in an MPD, outermost first."""
    targets = []
    for element, name in references(document):
        actuate = _name(element, "actuate")
        on_load = actuate is not None and (element.get(actuate) or "").strip() == "onLoad"
        targets.append(Target((element.get(name) or "").strip(), on_load, element))
    return tuple(targets)


def inline(
    document: Document, replacements: Mapping[str, bytes | None], limits: Limits
) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """Edits that put remote elements in their place, and what could not be.

    ``replacements`` has what was fetched for each href, ``None`` for what could not be; other hrefs stay.
    What cannot be used counts as not there: the element keeps its own content and loses its reference (section 5.5.3).
    """
    edits: list[Edit] = []
    warnings: list[str] = []
    done_until = 0
    for target in xlink_targets(document):
        element = target.element
        if element.start < done_until:
            continue  # it stood inside an element that is gone
        where = f"byte {element.start}, {element.tag} xlink:href"
        if target.href.lower() == RESOLVE_TO_ZERO:
            edits.append(_replaced(element, b"", where, "resolves to nothing"))
            done_until = element.stop
        elif target.href in replacements:
            try:
                remote = _remote(replacements[target.href], element, limits)
            except ManifestError as error:
                warnings.append(f"{where}: {target.href[:200]} is not used: {error}")
                edits += _unlinked(element, where)
            else:
                edits.append(_replaced(element, remote, where, "resolved at the edge"))
                done_until = element.stop
    return tuple(edits), tuple(warnings)


def _remote(data: bytes | None, element: Element, limits: Limits) -> bytes:
    """The elements of a remote document, as bytes that can stand where ``element`` stands."""
    if data is None:
        raise ManifestError("it could not be fetched")
    gate.check_bytes(data, limits)
    content = data[_PROLOG.match(data).end() :]  # type: ignore[union-attr]  # it matches everything
    wrapped = content.join(_WRAPPER)
    fragment = read(wrapped, limits)
    gate.check_well_formed(wrapped)
    roots = fragment.root.children
    if not roots or fragment.root.text.strip():
        raise ManifestError("it holds no element, or text beside one")
    for root in roots:
        if root.name != element.name:
            raise ManifestError(f"it holds {root.tag[:100]}, not {element.name}")
        if _name(root, "href") is not None:
            raise ManifestError("it refers on to another one")
    return wrapped[roots[0].start : roots[-1].stop]


def _replaced(element: Element, text: bytes, where: str, why: str) -> Edit:
    return Edit(start=element.start, stop=element.stop, text=text, where=where, why=why)


def _unlinked(element: Element, where: str) -> Iterator[Edit]:
    """Edits that take every xlink attribute off an element, with the white space before it."""
    data = element.document.data
    for name, attribute in element.attributes.items():
        prefix, colon, _ = name.partition(":")
        if colon and _is_xlink(element, prefix):
            start = data.rindex(name.encode(), 0, attribute.start)
            while data[start - 1 : start].isspace():
                start -= 1
            yield Edit(
                start=start,
                stop=attribute.stop + 1,
                text=b"",
                where=where,
                why="the remote element is not to be had",
            )


def _name(element: Element, local: str) -> str | None:
    for name in element.attributes:
        prefix, colon, rest = name.partition(":")
        if colon and rest == local and _is_xlink(element, prefix):
            return name
    return None


def _is_xlink(element: Element, prefix: str) -> bool:
    namespace = element.namespace_of(prefix)
    return namespace == _NAMESPACE or (namespace is None and prefix == "xlink")


def _closed(element: Element) -> bool:
    node: Element | None = element
    while node is not None:
        if node.name in _CLOSED:
            return True
        node = node.parent
    return False
