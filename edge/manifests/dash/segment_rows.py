"""Long rows of SegmentURL elements, rewritten without looking at each of them twice."""

from __future__ import annotations

import re
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

Replacement = tuple[int, int, bytes]


def is_named(data: bytes, start: int, stop: int) -> bool:
    """Whether every SegmentURL of a row names its media."""
    return len(_NAMED.findall(data, start, stop)) == data.count(b"<SegmentURL", start, stop)


def rewrite_row(
    data: bytes, row: tuple[int, int], resolver: Resolver, bases: Bases
) -> list[Replacement] | None:
    """What to put in place of the folders of a row's URIs, ``None`` when they must be looked at one by one."""
    start, stop = row
    if not resolver.by_folder or data.find(b"&#", start, stop) >= 0:
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
        text = resolver.follow(folder.decode(), bases).text if folder else None
        folders[folder] = None if text is None else _folder(text)
    if not any(text is not None for text in folders.values()):
        return []
    if len(folders) == 1:
        before, after = b'="' + found[0], b'="' + (folders[found[0]] or b"")
        if data.count(before, start, stop) == named:
            return [(start, stop, data[start:stop].replace(before, after))]
    replacements: list[Replacement] = []
    for match in chain(_MEDIA.finditer(data, start, stop), _INDEX.finditer(data, start, stop)):
        text_bytes = folders[match[1] or b""]
        if text_bytes is not None:
            replacements.append((match.start(1), match.end(1), text_bytes))
    return replacements


def _folder(text: str) -> bytes:
    return b"" if text == "./" else text.replace("&", "&amp;").replace("<", "&lt;").encode()
