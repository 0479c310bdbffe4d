"""What a filter sees of a manifest, the same for HLS and DASH, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Type = Literal["video", "audio", "text", "image", "trick"]
Range = Literal["SDR", "HLG", "PQ"]


class Rendition(NamedTuple):
    """One choice that a manifest offers.

    Renditions hang together by badges: whoever ``needs`` a badge goes when its last wearer goes (all of them are
    needed), and whoever ``follows`` badges goes when none of them is worn any more (one is enough).
    """

    id: int  # its place in the view
    type: Type
    bandwidth: int | None = None  # bits per second
    total: bool = (
        False  # bandwidth counts everything that is played together, as in a variant of HLS
    )
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    codecs: tuple[str, ...] = ()
    supplemental: tuple[
        str, ...
    ] = ()  # what a better player could make of it: Dolby Vision over HEVC
    range: Range | None = None
    channels: int | None = None
    language: str | None = None  # in the spelling of ``language.normal``
    default: bool = False
    audible: bool = False  # a picture with its sound inside
    part: bool = False  # it plays only beside another: a rendition of a group in HLS
    judged: bool = True  # False: it only follows others
    badges: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """A rendition that goes, and the clause or the bond that made it go."""

    id: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which renditions stay."""

    kept: tuple[int, ...]  # in output order
    dropped: tuple[Drop, ...]  # in input order
    given_up: tuple[str, ...]  # clauses that could not be met, most important first
