"""Long rows of SegmentURL elements, rewritten without looking at each of them twice."""

from __future__ import annotations

import re
import string
from itertools import chain

from edge.manifests.dash.bases import Bases, Resolver

# Each expression begins with what can be searched for quickly; that a space stands before it is seen afterwards.
_NAMED = re.compile(rb"media(?<=\smedia)\s*+=")
_INDEXED = re.compile(rb"index(?<=\sindex)\s*+=")
# A URI as folder and file, when any other folder can be put before the file: no dot segment, nothing encoded that
# could be one, no second scheme, and a folder whose bytes mean themselves.
_FILED = rb'="([^"?#&\\\s]*/)?+(?!\.{1,2}["?#])(?:[^"/?#&:%\\\s]|%(?!2))++(?:[?#][^"\s]*+)?+"'
_MEDIA = re.compile(rb"media(?<=\smedia)" + _FILED)
_INDEX = re.compile(rb"index(?<=\sindex)" + _FILED)

# What a name may consist of without meaning anything to those who resolve a URI.
_LETTERS = (string.ascii_letters + string.digits + "-_").encode()
_MARK = b"\x00"  # in no XML document

Replacement = tuple[int, int, bytes]


class Row:
    """A row of SegmentURL elements, most of which are alike."""

    def __init__(self, data: bytes, start: int, stop: int) -> None:
        self._data = data
        self._start = start
        self._stop = stop
        self._head = (
            b""  # what every element begins with, up to the last byte of its media's folder
        )
        self._folder = b""
        self._marked = (
            b""  # the row with a mark in place of each head; empty when the elements differ
        )
        first = _MEDIA.search(data, start, stop)
        if first is not None and _is_plain(head := data[start : first.end(1)], first[1]):
            marked = data[start:stop].replace(head, _MARK)
            if _is_even(marked):
                self._head, self._folder, self._marked = head, first[1], marked

    @property
    def is_named(self) -> bool:
        """Whether every SegmentURL names its media."""
        if self._marked:
            return True
        count = self._data.count(b"<SegmentURL", self._start, self._stop)
        return len(_NAMED.findall(self._data, self._start, self._stop)) == count

    def rewrite(self, resolver: Resolver, bases: Bases) -> list[Replacement] | None:
        """What to put in place of the folders of the URIs, ``None`` when they must be looked at one by one."""
        if not resolver.by_folder:
            return None
        if not self._marked:
            return _folder_by_folder(self._data, self._start, self._stop, resolver, bases)
        text = _moved(self._folder, resolver, bases)
        if text is None:
            return []
        head = self._head[: -len(self._folder)] + text
        return [(self._start, self._stop, self._marked.replace(_MARK, head))]


def _is_plain(head: bytes, folder: bytes | None) -> bool:
    """Whether this is the first SegmentURL up to the folder of its media, with nothing else to rewrite."""
    if not folder or folder.endswith(b"//") or b"index" in head:
        return False
    return head.startswith(b"<SegmentURL") and head.count(b"<") == 1


def _is_even(marked: bytes) -> bool:
    """Whether every element of a row is like the first but for letters, the folder of whose media is marked.

    What tells a folder from a file, and one attribute from another, is punctuation. So one look at the first
    element and one comparison of all punctuation stand for a look at every element.
    """
    frame = marked.translate(None, _LETTERS)
    end = frame.find(_MARK, 1)
    unit = frame if end < 0 else frame[:end]
    space = unit[unit.rfind(b">") + 1 :]
    count, rest = divmod(len(frame) + len(space), len(unit))
    if rest or frame + space != unit * count or not unit.startswith(_MARK):
        return False
    if unit.count(b"<") != unit.count(b"</"):  # an element without a mark
        return False
    if b"&#" in unit or (b"%" in unit and b"%2" in marked):
        return False
    if unit.count(b'"') > 1 and b"index" in marked:  # of the quotes of media, one is marked
        return False
    # A file that has no name, or one that may be a dot segment.
    follows = unit[1:2]
    return follows not in (b'"', b".", b"?", b"#") or _MARK + follows not in marked


def _folder_by_folder(
    data: bytes, start: int, stop: int, resolver: Resolver, bases: Bases
) -> list[Replacement] | None:
    if data.find(b"&#", start, stop) >= 0:
        return None
    if data.count(b"<SegmentURL", start, stop) != data.count(b"<S", start, stop):
        return None
    found = _MEDIA.findall(data, start, stop)
    named = len(_NAMED.findall(data, start, stop))
    if data.find(b"index", start, stop) >= 0:
        found += _INDEX.findall(data, start, stop)
        named += len(_INDEXED.findall(data, start, stop))
    if len(found) != named:
        return None
    folders: dict[bytes, bytes | None] = dict.fromkeys(found)
    for folder in folders:
        if folder.endswith(b"//") or (not folder and not bases.in_step):
            return None
        folders[folder] = _moved(folder, resolver, bases) if folder else None
    if not any(text is not None for text in folders.values()):
        return []
    replacements: list[Replacement] = []
    for match in chain(_MEDIA.finditer(data, start, stop), _INDEX.finditer(data, start, stop)):
        text_bytes = folders[match[1] or b""]
        if text_bytes is not None:
            replacements.append((match.start(1), match.end(1), text_bytes))
    return replacements


def _moved(folder: bytes, resolver: Resolver, bases: Bases) -> bytes | None:
    """What is written in place of a folder, ``None`` when it stays."""
    text = resolver.follow(folder.decode(), bases).text
    return None if text is None else _folder(text)


def _folder(text: str) -> bytes:
    return b"" if text == "./" else text.replace("&", "&amp;").replace("<", "&lt;").encode()
