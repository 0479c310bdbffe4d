"""MPD patches (ISO/IEC 23009-1 section 5.15) made from two successive documents of our own.

Selectors keep to what players implement of RFC 5261: names from the root, ``[@id='…']`` or ``[n]``, and one attribute.
As in the examples of the standard, names without a prefix stand for DASH elements, whatever prefix the MPD uses.
"""

from __future__ import annotations

import re

from edge.manifests.dash.pairing import identity, pair
from edge.manifests.dash.scan import Document, Element, scan
from edge.manifests.edits import Edit, apply_edits
from edge.manifests.limits import DEFAULT, Limits

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<Patch xmlns="urn:mpeg:dash:schema:mpd-patch:2020"'
_PREFIXES = re.compile(rb"[<\s]/?([A-Za-z_][\w.-]*):[A-Za-z_]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;"})
_SELECTABLE = re.compile(r"[^'\"\[\]/&<>\s]+\Z")
_CHANGES = 500  # of the children of one element
# What stands before PatchLocation in the schema of an MPD.
_BEFORE = ("ProgramInformation", "BaseURL", "Location")


class _Unpatchable(Exception):
    """A patch cannot say this change."""


def make_patch(old: bytes, new: bytes, limits: Limits = DEFAULT) -> bytes | None:
    """What turns ``old`` into ``new``, or ``None`` when players had better fetch the whole document."""
    before, after = scan(old, limits), scan(new, limits)
    mpd_id, published = after.root.get("id"), after.root.get("publishTime")
    original = before.root.get("publishTime")
    if not mpd_id or not published or not original or before.root.get("id") != mpd_id:
        return None
    if published == original:
        return None
    differ = _Differ(before, after)
    try:
        differ.compare(before.root, after.root, "/MPD")
    except _Unpatchable:
        return None
    head = "".join(
        f' {name}="{value.translate(_ATTRIBUTE)}"'
        for name, value in (
            ("mpdId", mpd_id),
            ("originalPublishTime", original),
            ("publishTime", published),
        )
    )
    body = b"".join((f"{_HEAD}{head}>\n".encode(), *differ.operations, b"</Patch>\n"))
    return body if len(body) < len(new) else None


def advertise_patch(
    data: bytes, uri: str, ttl: float, *, mpd_id: str = "live", limits: Limits = DEFAULT
) -> bytes:
    """A live MPD that tells players where its patches are; any other comes back as it is.

    ``ttl`` is for how many seconds a document can be patched. Patches need an id on the MPD: one without gets
    ``mpd_id``, which must stay the same as long as the stream lives.
    """
    root = scan(data, limits).root
    if root.get("type") != "dynamic" or not root.get("publishTime"):
        return data
    if any(root.named("PatchLocation")):
        return data
    edits = []
    if not root.get("id"):
        if "id" in root.attributes:
            return data  # an empty id: nothing a patch could name
        place = root.start + 1 + len(root.tag.encode())
        text = f' id="{mpd_id.translate(_ATTRIBUTE)}"'.encode()
        edits.append(Edit(start=place, stop=place, text=text, where="MPD id", why="for patches"))
    place = root.open_stop
    for child in root.named(*_BEFORE):
        place = child.stop
    first = root.children[0].start if root.children else root.close_start
    indent = data[root.open_stop : first]
    space = indent if indent.isspace() else b""
    prefix = f"{root.prefix}:" if root.prefix else ""
    element = (
        f'<{prefix}PatchLocation ttl="{ttl:.15g}">{uri.translate(_TEXT)}</{prefix}PatchLocation>'
    )
    text = space + element.encode()
    edits.append(
        Edit(start=place, stop=place, text=text, where="PatchLocation", why="offered here")
    )
    return apply_edits(data, edits)


class _Differ:
    def __init__(self, before: Document, after: Document) -> None:
        self._before = before
        self._after = after
        self.operations: list[bytes] = []

    def compare(self, old: Element, new: Element, path: str) -> None:
        """Add the operations that turn ``old``, which ``path`` selects, into ``new``."""
        if _raw(old) == _raw(new):
            return
        if _own(old) != _own(new):
            self._replace(old, new, path)
            return
        start = len(self.operations)
        try:
            self._attributes(old, new, path)
            self._children(old, new, path)
        except _Unpatchable:
            del self.operations[start:]
            self._replace(old, new, path)
            return
        if old.parent is not None and self._length(start) > 2 * len(path) + len(_raw(new)):
            del self.operations[start:]
            self._replace(old, new, path)

    def _length(self, start: int) -> int:
        return sum(map(len, self.operations[start:]))

    def _attributes(self, old: Element, new: Element, path: str) -> None:
        for name, attribute in new.attributes.items():
            value, before = attribute.value, old.get(name)
            if before == value:
                continue
            if ":" in name or name == "xmlns":
                raise _Unpatchable
            if before is None:
                self._emit(f'<add sel="{_quoted(path)}" type="@{name}">', value, "</add>")
            else:
                self._emit(f'<replace sel="{_quoted(path)}/@{name}">', value, "</replace>")
        for name in old.attributes:
            if name not in new.attributes:
                if ":" in name or name == "xmlns":
                    raise _Unpatchable
                self._emit(f'<remove sel="{_quoted(path)}/@{name}"/>')

    def _children(self, old: Element, new: Element, path: str) -> None:
        before = [child for child in old.children if self._before.is_dash(child)]
        after = [child for child in new.children if self._after.is_dash(child)]
        mixed = len(before) < len(old.children)
        kept = pair(before, after)
        gone = set(range(len(before))) - {index for index, _ in kept}
        if len(gone) + len(after) - len(kept) > _CHANGES:
            raise _Unpatchable  # the whole of it is shorter
        if mixed and len(after) > len(kept) and old.parent is not None:
            raise _Unpatchable  # where among the others it goes, a selector of ours cannot say
        # From the end, so that no position changes before it is used.
        for index in sorted(gone, reverse=True):
            self._emit(f'<remove sel="{_quoted(path + _step(before, index))}"/>')
            del before[index]
        for place, (_, index) in enumerate(kept):
            if _raw(before[place]) != _raw(after[index]):
                self.compare(before[place], after[index], path + _step(before, place))
        self._add(before, after, {index for _, index in kept}, path, mixed=mixed)

    def _add(
        self,
        current: list[Element],
        after: list[Element],
        kept: set[int],
        path: str,
        *,
        mixed: bool,
    ) -> None:
        index = 0
        while index < len(after):
            if index in kept:
                index += 1
                continue
            stop = index
            while stop < len(after) and stop not in kept:
                stop += 1
            place = _quoted(path)
            if current and (index < len(current) or mixed):
                beside = max(index - 1, 0)
                place = _quoted(path + _step(current, beside))
                place += '" pos="after' if index else '" pos="before'
            added = b"".join(_standing_alone(element) for element in after[index:stop])
            self.operations.append(f'<add sel="{place}">'.encode() + added + b"</add>\n")
            current[index:index] = after[index:stop]
            index = stop

    def _replace(self, old: Element, new: Element, path: str) -> None:
        if old.parent is None:
            raise _Unpatchable
        self.operations.append(
            f'<replace sel="{_quoted(path)}">'.encode() + _standing_alone(new) + b"</replace>\n"
        )

    def _emit(self, opening: str, value: str = "", closing: str = "") -> None:
        self.operations.append(f"{opening}{value.translate(_TEXT)}{closing}\n".encode())


def _own(element: Element) -> tuple[str, list[bytes], list[tuple[str, str]]]:
    """What no operation here can change: own text, children of other vocabularies, namespaces."""
    document = element.document
    foreign = [_raw(child) for child in element.children if not document.is_dash(child)]
    namespaces = sorted(
        (name, attribute.value)
        for name, attribute in element.attributes.items()
        if name == "xmlns" or name.startswith("xmlns:")
    )
    return element.text.strip(), foreign, namespaces


def _step(siblings: list[Element], index: int) -> str:
    """The part of a selector that picks one of these siblings."""
    element = siblings[index]
    same = [sibling for sibling in siblings if sibling.name == element.name]
    # Shaka puts a PatchLocation that is selected without its position behind the old one, and asks that one again.
    if len(same) == 1 and element.name != "PatchLocation":
        return f"/{element.name}"
    name = element.get("id")
    if (
        name is not None
        and _SELECTABLE.match(name)
        and identity(element) == ("id", name)
        and sum(sibling.get("id") == name for sibling in same) == 1
    ):
        return f"/{element.name}[@id='{name}']"
    return f"/{element.name}[{same.index(element) + 1}]"


def _standing_alone(element: Element) -> bytes:
    """The bytes of an element with the namespaces that they use from above."""
    raw = _raw(element)
    prefixes = {"", *(match[1].decode() for match in _PREFIXES.finditer(raw))} - {"xml", "xmlns"}
    declarations = ""
    for prefix in sorted(prefixes):
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        namespace = element.namespace_of(prefix)
        if name not in element.attributes and (namespace is not None or not prefix):
            declarations += f' {name}="{(namespace or "").translate(_ATTRIBUTE)}"'
    place = 1 + len(element.tag.encode())
    return raw[:place] + declarations.encode() + raw[place:]


def _raw(element: Element) -> bytes:
    return element.document.data[element.start : element.stop]


def _quoted(selector: str) -> str:
    return selector.translate(_ATTRIBUTE)
