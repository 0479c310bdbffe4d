"""Every URI of an MPD led through the edge, and nothing else touched.

What is followed: BaseURL on every level, Location, PatchLocation, ContentSteering, SegmentTemplate, SegmentList and
SegmentBase with everything in them, InitializationSet, ImportedMPD, xlink:href, chained and fallback MPDs, DVB fonts,
the HTTP servers of UTCTiming, and a ClearKey licence server that is this edge's own. What is not the edge's stays:
ContentProtection and all else in it (other licence servers, keys), events and their messages, reporting,
``moreInformationURL``, schema locations, and the parameters of Annex I, which name no URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.content_keys.names import is_license
from edge.manifests.context import Context, Rewritten
from edge.manifests.dash import identifiers, spots
from edge.manifests.dash.bases import Bases, Outcome, Resolver
from edge.manifests.dash.scan import Document, Element, scan
from edge.manifests.dash.segment_rows import Replacement, Row
from edge.manifests.dash.spots import Spot
from edge.manifests.dash.xlink import references
from edge.manifests.edits import Edit
from edge.manifests.limits import Limits
from edge.manifests.places import Kind, Place

_SEGMENT_INFO = ("SegmentTemplate", "SegmentList", "SegmentBase")
_URIS = {
    "SegmentTemplate": (
        ("media", Kind.SEGMENT),
        ("initialization", Kind.INIT),
        ("index", Kind.INDEX),
        ("bitstreamSwitching", Kind.BITSTREAM_SWITCHING),
    ),
    "SegmentURL": (("media", Kind.SEGMENT), ("index", Kind.INDEX)),
    "Initialization": (("sourceURL", Kind.INIT),),
    "RepresentationIndex": (("sourceURL", Kind.INDEX),),
    "BitstreamSwitching": (("sourceURL", Kind.BITSTREAM_SWITCHING),),
}
_CHAINING = frozenset({"urn:mpeg:dash:mpd-chaining:2016", "urn:mpeg:dash:chaining:2016"})
_FALLBACK = "urn:mpeg:dash:fallback:2016"
_FONT = "urn:dvb:dash:fontdownload:2014"
_CLEAR_KEY = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
_HTTP_CLOCK = "urn:mpeg:dash:utc:http-"
_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class _Addressing:
    """How the segments of a Representation are named (ISO/IEC 23009-1 section 5.3.9.1: inherited from above)."""

    named: bool = False  # by a template or a list
    bare: bool = False  # something is a byte range of what BaseURL names
    image: bool = False


def rewrite(data: bytes, context: Context, limits: Limits) -> Rewritten:
    """The MPD as a player at ``/{origin}/{path}`` needs it."""
    return rewrite_document(scan(data, limits), context, limits)


def rewrite_document(document: Document, context: Context, limits: Limits) -> Rewritten:
    """The same for an MPD that has been scanned already."""
    if context.base is None:
        return Rewritten(output=document.data, edits=(), places=())
    rewriting = _Rewriting(document, Resolver(context, limits), at_once=True)
    rewriting.mpd()

    def details() -> tuple[tuple[Edit, ...], tuple[Place, ...]]:
        one_by_one = _Rewriting(document, Resolver(context, limits), at_once=False)
        one_by_one.mpd()
        return one_by_one.account()

    return Rewritten(
        output=rewriting.output(), warnings=tuple(rewriting.warnings()), details=details
    )


class _Rewriting:
    def __init__(self, document: Document, resolver: Resolver, *, at_once: bool) -> None:
        self._document = document
        self._resolver = resolver
        self._at_once = at_once  # rows of URIs as rows, of which no account is given
        self._replacements: list[Replacement] = []
        self._looked_at: dict[tuple[int, int], Row] = {}
        self._spots: list[Spot] = []
        self._disagreeing: list[Spot] = []
        self._identifiers: set[str] = set()  # of Representations, such as need a closer look
        self._period = 0

    def mpd(self) -> None:
        root, at = self._document.root, self._resolver.document
        here = self._level(root, at)
        for child in self._dash(root):
            match child.name:
                # These say where the document itself is; players resolve them against its URL.
                case "Location":
                    self._text(child, at, Kind.MPD_LOCATION)
                case "PatchLocation":
                    self._text(child, at, Kind.PATCH)
                case "ContentSteering":
                    self._steering(child)
                case "ServiceDescription":
                    self._service(child)
                case "UTCTiming":
                    self._clock(child, here)
                case "ContentProtection":
                    self._protection(child)
                case "InitializationSet":
                    self._attribute(child, "initialization", here, Kind.INIT)
                case "EssentialProperty" | "SupplementalProperty":
                    self._descriptor(child, here)
                case "Period":
                    self._period += 1
                    self._follow_period(child, here)
        self._period = 0
        for element, name in references(self._document):
            self._attribute(element, name, at, Kind.XLINK)
        self._check_identifiers()

    def _check_identifiers(self) -> None:
        if self._identifiers:
            templates = {spot.uri for spot in self._spots if identifiers.MARK in spot.uri}
            self._resolver.count(len(templates) * len(self._identifiers))
            for template in templates:
                identifiers.check(template, self._identifiers)

    def _follow_period(self, period: Element, above: Bases) -> None:
        here = self._level(period, above)
        addressing = self._addressing(period, _Addressing())
        users: list[Bases] = []
        for child in self._dash(period):
            match child.name:
                case "AdaptationSet" | "EmptyAdaptationSet":
                    users += self._follow_set(child, here, addressing)
                case "ImportedMPD":
                    self._text(child, here, Kind.MPD)
                case "ServiceDescription":
                    self._service(child)
                case "ContentProtection":
                    self._protection(child)
                case "EssentialProperty" | "SupplementalProperty":
                    self._descriptor(child, here)
        self._segments(period, users or [here], addressing)

    def _follow_set(self, element: Element, above: Bases, inherited: _Addressing) -> list[Bases]:
        """Follow an AdaptationSet; the answer is the bases of all its Representations."""
        here = self._level(element, above)
        addressing = self._addressing(element, inherited)
        users: list[Bases] = []
        for child in self._dash(element):
            match child.name:
                case "Representation":
                    users.append(self._follow_representation(child, here, addressing))
                case "EssentialProperty" | "SupplementalProperty":
                    self._descriptor(child, here)
                case "ProducerReferenceTime":
                    self._clocks_in(child, here)
                case "ContentProtection":
                    self._protection(child)
        self._segments(element, users or [here], addressing)
        return users

    def _follow_representation(
        self, element: Element, above: Bases, inherited: _Addressing
    ) -> Bases:
        identifier = element.get("id")
        if identifier is not None and not identifiers.is_harmless(identifier):
            self._identifiers.add(identifier)
        here = self._level(element, above)
        addressing = self._addressing(element, inherited)
        self._segments(element, [here], addressing)
        if addressing.bare or not addressing.named:
            # Nothing else names the media: what the bases were written as is the media.
            for index in here.named_by:
                self._spots[index].kind = Kind.IMAGE if addressing.image else Kind.SEGMENT
        for child in self._dash(element):
            match child.name:
                case "EssentialProperty" | "SupplementalProperty":
                    self._descriptor(child, here)
                case "ProducerReferenceTime":
                    self._clocks_in(child, here)
                case "ContentProtection":
                    self._protection(child)
        return here

    def _level(self, element: Element, above: Bases) -> Bases:
        """The bases that hold inside an element: its own BaseURLs, or those from above."""
        found: list[tuple[str, Outcome, int]] = []
        for child in self._dash(element):
            if child.name == "BaseURL" and not child.children:
                spot = spots.of_text(child)
                if spot is None:
                    found.append(("", Outcome(None, reachable=False), 0))
                else:
                    outcome = self._decide(spot, above, Kind.BASE)
                    found.append((spot.uri, outcome, len(self._spots) - 1))
        return self._resolver.below(above, found) if found else above

    def _addressing(self, element: Element, above: _Addressing) -> _Addressing:
        named, bare = above.named, above.bare
        for child in self._dash(element):
            if child.name not in _SEGMENT_INFO:
                continue
            named = named or child.name == "SegmentTemplate"
            for row in child.rows:
                named = True
                bare = bare or not self._row(row).is_named
            for part in child.outline:
                if part.name == "SegmentURL":
                    named = True
                    bare = bare or "media" not in part.attributes
                elif part.name in _URIS and "sourceURL" not in part.attributes:
                    bare = True
        what = element.get("contentType") or element.get("mimeType") or ""
        image = above.image or what.startswith("image")
        return _Addressing(named, bare, image)

    def _segments(self, element: Element, users: list[Bases], addressing: _Addressing) -> None:
        """Everything that names segments directly below an element, for all who inherit it."""
        infos = [child for child in self._dash(element) if child.name in _SEGMENT_INFO]
        if not infos:
            return
        bases = self._resolver.together(users)
        for info in infos:
            for part in (info, *(info.outline if self._rows(info, bases) else info.children)):
                for name, kind in _URIS.get(part.name, ()):
                    if kind is Kind.SEGMENT and addressing.image:
                        kind = Kind.IMAGE
                    self._attribute(part, name, bases, kind)

    def _rows(self, info: Element, bases: Bases) -> bool:
        """Rewrite the rows of SegmentURLs of a list as rows, if that can be done."""
        if not self._at_once:
            return False
        found: list[Replacement] = []
        for row in info.rows:
            replacements = self._row(row).rewrite(self._resolver, bases)
            if replacements is None:
                return False
            found += replacements
        self._replacements += found
        return True

    def _row(self, where: tuple[int, int]) -> Row:
        row = self._looked_at.get(where)
        if row is None:
            row = self._looked_at[where] = Row(self._document.data, *where)
        return row

    def _descriptor(self, element: Element, bases: Bases) -> None:
        """URLs in essential and supplemental properties, for the few schemes that define one."""
        scheme = (element.get("schemeIdUri") or "").strip().lower()
        if scheme in _CHAINING:
            self._chained(element)
        elif scheme == _FALLBACK:
            for spot in spots.of_list(element, "value"):
                self._decide(spot, self._resolver.document, Kind.MPD)
        elif scheme == _FONT:
            for name in element.attributes:
                if name.rpartition(":")[2] == "url":
                    self._attribute(element, name, bases, Kind.ASSET, lenient=True)

    def _chained(self, element: Element) -> None:
        """The MPD to play next: the first of several parameters parted by commas (section 5.11.2)."""
        spot = spots.of_attribute(element, "value")
        if spot is not None:
            raw = self._document.data[spot.start : spot.stop]
            spot.stop = spot.start + len(raw.partition(b",")[0].rstrip())
            spot.uri = spot.uri.partition(",")[0].rstrip()
            if spot.uri:
                self._decide(spot, self._resolver.document, Kind.MPD)

    def _service(self, element: Element) -> None:
        for child in self._dash(element):
            if child.name == "ContentSteering":
                self._steering(child)

    def _steering(self, element: Element) -> None:
        """The steering server (ETSI TS 103 998), and the proxy that other steering servers are asked through."""
        self._text(element, self._resolver.document, Kind.STEERING)
        self._attribute(
            element, "proxyServerURL", self._resolver.document, Kind.STEERING, lenient=True
        )

    def _protection(self, element: Element) -> None:
        """Where ClearKey licences are asked for (DASH-IF IOP part 6): here, if it is where this edge gives them."""
        if (element.get("schemeIdUri") or "").strip().lower() != _CLEAR_KEY:
            return
        for child in element.children:
            spot = spots.of_text(child) if child.name == "Laurl" else None
            if spot is not None and is_license(f"/{spot.uri}"):
                document = self._resolver.document
                self._note(spot, self._resolver.leaving.follow(spot.uri, document), Kind.LICENSE)

    def _clocks_in(self, element: Element, bases: Bases) -> None:
        for child in self._dash(element):
            if child.name == "UTCTiming":
                self._clock(child, bases)

    def _clock(self, element: Element, bases: Bases) -> None:
        """The HTTP servers of a clock; a clock that no origin covers is left where it is."""
        if (element.get("schemeIdUri") or "").strip().lower().startswith(_HTTP_CLOCK):
            for spot in spots.of_list(element, "value"):
                self._decide(spot, bases, Kind.UTC_TIMING, lenient=True)

    def _text(self, element: Element, bases: Bases, kind: Kind) -> None:
        spot = spots.of_text(element)
        if spot is not None:
            self._decide(spot, bases, kind)

    def _attribute(
        self, element: Element, name: str, bases: Bases, kind: Kind, *, lenient: bool = False
    ) -> None:
        spot = spots.of_attribute(element, name)
        if spot is not None:
            self._decide(spot, bases, kind, lenient=lenient)

    def _decide(self, spot: Spot, bases: Bases, kind: Kind, *, lenient: bool = False) -> Outcome:
        resolver = self._resolver.lenient if lenient else self._resolver
        outcome = resolver.follow(spot.uri, bases)
        self._note(spot, outcome, kind)
        return outcome

    def _note(self, spot: Spot, outcome: Outcome, kind: Kind) -> None:
        spot.kind = kind
        spot.text = outcome.text
        spot.reachable = outcome.reachable
        spot.period = self._period
        if not outcome.agreed:
            self._disagreeing.append(spot)
        self._spots.append(spot)

    def _dash(self, element: Element) -> Iterable[Element]:
        is_dash = self._document.is_dash
        return [child for child in element.children if is_dash(child)]

    def output(self) -> bytes:
        """The bytes for players."""
        data = self._document.data
        found = self._replacements
        for spot in self._spots:
            text = spot.written(data)
            if text is not None:
                found.append((spot.start, spot.stop, text))
        if not found:
            return data
        found.sort()
        pieces: list[bytes] = []
        position = 0
        for start, stop, text in found:
            pieces += (data[position:start], text)
            position = stop
        pieces.append(data[position:])
        return b"".join(pieces)

    def account(self) -> tuple[tuple[Edit, ...], tuple[Place, ...]]:
        """The edits in the input and the places in the output."""
        data = self._document.data
        edits: list[Edit] = []
        places: list[Place] = []
        grown = 0  # how much longer the output is so far
        line, counted = 1, 0
        for spot in sorted(self._spots, key=_start):
            text = spot.written(data)
            start, stop = spot.start + grown, spot.stop + grown
            if text is not None:
                line += data.count(b"\n", counted, spot.start)
                counted = spot.start
                edits.append(
                    Edit(
                        start=spot.start,
                        stop=spot.stop,
                        text=text,
                        where=f"line {line}, {spot}",
                        why="leads through the edge"
                        if spot.text is not None
                        else "spelled plainly",
                    )
                )
                stop = start + len(text)
                grown += len(text) - (spot.stop - spot.start)
            if spot.reachable:
                places.append(Place(start, stop, spot.kind))
        return tuple(edits), tuple(places)

    def warnings(self) -> Iterator[str]:
        """What could not be made right for every player."""
        for spot in self._disagreeing[:_WARNINGS]:
            line = self._document.data.count(b"\n", 0, spot.start) + 1
            yield (
                f"line {line}, {spot}: the BaseURL alternatives stand at different depths,"
                " and only the first leads to it"
            )


def _start(spot: Spot) -> int:
    return spot.start
