"""What each condition says of one rendition: yes, no, or ``None`` where the rendition does not state it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from edge.manifests.filters import codecs, language
from edge.manifests.filters.filter import FRAME_RATE_SCALE, FRAME_RATE_TOLERANCE
from edge.manifests.filters.values import Words
from edge.manifests.filters.view import Rendition, Type

PICTURE: frozenset[Type] = frozenset(("video", "trick"))


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that renditions of some types state."""

    types: frozenset[Type]
    value: Callable[[Rendition], int | None]
    tolerance: float = 0.0
    scale: int = 1


BANDWIDTH = Measure(frozenset(("video", "audio")), lambda r: r.bandwidth)
HEIGHT = Measure(PICTURE, lambda r: r.height)
WIDTH = Measure(PICTURE, lambda r: r.width)
FRAME_RATE = Measure(
    frozenset(("video",)),
    lambda r: None if r.frame_rate is None else round(r.frame_rate * FRAME_RATE_SCALE),
    FRAME_RATE_TOLERANCE,
    FRAME_RATE_SCALE,
)
CHANNELS = Measure(frozenset(("audio",)), lambda r: r.channels)


def with_codec(
    offered: Iterable[Rendition], medium: codecs.Medium, wanted: Words
) -> dict[int, bool | None]:
    """One of its codecs is wanted and none is refused; what it carries on top may be wanted, but is never refused."""
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], bool | None] = {}
    verdicts: dict[int, bool | None] = {}
    for r in offered:
        stated = (r.codecs, r.supplemental)
        if stated not in known:
            known[stated] = _has_codec(*stated, medium, wanted)
        verdicts[r.id] = known[stated]
    return verdicts


def _has_codec(
    listed: tuple[str, ...], on_top: tuple[str, ...], medium: codecs.Medium, wanted: Words
) -> bool | None:
    own = codecs.families(listed, medium)
    if not own:
        return None
    if own & wanted.exclude:
        return False
    return not wanted.include or bool((own | codecs.families(on_top, medium)) & wanted.include)


def in_range(r: Rendition, wanted: Words) -> bool:
    """Its dynamic range is wanted; what states none is SDR."""
    return (r.range or "SDR").lower() in wanted.include


def wanted_languages(wanted: Words, available: Collection[str]) -> frozenset[str]:
    """The languages to keep of those there are."""
    left = [tag for tag in available if not covered(tag, wanted.exclude)]
    return language.find_all(wanted.include, left) if wanted.include else frozenset(left)


def substitutes(wanted: Words, tags: Collection[str]) -> str:
    """Which languages were taken for others that are not there: 'en for en-gb'."""
    pairs = [
        f"{tag} for {one}"
        for one in sorted(wanted.include)
        for tag in sorted(language.find(one, tags))
        if not language.covers(one, tag)
    ]
    return ", ".join(pairs)


def covered(tag: str, ranges: Iterable[str]) -> bool:
    """Whether a tag lies in any of the ranges, without falling back to a shorter one."""
    return any(language.covers(wanted, tag) for wanted in ranges)


def tag_of(r: Rendition) -> str:
    """The language it states, or 'und'."""
    return r.language or language.UNDETERMINED


def own_audio(r: Rendition) -> bool:
    """Whether it can be heard without another rendition."""
    return r.type == "audio" or r.audible
