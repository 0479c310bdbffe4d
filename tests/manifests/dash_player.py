"""What a DASH player asks for, told by lxml and urllib: an independent reading of ISO/IEC 23009-1 section 5.6.4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from urllib.parse import urljoin

from lxml import etree

from tests.manifests.dash_corpus import tree

_IDENTIFIER = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time|SubNumber)(%0\d+d)?)?\$")
_INFOS = ("SegmentTemplate", "SegmentList", "SegmentBase")
_XLINK = "{http://www.w3.org/1999/xlink}href"

_AUTHORITY = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")
_EMPTY = "/empty-segment/"

Request = tuple[str, str]


def local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def children(element: etree._Element, *names: str) -> list[etree._Element]:
    return [child for child in element if local(child) in names]


def join(base: str, reference: str) -> str:
    """What ``urljoin`` says, which by itself would drop empty path segments."""
    reference = reference.strip()
    if not reference:
        return base
    if "//" not in _after_authority(reference) and "//" not in _after_authority(base):
        return urljoin(base, reference)
    return urljoin(_kept(base), _kept(reference)).replace(_EMPTY, "//")


def _after_authority(reference: str) -> str:
    return _AUTHORITY.sub("", reference)


def _kept(reference: str) -> str:
    rest = _after_authority(reference)
    return reference[: len(reference) - len(rest)] + rest.replace("//", _EMPTY)


def text_of(element: etree._Element) -> str:
    return (element.text or "") + "".join(child.tail or "" for child in element)


def requests(data: bytes, url: str) -> list[Request]:
    """Everything that is asked for, in document order, with where it was named."""
    root = tree(data)
    return list(_requests(root, url))


def _requests(root: etree._Element, url: str) -> Iterator[Request]:
    for element in root.iter("{*}Location", "{*}PatchLocation", "{*}ContentSteering"):
        if text_of(element).strip():
            yield local(element), join(url, text_of(element))
    for element in root.iter():
        if _XLINK in element.attrib:
            yield "xlink", join(url, str(element.attrib[_XLINK]))
    bases = _bases(root, [url])
    for element in children(root, "UTCTiming"):
        if ":utc:http-" in element.get("schemeIdUri", ""):
            for word in element.get("value", "").split():
                yield "UTCTiming", join(bases[0], word)
    for number, period in enumerate(children(root, "Period"), start=1):
        at_period = _bases(period, bases)
        for adaptation in children(period, "AdaptationSet"):
            at_set = _bases(adaptation, at_period)
            for representation in children(adaptation, "Representation"):
                levels = [period, adaptation, representation]
                for index, base in enumerate(_bases(representation, at_set)):
                    for what, target in _segments(levels, base):
                        yield f"Period {number} alternative {index} {what}", target


def _bases(element: etree._Element, above: list[str]) -> list[str]:
    found = children(element, "BaseURL")
    if not found:
        return above
    return list(dict.fromkeys(join(base, text_of(child)) for child, base in product(found, above)))


def _segments(levels: list[etree._Element], base: str) -> Iterator[Request]:
    infos = [info for level in levels for info in children(level, *_INFOS)]
    template: dict[str, str] = {}
    for info in infos:
        if local(info) == "SegmentTemplate":
            template.update({str(key): str(value) for key, value in info.attrib.items()})
    lists = [info for info in infos if local(info) == "SegmentList"]
    for info in infos:
        for part in children(info, "Initialization", "RepresentationIndex", "BitstreamSwitching"):
            yield local(part), join(base, part.get("sourceURL", ""))
    if template:
        first = int(template.get("startNumber", "1") or 1)
        for name in ("media", "initialization", "index", "bitstreamSwitching"):
            if name in template:
                for number in (first, first + 1234):
                    yield name, join(base, _fill(template[name], levels[-1], number))
    if lists:
        for part in children(lists[-1], "SegmentURL"):
            yield "SegmentURL", join(base, part.get("media", ""))
            if part.get("index"):
                yield "SegmentURL index", join(base, part.get("index", ""))
    if not template and not lists and any(children(level, "BaseURL") for level in levels):
        yield "media", base


def _fill(template: str, representation: etree._Element, number: int) -> str:
    values: dict[str, str | int] = {
        "RepresentationID": representation.get("id", ""),
        "Bandwidth": int(representation.get("bandwidth", "0")),
        "Number": number,
        "Time": number * 90000,
        "SubNumber": 3,
    }

    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        value = values[match[1]]
        return (match[2] % value) if match[2] and isinstance(value, int) else str(value)

    return _IDENTIFIER.sub(one, template)
