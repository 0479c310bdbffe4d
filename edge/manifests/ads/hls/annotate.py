"""What was found, as comments in the playlist: for people, and nothing to players."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.manifests.ads.evidence import Break, Found
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.edits import Edit
from edge.manifests.hls.scan import encode

LEAD = "## kawa-ads: "
_WHY = "an annotation"
_LONGEST = 1000
# Text of the origin may be in it: no line ends, nothing that the quick way of the rewriter refuses.
_ODD = re.compile(r"[\x00-\x1f\x7f\\\u0085\u2028\u2029]|\{(?=\$)")


def annotate(data: bytes, segments: Segments, found: Found) -> tuple[Edit, ...]:
    """A comment before and behind every break, and at every interstitial."""
    if data is not segments.data:
        raise ValueError("segments of another playlist")
    splices = Splices(segments)
    for number, item in enumerate(found.breaks, start=1):
        if item.first_index is None or item.last_index is None:
            continue
        start = segments.block(item.first_index)[0]
        stop = segments.block(item.last_index)[1]
        _comment(splices, start, _described(number, item))
        _comment(splices, stop, [f"break {number} ends"])
    wanted = frozenset(found.interstitials)
    for tag in segments.tags("EXT-X-DATERANGE") if wanted else ():
        identity = segments.attributes(tag).get("ID")
        if identity is not None and identity.value in wanted:
            _comment(splices, tag.start, [f"interstitial {identity.value}"])
    if found.announced or found.left:
        left = [f"left: {key or 'a break'}: {why}" for key, why in found.left.items()]
        announced = [f"announced: {sentence}" for sentence in found.announced]
        _comment(splices, segments.tail[0], [*announced, *left])
    return splices.edits()


def _described(number: int, item: Break) -> Iterator[str]:
    first, last = item.first_index, item.last_index
    yield (
        f"break {number}: segments {first} to {last}, {float(item.seconds):g} s, score {item.score}"
        f", rule {item.rule}{', ambiguous: left as it is' if item.ambiguous else ''}"
    )
    yield f"signals: {', '.join(item.signals)}"
    yield from item.sentences


def _comment(splices: Splices, at: int, texts: Iterator[str] | list[str]) -> None:
    lines = [encode(LEAD + _ODD.sub(" ", text)[:_LONGEST]) for text in texts]
    splices.lines(at, lines, where="a comment", why=_WHY)
