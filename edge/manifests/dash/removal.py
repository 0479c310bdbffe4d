"""Edits that take elements and attribute values out of an MPD and leave what remains tidy."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from edge.manifests.dash.scan import Element
from edge.manifests.edits import Edit

_BLANK = b" \t"
_TOKEN = re.compile(r"[^\s,]+")


def without(element: Element, *, where: str, why: str) -> Edit:
    """The whole element goes, and with it the line or lines that hold nothing else."""
    data = element.document.data
    start, stop = element.start, element.stop
    before = start - 1
    while before >= 0 and data[before] in _BLANK:
        before -= 1
    after = stop
    while after < len(data) and data[after] in _BLANK:
        after += 1
    if data[after : after + 2] == b"\r\n":
        after += 2
    elif data[after : after + 1] in (b"\n", b"\r"):
        after += 1
    else:
        return Edit(start=start, stop=stop, text=b"", where=where, why=why)
    if before >= 0 and data[before : before + 1] not in (b"\n", b"\r"):
        return Edit(start=start, stop=stop, text=b"", where=where, why=why)
    return Edit(start=before + 1, stop=after, text=b"", where=where, why=why)


def without_ids(
    element: Element, name: str, gone: Collection[str], *, where: str, why: str
) -> Iterator[Edit]:
    """A list of ids loses those that are gone; an element whose list is empty then goes."""
    attribute = element.attributes.get(name)
    if attribute is None:
        return
    ids = _TOKEN.findall(attribute.value)
    left = [identifier for identifier in ids if identifier not in gone]
    if len(left) == len(ids):
        return
    if not left:
        yield without(element, where=where, why=why)
        return
    separator = "," if "," in attribute.value else " "
    yield set_attribute(element, name, separator.join(left), where=where, why=why)


def set_attribute(element: Element, name: str, value: str, *, where: str, why: str) -> Edit:
    """An attribute gets a value; a new one stands first."""
    attribute = element.attributes.get(name)
    if attribute is not None:
        start, stop, text = attribute.start, attribute.stop, escaped(value)
    else:
        start = stop = element.start + 1 + len(element.tag.encode())
        text = b' %s="%s"' % (name.encode(), escaped(value))
    return Edit(start=start, stop=stop, text=text, where=f"{where} {name}", why=why)


def escaped(value: str) -> bytes:
    """A value as it stands in quotes of either sort."""
    for character, reference in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ('"', "&quot;"),
        ("'", "&apos;"),
    ):
        value = value.replace(character, reference)
    return value.encode()


def indentation(element: Element) -> bytes:
    """The line end and the blanks that an element begins its line with; nothing if it stands behind something else."""
    data = element.document.data
    start = element.start
    while start > 0 and data[start - 1] in _BLANK:
        start -= 1
    if start == 0 or data[start - 1 : start] not in (b"\n", b"\r"):
        return b""
    end = start - 2 if data[start - 2 : start] == b"\r\n" else start - 1
    return data[end : element.start]
