"""Which rendition of a group plays by default: the attributes DEFAULT and AUTOSELECT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.manifests.edits import Edit
from edge.manifests.filters.arrange import OFF, preferred
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.view import Rendition
from edge.manifests.hls import attributes
from edge.manifests.hls.offer import MEDIA, Entry
from edge.manifests.hls.scan import Playlist

_Member = tuple[Entry, Rendition]


def default_edits(
    playlist: Playlist, remaining: Sequence[_Member], wanted: Filter
) -> tuple[list[Edit], list[str]]:
    """DEFAULT moves to the language asked for, in every group that has it; and the clauses that no group can meet."""
    edits: list[Edit] = []
    missed: list[str] = []
    for key, ranges, types in (
        ("default", wanted.default, ("AUDIO",)),
        ("tdefault", wanted.tdefault, ("SUBTITLES", "CLOSED-CAPTIONS")),
    ):
        if not ranges:
            continue
        clause = f"{key}:{','.join(ranges)}"
        groups: dict[str, list[_Member]] = {}
        for entry, r in remaining:
            if entry.tag == MEDIA and entry.values["TYPE"] in types:
                groups.setdefault(r.badges[0], []).append((entry, r))
        off = ranges == (OFF,)
        found = off or not groups
        for members in groups.values():
            chosen = None if off else preferred(_plain(members), ranges)
            if off or chosen is not None:
                found = True
                for entry, r in members:
                    edits += _changed(playlist, entry, r.id == chosen, clause)
        if not found:
            missed.append(clause)
    return edits, missed


def _plain(members: Sequence[_Member]) -> list[Rendition]:
    """Without forced subtitles: they are shown anyway where they are needed."""
    return [r for entry, r in members if entry.values.get("FORCED") != "YES"]


def _changed(playlist: Playlist, entry: Entry, chosen: bool, clause: str) -> Iterator[Edit]:
    values = {"DEFAULT": "NO"} if entry.values.get("DEFAULT") == "YES" else {}
    if chosen:
        values = {"DEFAULT": "YES"}
        # RFC 8216bis section 4.4.6.1: with DEFAULT=YES, AUTOSELECT is YES or absent.
        if "AUTOSELECT" in entry.values:
            values["AUTOSELECT"] = "YES"
    for name, value in values.items():
        yield from attributes.replaced(
            playlist, playlist.lines[entry.at], name, value, where=entry.where, why=clause
        )
