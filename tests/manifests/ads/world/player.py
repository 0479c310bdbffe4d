"""A player that keeps everything it has ever read, and objects to whatever does not fit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from edge.manifests.hls import delta
from tests.manifests.ads.effective import Media, Segment, attributes_of, lines_of, read

_SEQUENCE = re.compile(rb"(#EXT-X-MEDIA-SEQUENCE:)(\d+)")
_SKIP = re.compile(rb"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)")


class Violation(AssertionError):
    """Something that a player was promised does not hold."""


@dataclass
class _Rendition:
    """What a player has of one rendition."""

    sequence: int = -1
    discontinuity_sequence: int = -1
    newest: dict[int, Segment] = field(default_factory=dict)
    body: bytes = b""
    knew: bool = True  # whether the edge that told it could know what others had told
    highest: int = -1  # EXT-X-DISCONTINUITY-SEQUENCE of any such edge


@dataclass
class Player:
    """One viewer; which edge it asks is the world's business."""

    name: int
    edge: int
    renditions: dict[str, _Rendition] = field(default_factory=dict)

    def take(self, grid: str, body: bytes, media: Media, *, names_hold: bool, knows: bool) -> None:
        """Read a playlist; ``names_hold``: no rule lets segments have other names than in the last one.

        ``knows``: whether the edge can know what others have told.
        """
        known = self.renditions.setdefault(grid, _Rendition())
        if media.sequence < known.sequence:
            raise Violation(f"MEDIA-SEQUENCE from {known.sequence} back to {media.sequence}")
        # An edge that knows nothing and can ask nobody has only the origin's numbers: of discontinuities those are
        # lower than what others have moved forward. That is once: they go back no further, and then on from there.
        least = known.highest if knows else known.discontinuity_sequence
        if media.discontinuity_sequence < least and (knows or not known.knew):
            raise Violation(
                f"DISCONTINUITY-SEQUENCE from {least} back to {media.discontinuity_sequence}"
            )
        segments = {segment.number: segment for segment in media.segments}
        if names_hold and known.body:
            self._compare_delta(known, body, media, knows=knows and known.knew)
        known.sequence = media.sequence
        known.discontinuity_sequence = media.discontinuity_sequence
        known.newest, known.body, known.knew = segments, body, knows
        if knows:
            known.highest = max(known.highest, media.discontinuity_sequence)

    def _compare_delta(self, known: _Rendition, body: bytes, media: Media, *, knows: bool) -> None:
        """The delta update put behind what the player has is the whole playlist (6.2.5.1)."""
        but: tuple[str, ...] = ("title", "parts", "map_under", "discontinuities")
        # Without a record a mark goes with the marker that told of it, when that leaves the window: nothing else can be
        # known of a break by an edge that has neither memory nor anybody to ask.
        if not knows:
            but = (*but, "gap")
        full = delta.advertise_skip(body)
        made = delta.make_delta(full)
        found = None if made is None else _SKIP.search(made)
        if made is None or found is None:
            return
        skipped = range(media.sequence, media.sequence + int(found[1]))
        if any(number not in known.newest for number in skipped):
            return  # a player that has been away this long asks for everything
        lifted = read(_SEQUENCE.sub(rb"\g<1>%d" % skipped.stop, made, count=1))
        before = known.newest[skipped[-1]]
        shift = before.discontinuity - lifted.discontinuity_sequence
        joined = [known.newest[number] for number in skipped]
        joined += [
            replace(segment, discontinuity=segment.discontinuity + shift)
            for segment in lifted.segments
        ]
        undated = _before_first_date(made)
        for at in range(len(skipped), len(skipped) + undated):
            date = joined[at - 1].date
            joined[at] = replace(
                joined[at], date=None if date is None else date + joined[at - 1].seconds
            )
        if len(joined) != len(media.segments):
            raise Violation(f"a delta update makes {len(joined)} segments of {len(media.segments)}")
        for mine, whole in zip(joined, media.segments, strict=True):
            differing = differences(mine, whole, but=but)
            if differing:
                raise Violation(f"with a delta update {whole.number} has another {differing}")


def _before_first_date(made: bytes) -> int:
    """Segments of a delta update whose dates a player reckons from what it has."""
    behind = made.partition(b"#EXT-X-SKIP:")[2].splitlines()[1:]
    before = 0
    for line in behind:
        if line.startswith(b"#EXT-X-PROGRAM-DATE-TIME"):
            return before
        before += bool(line) and not line.startswith(b"#")
    return before


def differences(one: Segment, other: Segment, *, but: tuple[str, ...] = ()) -> str:
    """What of two segments is not the same, for a person."""
    found = []
    for name, mine in vars(one).items():
        theirs = getattr(other, name)
        if name in but or mine == theirs:
            continue
        if name == "date" and _near(mine, theirs):
            continue
        found.append(f"{name}: {theirs}, not {mine}")
    return "; ".join(found)


def _near(one: Fraction | None, other: Fraction | None) -> bool:
    """Dates are written in milliseconds; a playlist that has none tells none."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= Fraction(1, 1000)


def reports_in(body: bytes) -> list[tuple[str, int, int | None]]:
    """How far other renditions are said to have come: URI, LAST-MSN and LAST-PART."""
    found = []
    for line in lines_of(body):
        name, _, value = line.partition(":")
        if name == "#EXT-X-RENDITION-REPORT":
            said = attributes_of(value)
            part = said.get("LAST-PART")
            found.append((said["URI"], int(said["LAST-MSN"]), None if part is None else int(part)))
    return found
