"""Applies an MPD patch as RFC 5261 says, with lxml: nothing in it comes from the code that makes patches."""

from __future__ import annotations

import re

from lxml import etree

PATCH = "{urn:mpeg:dash:schema:mpd-patch:2020}"
_STEP = re.compile(
    r"/(?P<name>[\w.-]+)(?:\[(?:(?P<position>\d+)|@(?P<key>[\w]+)='(?P<value>[^']*)')\])?"
)


def apply_patch(document: bytes, patch: bytes) -> bytes:
    root = etree.fromstring(document)
    operations = etree.fromstring(patch)
    assert operations.tag == PATCH + "Patch"
    assert operations.get("mpdId") == root.get("id")
    assert operations.get("originalPublishTime") == root.get("publishTime")
    for operation in operations:
        _apply(root, operation)
    assert operations.get("publishTime") == root.get("publishTime")
    return etree.tostring(root)


def _apply(root: etree._Element, operation: etree._Element) -> None:
    path, _, attribute = str(operation.attrib["sel"]).partition("/@")
    target = _select(root, path)
    parent = target.getparent()
    content = list(operation)
    match str(operation.tag).removeprefix(PATCH):
        case "replace" if attribute:
            assert attribute in target.attrib
            target.set(attribute, operation.text or "")
        case "replace":
            (content_one,) = content
            assert parent is not None
            parent.replace(target, content_one)
        case "remove" if attribute:
            del target.attrib[attribute]
        case "remove":
            assert parent is not None
            parent.remove(target)
        case "add" if operation.get("type"):
            name = str(operation.attrib["type"]).removeprefix("@")
            assert name not in target.attrib
            target.set(name, operation.text or "")
        case "add":
            _insert(target, parent, str(operation.get("pos") or "append"), content)
        case other:
            raise AssertionError(other)


def _insert(
    target: etree._Element, parent: etree._Element | None, pos: str, content: list[etree._Element]
) -> None:
    assert content
    if pos == "append":
        target.extend(content)
    elif pos == "prepend":
        for index, element in enumerate(content):
            target.insert(index, element)
    else:
        assert parent is not None
        place = parent.index(target) + (pos == "after")
        for index, element in enumerate(content):
            parent.insert(place + index, element)


def _select(root: etree._Element, path: str) -> etree._Element:
    steps = list(_STEP.finditer(path))
    assert "".join(step[0] for step in steps) == path
    namespace = etree.QName(root).namespace
    assert steps[0]["name"] == etree.QName(root).localname
    element = root
    for step in steps[1:]:
        name = f"{{{namespace}}}{step['name']}" if namespace else step["name"]
        found = element.findall(name)
        if step["position"]:
            found = found[int(step["position"]) - 1 : int(step["position"])]
        elif step["key"]:
            found = [child for child in found if child.get(step["key"]) == step["value"]]
        assert len(found) == 1, f"{step[0]} of {path} selects {len(found)} elements"
        element = found[0]
    return element


def canonical(document: bytes) -> bytes:
    """The document without comments, white space between elements and spelling."""
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(document, parser)
    for element in root.iter():
        element.tail = None
        if not (element.text or "").strip():
            element.text = None
    etree.cleanup_namespaces(root)
    return etree.tostring(root, method="c14n2")
