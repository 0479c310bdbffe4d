"""Changes to a manifest's bytes: collected by position, applied once, everything else untouched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the bytes ``start`` to ``stop`` (exclusive) of the input by ``text``."""

    start: int
    stop: int
    text: bytes
    where: str  # for a person: 'line 7, EXT-X-KEY URI', 'Period 2, BaseURL'
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an edit did, for a report."""

    where: str
    before: str
    after: str
    why: str


class Overlap(ValueError):
    """Two edits touch the same bytes: a fault of ours, never of the input."""


def apply_edits(source: bytes, edits: Iterable[Edit]) -> bytes:
    """``source`` with every edit made; the order in which they are given does not matter."""
    pieces: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.stop)):
        if edit.start < position:
            raise Overlap(edit.where)
        pieces += (source[position : edit.start], edit.text)
        position = edit.stop
    pieces.append(source[position:])
    return b"".join(pieces)


def changes_of(source: bytes, edits: Iterable[Edit]) -> list[Change]:
    """What the edits did, in the order of the input."""
    return [
        Change(
            where=edit.where,
            before=source[edit.start : edit.stop].decode("utf-8", "replace"),
            after=edit.text.decode("utf-8", "replace"),
            why=edit.why,
        )
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.stop))
    ]
