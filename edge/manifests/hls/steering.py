"""The JSON documents beside a playlist: content-steering manifests and asset lists (RFC 8216bis section 7, appendix D).

A pathway clone that only names another HOST cannot be said in the edge's world, where the origin is part of the path.
With the pathways of the multivariant playlist at hand it becomes one URI per variant; otherwise the clone is left out
and the player keeps the pathways it has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from edge.manifests.context import Context, Rewritten, leads_to_edge, rewrite_uri
from edge.manifests.edits import Edit, apply_edits
from edge.manifests.errors import BadReference, NotAManifest, TooManyElements, UnlistedHost
from edge.manifests.hls.json_text import Value, parse, quoted
from edge.manifests.hls.scan import Playlist, decode
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.places import Kind, Place
from edge.manifests.uris import Parts, resolve, split

PER_URIS = ("PER-VARIANT-URIS", "PER-RENDITION-URIS")
_PATHWAYS = 64  # of one multivariant playlist; clones of any beyond are left out
_GROUPS = ("AUDIO", "VIDEO", "SUBTITLES")


@dataclass(frozen=True, slots=True)
class Pathway:
    """The URLs of one pathway at its origin, by stable id; ``complete``: every variant has such an id."""

    variants: Mapping[str, str]
    renditions: Mapping[str, str]
    complete: bool = True


NO_PATHWAYS: Mapping[str, Pathway] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Spot:
    """A URI in the document."""

    value: Value
    kind: Kind
    where: str


def rewrite(
    data: bytes,
    context: Context,
    limits: Limits = DEFAULT,
    *,
    pathways: Mapping[str, Pathway] = NO_PATHWAYS,
) -> Rewritten:
    """A steering manifest or an asset list for players; any other JSON object as it is."""
    document = parse(data, limits)
    if document.type != "object":
        raise NotAManifest("a steering manifest or an asset list is a JSON object")
    edits: list[Edit] = []
    warnings: list[str] = []
    written: dict[int, list[_Written]] = {}  # by the edit's position: the URIs in its text
    if context.base is not None:
        for clones in document.all("PATHWAY-CLONES"):
            edits += _clones(data, clones, context, dict(pathways), warnings, written, limits)
    taken = sorted((edit.start, edit.stop) for edit in edits)
    for spot in sorted(_spots(document), key=lambda spot: spot.value.start):
        value = spot.value
        number = bisect_right(taken, (value.start, len(data)))
        if number and value.start < taken[number - 1][1]:
            continue
        text = _for_player(value.text, context)
        whole = data[value.start : value.stop] if text == value.text else quoted(text)
        written[value.start] = [_Written(1, len(whole) - 1, text, spot.kind)]
        edits.append(
            Edit(
                start=value.start,
                stop=value.stop,
                text=whole,
                where=spot.where,
                why=spot.kind.value,
            )
        )
    edits.sort(key=lambda edit: edit.start)
    return Rewritten(
        output=apply_edits(data, edits),
        edits=tuple(edit for edit in edits if edit.text != data[edit.start : edit.stop]),
        places=tuple(_places(edits, written)),
        warnings=tuple(warnings),
    )


def pathways_of(master: Playlist, base: str) -> dict[str, Pathway]:
    """The pathways of a multivariant playlist, for steering manifests that clone them by host."""
    variants: dict[str, dict[str, str]] = {}
    groups: dict[str, set[tuple[str, str]]] = {}
    incomplete: set[str] = set()
    waiting: Mapping[str, str] | None = None
    for line in master.lines:
        if line.tag == "EXT-X-STREAM-INF":
            waiting = {name: a.value for name, a in master.attributes(line).items()}
        elif line.role == "uri" and waiting is not None:
            pathway = waiting.get("PATHWAY-ID", ".")
            if pathway not in variants and len(variants) == _PATHWAYS:
                waiting = None
                continue
            url = resolve(base, decode(master.data[line.value_start : line.value_stop]))
            known = variants.setdefault(pathway, {})
            if "STABLE-VARIANT-ID" in waiting:
                known[waiting["STABLE-VARIANT-ID"]] = url
            else:
                incomplete.add(pathway)
            used = groups.setdefault(pathway, set())
            used |= {(group, waiting[group]) for group in _GROUPS if group in waiting}
            waiting = None
    renditions: dict[str, dict[str, str]] = {name: {} for name in variants}
    for line in master.tags("EXT-X-MEDIA"):
        media = {name: a.value for name, a in master.attributes(line).items()}
        if "URI" not in media:
            continue
        for name, used in groups.items():
            if (media.get("TYPE", ""), media.get("GROUP-ID", "")) not in used:
                continue
            if "STABLE-RENDITION-ID" in media:
                renditions[name][media["STABLE-RENDITION-ID"]] = resolve(base, media["URI"])
            else:
                incomplete.add(name)
    return {
        name: Pathway(urls, renditions[name], complete=name not in incomplete)
        for name, urls in variants.items()
    }


class _Written(NamedTuple):
    """A URI in the text of an edit."""

    start: int
    stop: int
    uri: str
    kind: Kind


def _spots(document: Value) -> Iterator[_Spot]:
    for value in _strings(document.all("RELOAD-URI")):
        yield _Spot(value, Kind.STEERING, where="RELOAD-URI")
    for clones in document.all("PATHWAY-CLONES"):
        for number, clone in enumerate(clones.items):
            for replacement in clone.all("URI-REPLACEMENT"):
                for key in PER_URIS:
                    for uris in replacement.all(key):
                        for name, value in uris.members:
                            if value.type == "string":
                                where = f"PATHWAY-CLONES {number} {key} {name}"
                                yield _Spot(value, Kind.CHILD_PLAYLIST, where=where)
    for assets in document.all("ASSETS"):
        for number, asset in enumerate(assets.items):
            for value in _strings(asset.all("URI")):
                yield _Spot(value, Kind.ASSET, where=f"ASSETS {number} URI")


def _strings(values: Iterator[Value]) -> Iterator[Value]:
    return (value for value in values if value.type == "string")


def _for_player(uri: str, context: Context) -> str:
    """A URI as the player needs it, relative to this document; :mod:`edge.manifests.whole` finishes it."""
    text = None if context.base is None else rewrite_uri(uri, context)
    return uri if text is None else text


def _places(edits: list[Edit], written: Mapping[int, list[_Written]]) -> Iterator[Place]:
    """Where the URIs that lead to this edge stand in the output, inside their quotes."""
    shift = 0
    for edit in edits:
        for start, stop, uri, kind in written.get(edit.start, ()):
            if leads_to_edge(uri):
                at = edit.start + shift
                yield Place(at + start, at + stop, kind)
        shift += len(edit.text) - (edit.stop - edit.start)


def _clones(
    data: bytes,
    clones: Value,
    context: Context,
    pathways: dict[str, Pathway],
    warnings: list[str],
    written: dict[int, list[_Written]],
    limits: Limits,
) -> Iterator[Edit]:
    """Edits for the clones that name a host; those without one have their URIs rewritten like all others."""
    dropped: list[int] = []
    count = 0
    for number, clone in enumerate(clones.items):
        replacement = clone.get("URI-REPLACEMENT", of="object")
        name = clone.string("ID") or ""
        known = pathways.get(clone.string("BASE-ID") or "")
        if replacement is None:
            continue
        if known is not None:
            count += len(known.variants) + len(known.renditions)
            if count > limits.json_values:
                raise TooManyElements(f"the clones name more than {limits.json_values} URIs")
        clone_of = None if known is None else _cloned(known, replacement)
        if replacement.get("HOST") is None or context.unlisted == "leave":
            if clone_of is not None:
                pathways[name] = clone_of
            continue
        expanded = None if clone_of is None else _expanded(data, replacement, clone_of, context)
        if expanded is None or clone_of is None:
            dropped.append(number)
            warnings.append(f"pathway {name} was left out: its host cannot be said as a path")
            continue
        pathways[name] = clone_of
        written[replacement.start] = expanded[1]
        yield Edit(
            start=replacement.start,
            stop=replacement.stop,
            text=expanded[0],
            where=f"PATHWAY-CLONES {number} URI-REPLACEMENT",
            why="one URI per variant in place of a host",
        )
    yield from _removals(clones, dropped)


def _cloned(known: Pathway, replacement: Value) -> Pathway | None:
    """The URLs of a clone at its origin; ``None`` if a player could not tell which is which."""
    if not known.complete:
        return None
    host = replacement.string("HOST")
    return Pathway(
        {
            name: _replaced(url, name, replacement.get("PER-VARIANT-URIS", of="object"), host)
            for name, url in known.variants.items()
        },
        {
            name: _replaced(url, name, replacement.get("PER-RENDITION-URIS", of="object"), host)
            for name, url in known.renditions.items()
        },
    )


def _replaced(url: str, name: str, given: Value | None, host: str | None) -> str:
    own = None if given is None else given.string(name)
    return own or (url if host is None else _at_host(url, host))


def _at_host(url: str, host: str) -> str:
    parts = split(url)
    return str(Parts(parts.scheme, host, parts.path, parts.query, parts.fragment))


def _expanded(
    data: bytes, replacement: Value, clone: Pathway, context: Context
) -> tuple[bytes, list[_Written]] | None:
    """The URI-REPLACEMENT with a URI for every variant and rendition; members that are not ours stay as written."""
    text = bytearray(b"{")
    spots: list[_Written] = []
    for name, value in replacement.members:
        if name not in ("HOST", *PER_URIS):
            text += quoted(name) + b":" + data[value.start : value.stop] + b","
    for key, urls in zip(PER_URIS, (clone.variants, clone.renditions), strict=True):
        if not urls:
            continue
        text += quoted(key) + b":{"
        for name, url in urls.items():
            try:
                uri = _for_player(url, context)
            except (UnlistedHost, BadReference):
                return None
            text += quoted(name) + b":"
            string = quoted(uri)
            spots.append(
                _Written(len(text) + 1, len(text) + len(string) - 1, uri, Kind.CHILD_PLAYLIST)
            )
            text += string + b","
        text[-1:] = b"},"
    return bytes(text).rstrip(b",") + b"}", spots


def _removals(clones: Value, dropped: list[int]) -> Iterator[Edit]:
    """Edits that take items out of an array together with their commas."""
    items = clones.items
    for _, run in groupby(enumerate(dropped), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        first, last = numbers[0], numbers[-1]
        if last + 1 < len(items):
            start, stop = items[first].start, items[last + 1].start
        else:
            start = items[first - 1].stop if first else items[0].start
            stop = items[last].stop
        yield Edit(
            start=start,
            stop=stop,
            text=b"",
            where=f"PATHWAY-CLONES {first}",
            why="a host that cannot be said as a path",
        )
