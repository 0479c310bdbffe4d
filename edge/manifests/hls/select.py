"""A filter applied to a multivariant playlist: which lines go, which move, which attributes change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge.manifests.edits import Edit, apply_edits
from edge.manifests.filters import codecs
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.filtered import Dropped, Filtered
from edge.manifests.filters.select import select
from edge.manifests.filters.view import Drop
from edge.manifests.hls import attributes
from edge.manifests.hls.defaults import default_edits
from edge.manifests.hls.offer import (
    GROUPS,
    MEDIA,
    STREAM,
    Entry,
    entries,
    renditions,
)
from edge.manifests.hls.scan import MASTER_TAGS, Line, Playlist, encode

# Tags that belong to the whole playlist, also where they stand between a variant's tag and its URI.
_GLOBAL_TAGS = MASTER_TAGS | {
    "EXTM3U",
    "EXT-X-VERSION",
    "EXT-X-DEFINE",
    "EXT-X-START",
    "EXT-X-INDEPENDENT-SEGMENTS",
}
_CODECS_OF: dict[str, codecs.Medium] = {"AUDIO": "audio", "SUBTITLES": "text"}


def apply_hls(data: bytes, playlist: Playlist, wanted: Filter) -> Filtered:
    """What the filter does to a playlist; to a media playlist nothing."""
    if playlist.kind != "master" or not wanted:
        return Filtered()
    return _Selecting(data, playlist, wanted).run()


@dataclass(frozen=True, slots=True)
class _Block:
    """The bytes of a variant: its tag, its URI and what stands between, without the last line end."""

    start: int
    stop: int


class _Selecting:
    def __init__(self, data: bytes, playlist: Playlist, wanted: Filter) -> None:
        self._data = data
        self._playlist = playlist
        self._wanted = wanted
        self._entries = entries(playlist)
        self._view = renditions(self._entries)

    def run(self) -> Filtered:
        selection = select(self._view, self._wanted)
        kept = set(selection.kept)
        edits = [*self._removals(selection.dropped), *self._references(kept)]
        remaining = [(self._entries[r.id], r) for r in self._view if r.id in kept]
        defaults, missed = default_edits(self._playlist, remaining, self._wanted)
        edits, unmoved = self._moved(selection.kept, [*edits, *defaults])
        return Filtered(
            edits=tuple(sorted(edits, key=lambda edit: (edit.start, edit.stop))),
            given_up=(*selection.given_up, *missed, *unmoved),
            describe=lambda: map(self._described, selection.dropped),
        )

    def _line(self, entry: Entry) -> Line:
        return self._playlist.lines[entry.at]

    def _described(self, drop: Drop) -> Dropped:
        entry = self._entries[drop.id]
        return Dropped(where=entry.where, what=self._what(entry), why=drop.why)

    def _what(self, entry: Entry) -> str:
        if entry.tag == MEDIA:
            names = ("TYPE", "GROUP-ID", "NAME", "LANGUAGE", "CHANNELS")
        else:
            names = ("RESOLUTION", "FRAME-RATE", "BANDWIDTH", "CODECS", "VIDEO-RANGE")
        words = [value for name in names if (value := entry.values.get(name))]
        uri = entry.values.get("URI", "")
        if entry.uri is not None:
            uri = self._playlist.value(self._playlist.lines[entry.uri])
        return " ".join((*words, uri))[:500].strip()

    def _removals(self, dropped: Iterable[Drop]) -> Iterator[Edit]:
        """Whole lines with their ends; a blank line behind them too where another stands in front."""
        lines = self._playlist.lines
        reasons = {
            index: drop for drop in dropped for index in self._lines_of(self._entries[drop.id])
        }
        if not reasons:
            return
        blank = True  # the last line that stays, or the beginning
        behind: Drop | None = None  # what was removed just before
        trailing: list[Line] = []
        start = stop = 0
        for index, line in enumerate(lines):
            reason = reasons.get(index)
            if reason is None and behind and blank and line.role == "blank":
                reason = behind
            if reason is not behind:
                if behind is not None:
                    yield self._without(start, stop, behind)
                start = line.start
            stop = line.end
            behind = reason
            if reason is None:
                blank = line.role == "blank"
                if not blank:
                    trailing.clear()
                else:
                    trailing.append(line)
        if behind is not None:
            yield self._without(start, stop, behind)
            for line in trailing:
                yield self._without(line.start, line.end, behind)

    def _without(self, start: int, stop: int, drop: Drop) -> Edit:
        where = self._entries[drop.id].where
        return Edit(start=start, stop=stop, text=b"", where=where, why=drop.why)

    def _lines_of(self, entry: Entry) -> Iterator[int]:
        yield entry.at
        if entry.uri is not None:
            for index in range(entry.at + 1, entry.uri):
                if self._playlist.lines[index].tag not in _GLOBAL_TAGS:
                    yield index
            yield entry.uri

    def _references(self, kept: set[int]) -> Iterator[Edit]:
        """Variants that stay lose their references to groups that went, and the codecs that only those had."""
        left = {badge for number in kept for badge in self._view[number].badges}
        gone: dict[
            str, bool
        ] = {}  # group -> whether every rendition of it was a playlist of its own
        for number, entry in enumerate(self._entries):
            if entry.tag == MEDIA and number not in kept:
                badge = self._view[number].badges[0]
                if badge not in left:
                    gone[badge] = gone.get(badge, True) and "URI" in entry.values
        if not gone:
            return
        for number in sorted(kept):
            entry = self._entries[number]
            if entry.tag == MEDIA:
                continue
            lost = [kind for kind in GROUPS if entry.groups.get(kind) in gone]
            if lost:
                where = entry.where
                why = "no rendition of the group is left"
                line = self._line(entry)
                yield from attributes.removed(self._playlist, line, lost, where=where, why=why)
                media = {
                    _CODECS_OF[kind]
                    for kind in lost
                    if kind in _CODECS_OF and gone[entry.groups[kind]]
                }
                yield from self._without_codecs(entry, media)

    def _without_codecs(self, entry: Entry, media: set[codecs.Medium]) -> Iterator[Edit]:
        """CODECS must name what is there (RFC 8216bis section 4.4.6.2), so codecs of these media go."""
        attribute = self._playlist.attributes(self._line(entry)).get("CODECS")
        if attribute is None or not media:
            return
        listed = codecs.split_codecs(attribute.value)
        left = [
            codec
            for codec in listed
            if (known := codecs.family(codec)) is None or known[0] not in media
        ]
        if left and len(left) < len(listed):
            yield Edit(
                start=attribute.start,
                stop=attribute.stop,
                text=encode(",".join(left)),
                where=f"{entry.where} CODECS",
                why="no rendition of the group is left",
            )

    def _moved(self, kept: Sequence[int], edits: list[Edit]) -> tuple[list[Edit], tuple[str, ...]]:
        """Variants in their new order: each place takes the bytes of another variant, edited as they must be."""
        after = [number for number in kept if self._entries[number].tag == STREAM]
        before = sorted(after)
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        if not pairs:
            return edits, ()
        if self._defined_between(before):
            clauses = [f"{field}:{getattr(self._wanted, field)}" for field in ("order", "first")]
            return edits, tuple(c for c in clauses if not c.endswith(":None"))
        blocks = {old: self._block(self._entries[old]) for old, _ in pairs}
        inner: dict[int, list[Edit]] = {old: [] for old in blocks}
        outer: list[Edit] = []
        ordered = sorted(blocks.items(), key=lambda item: item[1].start)
        position = 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.stop)):
            while position < len(ordered) and ordered[position][1].stop < edit.stop:
                position += 1
            inside = position < len(ordered) and ordered[position][1].start <= edit.start
            (inner[ordered[position][0]] if inside else outer).append(edit)
        for old, new in pairs:
            place, source = blocks[old], blocks[new]
            outer.append(
                Edit(
                    start=place.start,
                    stop=place.stop,
                    text=_edited(self._data, source, inner[new]),
                    where=self._entries[old].where,
                    why=f"the variant of line {self._entries[new].at + 1} moves here",
                )
            )
        return outer, ()

    def _block(self, entry: Entry) -> _Block:
        lines = self._playlist.lines
        last = lines[entry.at if entry.uri is None else entry.uri]
        return _Block(lines[entry.at].start, last.stop)

    def _defined_between(self, numbers: Sequence[int]) -> bool:
        """Whether a variant that uses variables could come to stand before their definition."""
        blocks = [self._block(self._entries[number]) for number in numbers]
        if not any(self._data.find(b"{$", block.start, block.stop) >= 0 for block in blocks):
            return False
        defines = self._playlist.tags("EXT-X-DEFINE")
        return any(blocks[0].start < line.start < blocks[-1].stop for line in defines)


def _edited(data: bytes, block: _Block, edits: Iterable[Edit]) -> bytes:
    return apply_edits(
        data[block.start : block.stop],
        [
            Edit(
                start=edit.start - block.start,
                stop=edit.stop - block.start,
                text=edit.text,
                where=edit.where,
                why=edit.why,
            )
            for edit in edits
        ],
    )
