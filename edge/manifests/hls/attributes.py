"""Edits of single attributes inside a tag; every other byte of the line stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edge.manifests.edits import Edit
from edge.manifests.hls.scan import Attribute, Line, Playlist, encode


def removed(
    playlist: Playlist, line: Line, names: Collection[str], *, where: str, why: str
) -> Iterator[Edit]:
    """Take these attributes out of a tag, each with one of the commas beside it."""
    data = playlist.data
    kept_before = False
    for attribute in playlist.attribute_list(line):
        if attribute.name not in names:
            kept_before = True
            continue
        start = data.rindex(encode(attribute.name), line.value_start, attribute.start)
        stop = _end(data, attribute, line)
        if kept_before:
            start = data.rindex(b",", line.value_start, start)
        else:
            comma = data.find(b",", stop, line.stop)
            stop = line.stop if comma < 0 else comma + 1
        yield Edit(start=start, stop=stop, text=b"", where=f"{where} {attribute.name}", why=why)


def replaced(
    playlist: Playlist, line: Line, name: str, value: str, *, where: str, why: str
) -> Iterator[Edit]:
    """Give an attribute another value, in the quotes that it has; one that is not there is added at the end."""
    attribute = playlist.attributes(line).get(name)
    if attribute is None:
        stop = line.value_stop
        yield Edit(start=stop, stop=stop, text=encode(f",{name}={value}"), where=where, why=why)
    elif attribute.value != value:
        yield Edit(
            start=attribute.start,
            stop=attribute.stop,
            text=encode(value),
            where=f"{where} {name}",
            why=why,
        )


def _end(data: bytes, attribute: Attribute, line: Line) -> int:
    """Behind the closing quote, if there is one."""
    if not attribute.quoted:
        return attribute.stop
    comma = data.find(b",", attribute.stop, line.stop)
    return line.stop if comma < 0 else comma
