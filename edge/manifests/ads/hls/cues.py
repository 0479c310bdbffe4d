"""Cue tags outside of the holes that would now lie: they go on with, or end, a break that is gone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

from edge.manifests.ads.hls.outline import CUES, Outline
from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.ads.scte35 import decode, marks
from edge.manifests.ads.segmentation import OPENING

Says = Literal["opens", "goes on", "closes", "payload"]

_WHY = "the break it belongs to is gone"
_PLAIN: dict[str, Says] = {
    "EXT-X-CUE-OUT": "opens",
    "EXT-X-CUE-OUT-CONT": "goes on",
    "EXT-X-CUE-SPAN": "goes on",
    "EXT-X-CUE-IN": "closes",
    # They stand beside one of the tags above, whose cue they hold.
    "EXT-OATCLS-SCTE35": "payload",
    "EXT-SCTE35": "payload",
}
_BY_ATTRIBUTE: dict[tuple[str, str], Says] = {
    ("TYPE", "SpliceOut"): "opens",
    ("TYPE", "SpliceIn"): "closes",
    ("CUE-OUT", "YES"): "opens",
    ("CUE-OUT", "CONT"): "goes on",
    ("CUE-IN", "YES"): "closes",
}


def remove(outline: Outline, splices: Splices) -> None:
    """Take them out; what ends a break of which the beginning stays moves behind the hole."""
    if outline.holes:
        tags = list(outline.segments.tags(*CUES))
        if tags:
            _Breaks(outline, splices).read(tags)


class _Breaks:
    """Reads the cues in order and keeps in mind what is left of the break that is open."""

    def __init__(self, outline: Outline, splices: Splices) -> None:
        self._outline = outline
        self._segments: Segments = outline.segments
        self._splices = splices
        self._behind = {hole.last + 1 for hole in outline.holes}
        self._went = False  # the open break's beginning is gone
        self._stays = False  # the open break's beginning is there

    def read(self, tags: Sequence[Tag]) -> None:
        """All of them, those before one URI together."""
        start, gone_to = 0, -1
        while start < len(tags):
            at, stop = tags[start].at, start + 1
            while stop < len(tags) and tags[stop].at == at:
                stop += 1
            if tags[start].start >= gone_to:
                gone_to = self._splices.gone_to(tags[start].start)
            if gone_to >= 0:
                for tag in tags[start:stop]:
                    says = _PLAIN.get(tag.name) or self._says(tag)
                    if says == "closes":
                        self._gone_end(tag)
                    elif says != "payload":
                        self._went = not self._stays
            else:
                self._went = self._went or (at in self._behind and not self._stays)
                self._kept([(tag, self._says(tag)) for tag in tags[start:stop]])
            start = stop

    def _gone_end(self, tag: Tag) -> None:
        if self._stays:
            self._move(tag)
        self._went = self._stays = False

    def _kept(self, cues: list[tuple[Tag, Says]]) -> None:
        went = self._went
        for tag, says in cues:
            if says == "opens":
                self._went, self._stays = False, True
            elif says == "closes":
                if self._went:
                    self._splices.remove(tag, why=_WHY)
                self._went = self._stays = False
            elif says == "goes on" and self._went:
                self._splices.remove(tag, why=_WHY)
        if went and not any(says == "opens" for _, says in cues):
            for tag, says in cues:
                if says == "payload" and self._by_cue(self._segments.value(tag)) != "opens":
                    self._splices.remove(tag, why=_WHY)

    def _move(self, tag: Tag) -> None:
        holes = self._outline.holes
        place = bisect_right(holes, tag.at, key=attrgetter("first")) - 1
        behind = holes[place].last + 1 if place >= 0 else self._outline.listed
        if behind < self._outline.listed:
            line = self._segments.data[tag.start : tag.stop]
            at = self._outline.block(behind).start
            self._splices.lines(at, [line], where=tag.name, why="it ends what is left of a break")

    def _says(self, tag: Tag) -> Says:
        plain = _PLAIN.get(tag.name)
        if plain is not None:
            return plain
        if tag.name == "EXT-X-SPLICEPOINT-SCTE35":
            return self._by_cue(self._segments.value(tag))
        attributes = self._segments.attributes(tag)
        for (name, value), says in _BY_ATTRIBUTE.items():
            attribute = attributes.get(name)
            if attribute is not None and attribute.value == value:
                return says
        return self._by_cue(attributes["CUE"].value) if "CUE" in attributes else "payload"

    @staticmethod
    def _by_cue(text: str) -> Says:
        kinds = {mark.kind for mark in marks(decode(text), OPENING)}
        return "opens" if "opens" in kinds else "closes" if "closes" in kinds else "payload"
