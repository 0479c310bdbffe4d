"""The pieces of a playlist that are taken out, put in or replaced: collected line by line, given as few edits."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.edits import Edit


class _Splice(NamedTuple):
    start: int
    stop: int
    text: bytes
    where: str
    why: str
    spreads: bool = False  # may be one edit with the next of its kind, though bytes lie between
    leads: bool = False  # stands in front of what else is put in at this place


class Splices:
    """Changes to one playlist; its line end and its missing last line end are kept."""

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self.data = segments.data
        self.eol = _line_end(self.data)
        self._splices: list[_Splice] = []
        self._gone: list[tuple[int, int]] = []

    def lines(
        self, at: int, lines: list[bytes], *, where: str, why: str, leads: bool = False
    ) -> None:
        """Put lines in where one begins, or at the end; those of the head lead."""
        text = self.eol.join([*lines, b""])
        if at == len(self.data) and not self._ends_with_line_end:
            text = self.eol + text[: -len(self.eol)]
        self._splices.append(_Splice(at, at, text, where, why, leads=leads))

    def line_again(self, at: int, text: bytes, *, where: str, why: str) -> None:
        """Put one of many like lines in."""
        self._splices.append(_Splice(at, at, text + self.eol, where, why, spreads=True))

    def attribute(self, tag: Tag, text: bytes, *, why: str) -> None:
        """Add an attribute to one of many tags."""
        value = self.data[tag.value_start : tag.stop]
        at = tag.value_start + len(value.rstrip(b" \t,"))
        comma = b"," if value.strip(b" \t,") else b""
        self._splices.append(_Splice(at, at, comma + text, tag.name, why, spreads=True))

    def replace(self, start: int, stop: int, text: bytes, *, where: str, why: str) -> None:
        """Let other bytes stand in a place inside one line."""
        self._splices.append(_Splice(start, stop, text, where, why))

    def remove(self, tag: Tag, *, why: str) -> None:
        """Take a tag's line out, unless it went with a hole."""
        if not self.is_gone(tag.start):
            span = (tag.start, self.line_stop(tag))
            self._splices.append(_Splice(*span, b"", tag.name, why))

    def clear(self, start: int, stop: int, kept: list[Tag], *, where: str, why: str) -> None:
        """Take whole lines out but for these; called in the playlist's order."""
        for tag in kept:
            self._clear(start, tag.start, where, why)
            start = self.line_stop(tag)
        self._clear(start, stop, where, why)

    def is_gone(self, position: int) -> bool:
        """Whether a position lies in what was cleared."""
        return self.gone_to(position) >= 0

    def gone_to(self, position: int) -> int:
        """Where what was cleared at a position ends; -1: it was not."""
        place = bisect_right(self._gone, (position, len(self.data))) - 1
        stop = self._gone[place][1] if place >= 0 else -1
        return stop if position < stop else -1

    def line_stop(self, tag: Tag) -> int:
        """Where the line behind a tag begins."""
        data, stop = self.data, tag.stop
        return min(stop + 1 + (data[stop : stop + 2] == b"\r\n"), len(data))

    def edits(self) -> tuple[Edit, ...]:
        """The changes, those that touch one another as one."""
        runs: list[list[_Splice]] = []
        last: _Splice | None = None
        # At one place: in the order in which they came.
        for splice in sorted(self._splices, key=_place):
            if last is not None and (
                splice.start == last.stop
                or (splice.spreads and last.spreads and splice.why == last.why)
            ):
                runs[-1].append(splice)
            else:
                runs.append([splice])
            last = splice
        edits = [self._edit(run) for run in runs]
        if edits and edits[-1].stop == len(self.data) and not self._ends_with_line_end:
            edits[-1] = self._without_line_end(edits[-1])
        return tuple(edits)

    @property
    def _ends_with_line_end(self) -> bool:
        return self.data.endswith((b"\n", b"\r"))

    def _clear(self, start: int, stop: int, where: str, why: str) -> None:
        if start < stop:
            self._gone.append((start, stop))
            self._splices.append(_Splice(start, stop, b"", where, why))

    def _edit(self, run: list[_Splice]) -> Edit:
        first, text, stop = run[0], run[0].text, run[-1].stop
        if len(run) > 1:
            pieces = [text]
            position = first.stop
            for splice in run[1:]:
                pieces += (self.data[position : splice.start], splice.text)
                position = splice.stop
            text = b"".join(pieces)
        return Edit(start=first.start, stop=stop, text=text, where=first.where, why=first.why)

    def _without_line_end(self, edit: Edit) -> Edit:
        """What ends without a line end goes on doing so."""
        start, text = edit.start, edit.text
        if text:
            text = text.removesuffix(self.eol)
        elif start < edit.stop:
            lead = self.data[max(start - 2, 0) : start]
            start -= 2 if lead == b"\r\n" else lead.endswith((b"\n", b"\r"))
        return Edit(start=start, stop=edit.stop, text=text, where=edit.where, why=edit.why)


def _place(splice: _Splice) -> tuple[int, int, bool]:
    return splice.start, splice.stop, not splice.leads


def _line_end(data: bytes) -> bytes:
    """The first one of the playlist."""
    feed, carriage = data.find(b"\n"), data.find(b"\r")
    if carriage < 0 or 0 <= feed < carriage:
        return b"\n"
    return b"\r\n" if feed == carriage + 1 else b"\r"
