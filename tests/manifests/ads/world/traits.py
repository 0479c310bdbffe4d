"""Everything about a stream but its markers, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from tests.manifests.ads.world.markers import Spelling
from tests.manifests.ads.world.show import Sides

Keys = Literal["none", "vectors", "numbered", "clear-ads", "formats"]
Maps = Literal["none", "one", "ads", "ranges"]
Ranges = Literal["none", "chain", "shared"]
Dates = Literal["each", "some", "none"]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What kind of stream it is."""

    sides: Sides = "both"
    noise: bool = False
    keys: Keys = "none"
    maps: Maps = "none"
    ranges: Ranges = "none"  # "shared": breaks and content lie in the same files
    dates: Dates = "each"
    bitrate: bool = False
    parts: int = 1  # of one segment; 1: no low latency
    window: int = 8  # segments of the leading rendition
    longest: int = 5  # of the breaks
    keeps_tag: bool = True  # a DISCONTINUITY before the first segment is still there
    behind_extinf: bool = False  # markers stand between EXTINF and URI
    crlf: bool = False
    base: int = 1000  # the first EXT-X-MEDIA-SEQUENCE
    unit_ms: int = 6000
    count: int = 24  # stretches

    @property
    def is_low_latency(self) -> bool:
        return self.parts > 1

    def __str__(self) -> str:
        default = Traits()
        told = (
            f"{name}={value}"
            for name, value in vars(self).items()
            if value != getattr(default, name)
        )
        return " ".join(told) or "plain"


def drawn(draw: random.Random, spelling: Spelling) -> Traits:
    """Any stream that this spelling can mark."""
    window = draw.choice([7, 9, 12])
    dates: Dates = draw.choice(["each", "each", "some", "none"])
    maps: Maps = draw.choice(["none", "one", "ads", "ranges"])
    # A MAP under AES-128 without a vector is against RFC 8216bis section 4.4.4.5.
    keys: tuple[Keys, ...] = ("none", "vectors", "numbered", "clear-ads", "formats")
    if maps != "none":
        keys = ("none", "vectors", "formats")
    sides: tuple[Sides, ...] = ("none", "both", "before", "behind")
    return Traits(
        sides=draw.choice([side for side in sides if side in spelling.tags]),
        noise=draw.random() < 0.3 and spelling.tags != ("both",),
        keys=draw.choice(keys),
        maps=maps,
        ranges=draw.choice(["none", "none", "chain", "shared"]),
        dates="each" if spelling.dated and dates == "none" else dates,
        bitrate=draw.random() < 0.3,
        parts=draw.choice([1, 1, 3]),
        window=window,
        # Of bare markers nothing is left when the first one has left the window.
        longest=draw.choice([3, window + 4]) if spelling.nature.continues else window - 4,
        keeps_tag=draw.random() < 0.5,
        behind_extinf=draw.random() < 0.2,
        crlf=draw.random() < 0.2,
        base=draw.choice([0, 1, 1000, 1_000_000_000]),
        unit_ms=draw.choice([2000, 6000]),
        count=draw.choice([8, 12, 24]),
    )
