"""What speaks for whole ad Periods: their id, where their media come from, what they are said to be a part of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cached_property

from edge.manifests.ads.dash.times import ZERO, Span, shown
from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.rules import Plain, Rule, Rules, Shape, Text
from edge.manifests.dash import xlink
from edge.manifests.dash.scan import Document, Element
from edge.manifests.uris import resolve, split

_KINDS = ("period-id", "period-url", "asset-id", "xlink")
_MOST_URLS = 64  # of one Period that are looked at


class Look:
    """What one Period shows of itself."""

    def __init__(self, span: Span, above: Sequence[str], href: str | None) -> None:
        self.span = span
        self.href = href  # of a remote Period that was not resolved
        self._above = above

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """What the Period's media are relative to; its own BaseURLs, or those below when all have one."""
        period = self.span.period
        own = list(_bases(period))
        if not own:
            for one in period.named("AdaptationSet"):
                at_set = list(_bases(one))
                for representation in () if at_set else one.named("Representation"):
                    at_set = list(_bases(representation))
                    if not at_set:
                        return ()
                    own += at_set
                    at_set = []
                own += at_set
        resolved = (resolve(base, url) if base else url for url in own for base in self._above)
        return tuple(dict.fromkeys(resolved))[:_MOST_URLS]

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Of which asset the Period is a part."""
        named = self.span.period.named("AssetIdentifier")
        return tuple(value for one in named if (value := (one.get("value") or "").strip()))

    @property
    def host(self) -> str | None:
        """The server of its media, as far as the MPD says."""
        first = next(iter(self.urls or self._above), "")
        return split(first).authority or None

    @cached_property
    def codecs(self) -> frozenset[str]:
        """The codecs in it, without their profiles."""
        sets = [*self.span.period.named("AdaptationSet")]
        every = [*sets, *(child for one in sets for child in one.named("Representation"))]
        said = ((one.get("codecs") or "").partition(".")[0].strip() for one in every)
        return frozenset(codec for codec in said if codec)

    @cached_property
    def is_protected(self) -> bool:
        """Whether something in it is encrypted."""
        period = self.span.period
        return period.document.data.find(b"ContentProtection", period.start, period.stop) >= 0

    def texts(self, kind: str) -> tuple[str, ...]:
        """What a pattern of this kind is held against; every one of them must match."""
        if kind == "period-id":
            return ((self.span.period.get("id") or ""),)
        if kind == "period-url":
            return self.urls
        if kind == "asset-id":
            return self.assets
        return () if self.href is None else (self.href,)


def looks(document: Document, spans: Sequence[Span], base: str | None) -> list[Look]:
    """The Periods with what they inherit."""
    above = [*_bases(document.root)][:4] or [""]
    if base is not None:
        above = [resolve(base, url) if url else base for url in above]
    remote = {
        element.start: (element.get(name) or "").strip()
        for element, name in xlink.references(document)
        if element.parent is document.root
    }
    return [Look(span, above, remote.get(span.period.start)) for span in spans]


def read(
    document: Document, spans: Sequence[Span], rules: Rules, base: str | None
) -> list[Evidence]:
    """What each Period says to each rule."""
    wanted = {*_KINDS, "minor-host", "shape"} & rules.kinds
    if not wanted:
        return []
    seen = looks(document, spans, base)
    usual = _usual_host(seen) if "minor-host" in wanted else None
    return [
        evidence
        for rule in rules.items
        for index in range(len(seen))
        for evidence in _of_rule(seen, index, rule, usual)
    ]


def _of_rule(seen: Sequence[Look], index: int, rule: Rule, usual: str | None) -> Iterator[Evidence]:
    look = seen[index]
    name = look.span.name
    for text in rule.of(Text):
        said = look.texts(text.kind) if text.kind in _KINDS else ()
        if said and all(text.pattern.found_in(one) for one in said):
            what = f"{name}: {text.kind} matches {text.pattern.source}"
            yield _evidence(look, rule, text, what)
    for plain in rule.of(Plain):
        if plain.kind == "minor-host" and usual is not None and look.host not in (None, usual):
            what = f"{name}: its media are not at {usual} like most"
            yield _evidence(look, rule, plain, what)
    for shape in rule.of(Shape):
        seconds = look.span.seconds
        if look.href is not None and _is_between_halves(seen, index):
            what = f"{name}: remote, not resolved, between two Periods of the same asset"
            yield _evidence(look, rule, shape, what, ambiguous=True)
        elif seconds is not None and seconds <= shape.max_seconds and _differs(seen, index, shape):
            yield _evidence(look, rule, shape, f"{name}: {shown(seconds)}, set apart on both sides")


def _evidence(
    look: Look, rule: Rule, signal: Text | Plain | Shape, sentence: str, *, ambiguous: bool = False
) -> Evidence:
    return Evidence(
        first=look.span.index,
        last=look.span.index,
        rule=rule.label,
        signal=signal.kind,
        family=signal.family,
        weight=signal.weight,
        sentence=sentence,
        seconds=look.span.seconds,
        ambiguous=ambiguous,
    )


def _is_between_halves(seen: Sequence[Look], index: int) -> bool:
    """Whether the Periods on both sides are of one asset and this one is not (DASH-IF, ad insertion)."""
    if not 0 < index < len(seen) - 1:
        return False
    before, after = seen[index - 1].assets, seen[index + 1].assets
    return bool(before) and before == after and seen[index].assets != before


def _differs(seen: Sequence[Look], index: int, shape: Shape) -> bool:
    """Whether something that the rule names is other than in the Periods beside."""
    look = seen[index]
    beside = [seen[place] for place in (index - 1, index + 1) if 0 <= place < len(seen)]
    if not beside:
        return False
    # The border of a Period is what a DISCONTINUITY is in HLS.
    return (
        "discontinuity" in shape.changes
        or ("codec" in shape.changes and all(one.codecs != look.codecs for one in beside))
        or ("key" in shape.changes and all(one.is_protected != look.is_protected for one in beside))
    )


def _usual_host(seen: Sequence[Look]) -> str | None:
    """The server of more than half of the seconds that are known."""
    seconds: dict[str, Decimal] = {}
    for look in seen:
        if look.host is not None:
            seconds[look.host] = seconds.get(look.host, ZERO) + (look.span.seconds or ZERO)
    if not seconds:
        return None
    most = max(seconds, key=lambda host: seconds[host])
    return most if 2 * seconds[most] > sum(seconds.values()) else None


def _bases(element: Element) -> Iterator[str]:
    for child in element.named("BaseURL"):
        text = child.text.strip()
        if text:
            yield text
