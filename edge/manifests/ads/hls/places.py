"""What the texts of segments tell: their titles, paths, queries and hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.hls.texts import matching, runs
from edge.manifests.ads.matching import Pattern, Sieve
from edge.manifests.ads.rules import Plain, Rule, Text
from edge.manifests.errors import ManifestError
from edge.manifests.hls.scan import decode, encode

_SHOWN = 80  # characters of a text in a sentence
_AUTHORITY = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/\n]*")
_HOST = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/@]*@)?([^/:]*)")
_BEFORE_PATH = re.compile(rb"\n(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/\n]*")
_BEHIND_PATH = re.compile(rb"[?#][^\n]*")
_AD_WORD = Pattern(
    r"(?i)(^|[/_.-])(ads?|adverts?|advertisements?|commercials?|(pre|mid|post)-?rolls?)[0-9]*([/_.-]|$)"
)
KINDS = ("title", "path", "query", "host")


class Texts:
    """The texts of all segments, a line each; each kind is worked out once, when the first rule asks for it."""

    def __init__(
        self,
        segments: Segments,
        *,
        base: str | None,
        substitute: Callable[[str, int], str] | None,
        sieve: Sieve,
    ) -> None:
        self._segments = segments
        self._base = base
        self._substitute = substitute
        self._sieve = sieve
        self._left: frozenset[Pattern] | None = None
        self._known: dict[str, bytes] = {}
        self._known_uris: list[bytes] | None = None

    @property
    def _uris(self) -> list[bytes]:
        if self._known_uris is None:  # cheaper than the index that their number would need
            self._known_uris = self._segments.uris()
        return self._known_uris

    def may_have(self, pattern: Pattern) -> bool:
        """Whether one of the rules' patterns can be found in any of the texts at all."""
        if self._substitute is not None:
            return True  # the texts are not what stands in the playlist
        if self._left is None:
            # Where no host stands with a segment, it is that of the playlist itself.
            self._left = self._sieve.left(
                b"%s\n%s" % (self._segments.data, encode(self._base or ""))
            )
        return bool(self._left) and pattern in self._left

    def of(self, kind: str) -> bytes:
        """One line for each segment."""
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = self._made(kind)
        return known

    def each(self, kind: str) -> Sequence[bytes]:
        """The same as a list."""
        return self.of(kind).split(b"\n") if self._uris else ()

    def found(self, kind: str, patterns: Sequence[Pattern]) -> list[list[int]]:
        """For each pattern the positions of the segments in whose text of a kind it is found."""
        # Most playlists have no titles at all, and of the others most have none that is looked for.
        if not self._uris or (
            kind == "title"
            and self._substitute is None
            and not any(matching(self._segments.titles(), *patterns))
        ):
            return [[] for _ in patterns]
        found = matching(self.of(kind), *patterns)
        if kind != "path" or b"//" not in self.of("path"):
            return found
        both = zip(found, matching(self.of("own path"), *patterns), strict=True)
        return [sorted({*ones, *others}) for ones, others in both]

    def _made(self, kind: str) -> bytes:
        if kind == "title":
            count = len(self._uris)
            titles = (encode(self._segments.title(place)) for place in range(count))
            return b"\n".join(self._plain(title, place) for place, title in enumerate(titles))
        if kind == "uri":
            return self._whole()
        if kind == "path":  # as it is written
            uris = self.of("uri")
            return _BEHIND_PATH.sub(b"", uris) if b"?" in uris or b"#" in uris else uris
        if kind == "query":
            return self._queries()
        paths = self.of("path")
        authority = self._one_authority(paths)
        if kind == "own path":
            if authority is not None:
                return paths[len(authority) :].replace(b"\n" + authority, b"\n")
            return _BEFORE_PATH.sub(b"\n", b"\n" + paths)[1:]
        base = None if self._base is None else _HOST.match(encode(self._base))
        own = b"" if base is None else base[1].lower()
        if authority is not None:
            host = _HOST.match(authority)
            return b"\n".join([own if host is None else host[1].lower()] * len(self._uris))
        hosts = map(_HOST.match, paths.split(b"\n"))
        return b"\n".join(own if host is None else host[1].lower() for host in hosts)

    def _one_authority(self, paths: bytes) -> bytes | None:
        """What stands before all paths alike: most playlists are of one host."""
        match = _AUTHORITY.match(paths)
        if match is None:
            return b"" if b"//" not in paths else None
        count = (b"\n" + paths).count(b"\n" + match[0] + b"/")
        return match[0] if count == len(self._uris) else None

    def _queries(self) -> bytes:
        uris = self.of("uri")
        if b"?" not in uris:
            return b"\n" * (len(self._uris) - 1)
        each = uris.split(b"\n")
        return b"\n".join(uri.partition(b"#")[0].partition(b"?")[2] for uri in each)

    def _whole(self) -> bytes:
        data, uris = self._segments.data, self._uris
        if b" " in data or b"\t" in data:
            uris = [uri.rstrip(b" \t") for uri in uris]
        if self._substitute is not None:
            uris = [self._plain(uri, position) for position, uri in enumerate(uris)]
        return b"\n".join(uris)

    def _plain(self, text: bytes, position: int) -> bytes:
        """The text with its variables replaced; nothing when one of them has no value here."""
        if b"{$" not in text:
            return text
        if self._substitute is None:
            return b""
        start, _ = self._segments.uri_span(position)
        try:
            found = self._substitute(decode(text), start)
        except ManifestError:
            return b""
        return b"" if "{$" in found or "\n" in found else encode(found)


def read(segments: Segments, texts: Texts, rule: Rule) -> list[Evidence]:
    """A rule's evidence by the patterns that it names."""
    evidence: list[Evidence] = []
    may = [signal for signal in rule.of(Text) if texts.may_have(signal.pattern)]
    for kind in KINDS if may else ():
        signals = [signal for signal in may if signal.kind == kind]
        found = texts.found(kind, [signal.pattern for signal in signals]) if signals else []
        for signal, places in zip(signals, found, strict=True):
            evidence += _evidence(segments, texts, rule, signal, places, kind)
    return evidence


def weak(segments: Segments, texts: Texts, rule: Rule) -> list[Evidence]:
    """A rule's evidence that needs no pattern: of rarer hosts, and of words in paths."""
    evidence: list[Evidence] = []
    for signal in rule.of(Plain):
        if signal.kind == "minor-host":
            places = _minor(texts.each("host"), segments)
            evidence += _evidence(segments, texts, rule, signal, places, "host")
        elif signal.kind == "uri-word":
            (places,) = matching(texts.of("path"), _AD_WORD)
            evidence += _evidence(segments, texts, rule, signal, places, "path")
    return evidence


def _minor(hosts: Sequence[bytes], segments: Segments) -> list[int]:
    """The segments that do not come from where most of the seconds come from."""
    if len(set(hosts)) < 2:
        return []
    seconds: dict[bytes, Decimal] = {}
    for host, length in zip(hosts, segments.all_seconds(), strict=True):
        seconds[host] = seconds.get(host, Decimal(0)) + length
    main = max(seconds, key=lambda host: seconds[host])
    return [position for position, host in enumerate(hosts) if host != main]


def _evidence(
    segments: Segments,
    texts: Texts,
    rule: Rule,
    signal: Text | Plain,
    places: Iterable[int],
    kind: str,
) -> Iterator[Evidence]:
    each: Sequence[bytes] = ()
    for first, last in runs(places):
        each = each or texts.each(kind)
        line = segments.line_of(segments.uri_span(first)[0])
        told = f"the {kind} is {json.dumps(decode(each[first])[:_SHOWN])}"
        if kind == "query":  # it may hold a secret, and nobody needs it to find the line
            told = "the query is as the rule has it"
        yield Evidence(
            first=first,
            last=last,
            rule=rule.label,
            signal=signal.kind,
            family=signal.family,
            weight=signal.weight,
            sentence=f"line {line}: {told}",
        )
