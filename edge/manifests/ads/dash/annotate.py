"""What was found in an MPD, as comments in a copy of it."""

from __future__ import annotations

from edge.manifests.ads.dash.times import shown, spans
from edge.manifests.ads.evidence import Break, Found
from edge.manifests.dash.removal import indentation
from edge.manifests.dash.scan import Document, Element
from edge.manifests.edits import Edit

_WHY = "explained"
_SENTENCES = 8  # of one break; JSON has them all


def annotate(document: Document, found: Found) -> tuple[Edit, ...]:
    """A comment before each Period that is or holds a break, in the order of the breaks; nothing else changes."""
    periods = spans(document)
    lines: dict[int, list[str]] = {}
    for one in found.breaks:
        place = one.periods[0] if one.periods else 0
        if place < len(periods):
            lines.setdefault(place, []).append(_sentence(one, found))
    return tuple(_before(periods[place].period, lines[place]) for place in sorted(lines))


def _sentence(one: Break, found: Found) -> str:
    if one.time_range is None:
        first, last = one.periods[0] + 1, one.periods[-1] + 1
        what = f"Period {first}" if first == last else f"Periods {first} to {last}"
    else:
        start, end = one.time_range
        what = f"Period {one.periods[0] + 1} from {shown(start)} to {shown(end)}"
    left = found.left.get(one.key)
    parts = [
        f"{'perhaps ' if one.ambiguous else ''}ads: {what}, {shown(one.seconds)}",
        f"rule {one.rule}, score {one.score}, signals {', '.join(one.signals)}",
        *one.sentences[:_SENTENCES],
        *(() if left is None else (f"left: {left}",)),
    ]
    return "; ".join(parts)


def _before(period: Element, lines: list[str]) -> Edit:
    indent = indentation(period)
    text = b"".join(b"<!-- kawa-ads: %s -->%s" % (_safe(line), indent) for line in lines)
    return Edit(start=period.start, stop=period.start, text=text, where=_WHY, why=_WHY)


def _safe(text: str) -> bytes:
    """Text as it may stand in a comment (XML 1.0 section 2.5)."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    while "--" in printable:
        printable = printable.replace("--", "- -")
    return printable.encode()
