"""What a Period offers, as renditions that a filter can judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from edge.manifests.dash.channels import channels_of
from edge.manifests.dash.scan import Document, Element
from edge.manifests.filters import codecs, language
from edge.manifests.filters.view import Range, Rendition, Type

TRICK_MODE = "http://dashif.org/guidelines/trickmode"
ROLE = "urn:mpeg:dash:role:2011"
_TRANSFER = "urn:mpeg:mpegb:cicp:transfercharacteristics"
_TYPES: Mapping[str, Type] = {
    "video": "video",
    "audio": "audio",
    "text": "text",
    "image": "image",
}
_WHOLE = re.compile(r"[0-9]{1,15}\Z")
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:/([0-9]{1,9}))?\Z")
_ANY_VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Offer:
    """A Representation in its AdaptationSet; or a Preselection, which stands alone."""

    element: Element
    holder: Element  # the AdaptationSet, or the Preselection itself
    where: str

    @property
    def is_preselection(self) -> bool:
        """Whether it is a choice between AdaptationSets rather than media of its own."""
        return self.element is self.holder


@dataclass(frozen=True, slots=True)
class PeriodOffer:
    """Everything in a Period that can be chosen; offers and renditions stand at the same places."""

    element: Element
    number: int  # from one
    sets: tuple[Element, ...]
    offers: tuple[Offer, ...]
    renditions: tuple[Rendition, ...]


def period_offer(document: Document, period: Element, number: int) -> PeriodOffer:
    """The choices of one Period; ``number`` counts from one."""
    sets = [_Shared(holder) for holder in _own(document, period, "AdaptationSet")]
    preselections = list(_own(document, period, "Preselection"))
    by_id = {shared.id: shared for shared in sets if shared.id}
    bundled = {
        identifier
        for element in preselections
        if (components := _components(element, by_id)) and by_id[components[0]].kind == "audio"
        for identifier in components
    }
    offers: list[Offer] = []
    renditions: list[Rendition] = []
    for position, shared in enumerate(sets, start=1):
        where = f"Period {number}, AdaptationSet {position}"
        for place, element in enumerate(_own(document, shared.holder, "Representation"), start=1):
            rendition = _representation(len(offers), element, shared)
            if rendition is None:
                continue  # what it holds is not known, so nothing can be said against it
            if rendition.type == "audio" and shared.id in bundled:
                bundle = _bundle_badge(shared.id)
                follows = (*rendition.follows, bundle)
                rendition = rendition._replace(judged=False, follows=follows)
            offers.append(Offer(element, shared.holder, f"{where}, Representation {place}"))
            renditions.append(rendition)
    for position, element in enumerate(preselections, start=1):
        offers.append(Offer(element, element, f"Period {number}, Preselection {position}"))
        renditions.append(_preselection(len(renditions), element, by_id))
    holders = tuple(shared.holder for shared in sets)
    return PeriodOffer(period, number, holders, tuple(offers), _bound(renditions))


def roles(element: Element) -> Iterator[Element]:
    """Its Role elements in DASH's own scheme."""
    return (r for r in element.named("Role") if (r.get("schemeIdUri") or "").strip() == ROLE)


def is_main(element: Element) -> bool:
    """Whether it plays by default."""
    return any((role.get("value") or "").strip() == "main" for role in roles(element))


def properties(element: Element, scheme: str) -> Iterator[Element]:
    """Its Essential- and SupplementalProperty elements of a scheme."""
    return (
        child
        for child in element.named("EssentialProperty", "SupplementalProperty")
        if (child.get("schemeIdUri") or "").strip().lower() == scheme.lower()
    )


def ids_in(value: str | None) -> list[str]:
    """The ids in a list, whether it is separated by white space or by commas."""
    return (value or "").replace(",", " ").split()


def set_badge(identifier: str) -> str:
    """What the Representations of an AdaptationSet wear."""
    return f"AdaptationSet '{identifier}'"


def _own(document: Document, element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.named(name) if document.is_dash(child))


class _Shared:
    """An AdaptationSet, read once for all its Representations."""

    def __init__(self, holder: Element) -> None:
        self.holder = holder
        self.id = holder.get("id")
        components = list(holder.named("ContentComponent"))
        named = [child.get("contentType") or "" for child in components]
        self.kinds = [_TYPES[kind] for kind in named if kind in _TYPES]
        own = holder.get("lang") or next(
            (lang for child in components if (lang := child.get("lang"))), None
        )
        self.language = language.normal(own)
        self.channels = channels_of(holder)
        self.range = _range(holder)
        self.main = is_main(holder)
        self.trick = [
            identifier
            for child in properties(holder, TRICK_MODE)
            for identifier in ids_in(child.get("value"))
        ]
        self.is_trick = any(True for _ in properties(holder, TRICK_MODE))

    @cached_property
    def kind(self) -> Type | None:
        """What its first Representation holds."""
        element = next(iter(self.holder.named("Representation")), self.holder)
        return _type(element, self, codecs.split_codecs(self.get(element, "codecs") or ""))

    def get(self, element: Element, name: str) -> str | None:
        """An attribute of a Representation, or what it inherits."""
        own = element.get(name)
        return self.holder.get(name) if own is None else own


def _representation(number: int, element: Element, shared: _Shared) -> Rendition | None:
    listed = codecs.split_codecs(shared.get(element, "codecs") or "")
    kind = _type(element, shared, listed)
    if kind is None:
        return None
    is_trick = kind == "video" and (
        shared.is_trick or any(True for _ in properties(element, TRICK_MODE))
    )
    muxed = kind == "video" and (
        bool(codecs.families(listed, "audio")) or {"audio", "video"} <= set(shared.kinds)
    )
    identifier = element.get("id")
    badges = [set_badge(shared.id)] if shared.id is not None else []
    if identifier is not None:
        badges.append(_representation_badge(identifier))
    if kind == "video" and not is_trick:
        badges.append(_ANY_VIDEO)
    return Rendition(
        id=number,
        type="trick" if is_trick else kind,
        bandwidth=whole(element.get("bandwidth")),
        total=muxed,
        width=whole(shared.get(element, "width")),
        height=whole(shared.get(element, "height")),
        frame_rate=rate(shared.get(element, "frameRate")),
        codecs=listed,
        supplemental=_supplemental(element) or _supplemental(shared.holder),
        range=_range(element) or shared.range or codecs.stated_range(listed) or "SDR",
        channels=channels_of(element) or shared.channels,
        language=shared.language,
        default=shared.main,
        audible=muxed,
        judged=kind != "image",
        badges=tuple(badges),
        needs=tuple(_representation_badge(i) for i in ids_in(element.get("dependencyId"))),
        follows=(
            *(_representation_badge(i) for i in ids_in(element.get("associationId"))),
            *(set_badge(i) for i in shared.trick if is_trick),
            *((_ANY_VIDEO,) if kind == "image" else ()),
        ),
    )


def _type(element: Element, shared: _Shared, listed: tuple[str, ...]) -> Type | None:
    """What an AdaptationSet says it holds, else what the media type and the codecs say; ``None`` if that is unknown."""
    mime = (shared.get(element, "mimeType") or "").strip().lower()
    if mime.startswith("image/"):
        return "image"
    stated = _TYPES.get((shared.holder.get("contentType") or "").strip().lower())
    if stated is None and "video" in shared.kinds:
        stated = "video"
    if stated is None and shared.kinds:
        stated = shared.kinds[0]
    if stated is not None:
        return stated
    if mime == "application/ttml+xml":
        return "text"
    if mime.partition("/")[0] in ("video", "audio", "text"):
        return _TYPES[mime.partition("/")[0]]
    kinds = {known[0] for codec in listed if (known := codecs.family(codec))}
    return next((kind for kind in _TYPES.values() if kind in kinds), None)


def _preselection(number: int, element: Element, sets: Mapping[str, _Shared]) -> Rendition:
    components = _components(element, sets)
    main = sets[components[0]] if components else None
    is_audio = main is not None and main.kind == "audio"
    own = element.get("lang")
    return Rendition(
        id=number,
        type="audio" if is_audio else "video",
        codecs=codecs.split_codecs(element.get("codecs") or ""),
        channels=channels_of(element),
        language=main.language if main and not own else language.normal(own),
        default=is_main(element),
        judged=is_audio,
        badges=tuple(_bundle_badge(i) for i in components) if is_audio else (),
        needs=tuple(set_badge(i) for i in components),
        follows=() if is_audio else (_ANY_VIDEO,),
    )


def _components(element: Element, sets: Mapping[str, _Shared]) -> list[str]:
    """The AdaptationSets that a Preselection is made of, its main one first."""
    return [i for i in ids_in(element.get("preselectionComponents")) if i in sets]


def _bound(renditions: list[Rendition]) -> tuple[Rendition, ...]:
    """Trick modes whose main AdaptationSet is not there follow the video as a whole."""
    worn = {badge for r in renditions for badge in r.badges}
    return tuple(
        r._replace(follows=(_ANY_VIDEO,))
        if r.type == "trick" and not worn.intersection(r.follows)
        else r
        for r in renditions
    )


def _representation_badge(identifier: str) -> str:
    return f"Representation '{identifier}'"


def _bundle_badge(identifier: str) -> str:
    return f"Preselection of AdaptationSet '{identifier}'"


def _range(element: Element) -> Range | None:
    """ISO/IEC 23009-1 section 5.8.5.11: CICP; HLG may be stated beside the SDR curve it is compatible with."""
    found = {
        known
        for child in properties(element, _TRANSFER)
        if (number := whole(child.get("value"))) is not None
        and (known := codecs.transfer_range(number)) is not None
    }
    wider = found - {"SDR"}
    return min(wider or found, default=None)


def _supplemental(element: Element) -> tuple[str, ...]:
    """``scte214:supplementalCodecs``: what a better player could make of the stream."""
    for name, attribute in element.attributes.items():
        if name.rpartition(":")[2] == "supplementalCodecs":
            return codecs.split_codecs(attribute.value.replace(" ", ","))
    return ()


def whole(text: str | None) -> int | None:
    """A whole number, ``None`` if the text is none."""
    text = (text or "").strip()
    return int(text) if _WHOLE.match(text) else None


def rate(text: str | None) -> float | None:
    """A frame rate: '25', '29.97' or '30000/1001'."""
    match = _RATE.match((text or "").strip())
    if match is None:
        return None
    below = float(match[2] or 1)
    return float(match[1]) / below if below else None
