"""Tags of vendors that rules describe: what opens, closes or covers an ad."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.hls import lines
from edge.manifests.ads.hls.lengths import Lengths
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.hls.spans import Opening, Spans, What
from edge.manifests.ads.hls.texts import matching
from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.rules import Rule, Tag

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?\Z")


def read(
    segments: Segments, tags: Sequence[lines.Tag], rule: Rule, *, lengths: Lengths
) -> tuple[list[Evidence], list[str]]:
    """A rule's evidence, and sentences about what lies behind the last segment."""
    evidence: list[Evidence] = []
    behind: list[str] = []
    for signal in rule.of(Tag):
        named = [tag for tag in tags if tag.name == signal.name]
        if not named:
            continue
        spans = _spans(segments, named, signal, rule, lengths)
        evidence += spans.evidence
        behind += spans.announced
    return evidence, behind


def _spans(
    segments: Segments, tags: Sequence[lines.Tag], signal: Tag, rule: Rule, lengths: Lengths
) -> Spans:
    total = len(segments)
    spans = Spans(
        rule=rule.label,
        family=signal.family,
        total=total,
        lengths=lengths,
        max_seconds=signal.max_seconds,
    )
    values = [segments.data[tag.value_start : tag.stop].strip(b" \t") for tag in tags]
    opening = _asked(values, signal.opens)
    closing = _asked(values, signal.closes)
    covering = _asked(values, signal.covers)
    for place, (tag, value) in enumerate(zip(tags, values, strict=True)):
        if not (place in opening or place in closing or place in covering):
            continue
        what = partial(_what, segments, tag)
        if place in closing:
            identity = _groups(signal.closes, value).get("id")
            if identity:
                spans.close(f"tag:{identity}", tag.at, what)
            else:
                spans.close_all(tag.at, what)
        if place in opening:
            groups = _groups(signal.opens, value)
            seconds = groups.get("seconds", "")
            identity = groups.get("id")
            spans.open(
                Opening(
                    at=tag.at,
                    signal="tag",
                    weight=signal.weight,
                    what=what,
                    key=f"tag:{identity}" if identity else "",
                    seconds=Decimal(seconds) if _NUMBER.match(seconds) else None,
                )
            )
        if place in covering and tag.at < total:
            spans.evidence.append(
                Evidence(
                    first=tag.at,
                    last=tag.at,
                    rule=rule.label,
                    signal="tag",
                    family=signal.family,
                    weight=signal.weight,
                    says=partial(_covered, what),
                )
            )
    spans.finish()
    return spans


def _what(segments: Segments, tag: lines.Tag) -> str:
    return f"line {segments.line_of(tag.start)}: {tag.name}"


def _covered(what: What) -> str:
    return f"{what()} says that the next segment is an ad"


def _asked(values: list[bytes], pattern: Pattern | None) -> frozenset[int]:
    return frozenset() if pattern is None else frozenset(matching(b"\n".join(values), pattern)[0])


def _groups(pattern: Pattern | None, value: bytes) -> Mapping[str, str]:
    return {} if pattern is None else pattern.captured(value) or {}
