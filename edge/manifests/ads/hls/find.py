"""The breaks of a media playlist."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge.manifests.ads.decide import Run, runs
from edge.manifests.ads.evidence import Break, Evidence, Found, Sentences
from edge.manifests.ads.hls import dateranges, lines, markers, places, ranges, shape, vendors
from edge.manifests.ads.hls.lengths import Lengths
from edge.manifests.ads.hls.segments import Segments, index
from edge.manifests.ads.hls.signs import TAGS, Sign, signs
from edge.manifests.ads.rules import Plain, Rule, Rules
from edge.manifests.context import Context
from edge.manifests.hls.define import variables
from edge.manifests.hls.scan import Line, Playlist
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.uris import OriginMap

_ANNOUNCED = 20  # more of the same tell nothing new
_WEAK = frozenset(
    ("minor-host", "uri-word", "shape")
)  # nothing is read for these where they cannot decide
_PREFETCH = "EXT-X-TWITCH-PREFETCH"


def find(
    data: bytes, rules: Rules, *, base: str | None = None, limits: Limits = DEFAULT
) -> tuple[Segments, Found]:
    """The playlist's segments, and what the rules find among them; ``base`` is its own absolute URL."""
    segments = index(data, limits)
    if not segments.is_media:
        return segments, Found()
    return segments, _Search(segments, rules.where(url=base), base).found()


class _Search:
    """Reads what some rule needs, once for all of them."""

    def __init__(self, segments: Segments, rules: Rules, base: str | None) -> None:
        self._segments = segments
        self._rules = rules
        self._base = base
        self._lengths: Lengths | None = None
        self._texts: places.Texts | None = None
        self._tags: Sequence[lines.Tag] = ()
        self._signs: Sequence[Sign] = ()
        self._ranges: Sequence[ranges.Range] = ()
        self._announced: list[str] = []

    def found(self) -> Found:
        """Everything; nothing is indexed when there is nothing to be found."""
        segments, rules = self._segments, self._rules
        usual = tuple(TAGS) if rules.splice_tags else ()
        self._tags = list(segments.tags(ranges.TAG, *usual, *sorted(rules.tag_names)))
        if self._tags:
            self._signs = list(signs(segments, self._tags)) if usual else ()
            self._ranges = ranges.ranges(segments, self._tags)
        evidence = [piece for rule in rules.items for piece in self._evidence(rule)]
        return Found(
            breaks=tuple(self._break(run) for run in runs(evidence, rules)),
            interstitials=ranges.interstitials(self._ranges),
            announced=tuple(dict.fromkeys(self._announced))[:_ANNOUNCED],
        )

    def _evidence(self, rule: Rule) -> list[Evidence]:
        evidence = self._tagged(rule) if self._tags else []
        kinds = rule.kinds
        if not kinds.isdisjoint(places.KINDS):
            evidence += places.read(self._segments, self.texts, rule)
        if not kinds.isdisjoint(_WEAK) and _may_matter(rule, evidence):
            evidence += places.weak(self._segments, self.texts, rule)
            evidence += shape.read(self._segments, self.texts, rule, lengths=self.lengths)
        return evidence

    def _tagged(self, rule: Rule) -> list[Evidence]:
        """What tags say."""
        segments, total = self._segments, len(self._segments)
        evidence: list[Evidence] = []
        ends: Mapping[int, int] = {}
        if self._signs and rule.splice is not None:
            marked = markers.read(
                self._signs, rule.splice, rule=rule.label, total=total, lengths=self.lengths
            )
            evidence += marked.evidence
            self._announced += marked.announced
            ends = marked.ends
        if self._ranges:
            dated, behind = dateranges.read(
                segments, self._ranges, rule, lengths=self.lengths, ends=ends
            )
            evidence += dated
            self._announced += behind
            if any(signal.kind == "prefetch-in-range" for signal in rule.of(Plain)):
                self._announced += self._prefetched(dated, behind)
        tagged, behind = vendors.read(segments, self._tags, rule, lengths=self.lengths)
        self._announced += behind
        return evidence + tagged

    def _prefetched(self, dated: Sequence[Evidence], behind: Sequence[str]) -> list[str]:
        """What lies behind the last segment and is listed all the same, as Twitch does."""
        if not behind and not any(piece.open_end for piece in dated if not piece.ambiguous):
            return []
        return [
            f"line {self._segments.line_of(tag.start)}: {tag.name} lies in an announced break"
            for tag in self._segments.tags(_PREFETCH)
            if tag.at == len(self._segments)
        ]

    def _break(self, run: Run) -> Break:
        return Break(
            first_index=run.first,
            last_index=run.last,
            seconds=self.lengths.between(run.first, run.last + 1),
            score=run.score,
            signals=tuple(run.signals),
            sentences=Sentences(lambda: run.sentences),
            rule=run.rule,
            key=run.key,
            aliases=tuple(run.keys[1:]),
            open_end=run.open_end,
            ambiguous=run.ambiguous,
        )

    @property
    def lengths(self) -> Lengths:
        """Of the playlist's runs."""
        if self._lengths is None:
            self._lengths = Lengths(self._segments)
        return self._lengths

    @property
    def texts(self) -> places.Texts:
        """Of the playlist's segments."""
        if self._texts is None:
            substitute = _substitute(self._segments, self._base)
            self._texts = places.Texts(
                self._segments,
                base=self._base,
                substitute=substitute,
                sieve=self._rules.texts,
            )
        return self._texts


def _may_matter(rule: Rule, evidence: Sequence[Evidence]) -> bool:
    """Whether weak signals can lift anything over the threshold."""
    weak = [(signal.family, signal.weight) for signal in rule.signals if signal.kind in _WEAK]
    heaviest = dict(weak)
    certain = ((found.family, found.weight) for found in evidence if not found.ambiguous)
    for family, weight in (*weak, *certain):
        heaviest[family] = max(heaviest.get(family, 0), weight)
    return sum(heaviest.values()) >= rule.threshold


def _substitute(segments: Segments, base: str | None) -> Callable[[str, int], str] | None:
    """Puts the playlist's variables into a text at a position; ``None`` where there are none."""
    if b"{" not in segments.data or b"{$" not in segments.data:  # one byte is found much sooner
        return None
    lines = tuple(
        Line("tag", tag.start, tag.stop, tag.stop, tag.name, tag.value_start, tag.stop)
        for tag in segments.tags("EXT-X-DEFINE")
    )
    playlist = Playlist(data=segments.data, kind="media", lines=lines, limits=segments.limits)
    context = Context(base=base, origins=OriginMap(()), origin="", path="")
    return variables(playlist, context).substitute
