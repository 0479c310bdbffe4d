"""Writes the DASH manifest of a presentation (ISO/IEC 23009-1): live profile, exact timelines."""

from __future__ import annotations

from fractions import Fraction

from lxml import etree

from transcode.packaging.renditions import (
    INIT_NAME,
    AudioRendition,
    Presentation,
    Rendition,
    VideoRendition,
)

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_PROFILE = "urn:mpeg:dash:profile:isoff-live:2011"
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
_ROLE = "urn:mpeg:dash:role:2011"


def manifest(presentation: Presentation) -> bytes:
    """The MPD: one adaptation set of pictures, one for each language."""
    mpd = etree.Element(
        f"{{{NAMESPACE}}}MPD",
        nsmap={None: NAMESPACE},  # type: ignore[dict-item] # the default namespace; the stubs forgot it
        profiles=_PROFILE,
        type="static",
        mediaPresentationDuration=_duration(presentation.duration),
        minBufferTime=_duration(Fraction(presentation.video[0].target_duration)),
    )
    period = _child(mpd, "Period", id="0", start="PT0S", duration=_duration(presentation.duration))
    _video(period, presentation.video)
    for number, audio in enumerate(presentation.audio, start=1):
        _audio(period, audio, number)
    text: bytes = etree.tostring(mpd, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def _video(period: etree._Element, rungs: tuple[VideoRendition, ...]) -> None:
    first = rungs[0]
    group = _child(
        period,
        "AdaptationSet",
        id="0",
        contentType="video",
        mimeType="video/mp4",
        segmentAlignment="true",
        startWithSAP="1",
        maxWidth=str(max(rung.size.width for rung in rungs)),
        maxHeight=str(max(rung.size.height for rung in rungs)),
        frameRate=_rate(first.rate),
        sar="1:1",
    )
    _template(group, first)
    for rung in rungs:
        _child(
            group,
            "Representation",
            id=rung.name,
            bandwidth=str(rung.peak),
            codecs=rung.codec,
            width=str(rung.size.width),
            height=str(rung.size.height),
        )


def _audio(period: etree._Element, audio: AudioRendition, number: int) -> None:
    group = _child(
        period,
        "AdaptationSet",
        id=str(number),
        contentType="audio",
        mimeType="audio/mp4",
        lang=audio.language,
        segmentAlignment="true",
        startWithSAP="1",
    )
    _child(group, "Label").text = audio.title
    _child(group, "Role", schemeIdUri=_ROLE, value="main" if audio.is_default else "alternate")
    _template(group, audio)
    representation = _child(
        group,
        "Representation",
        id=audio.name,
        bandwidth=str(audio.peak),
        codecs=audio.codec,
        audioSamplingRate=str(audio.sample_rate),
    )
    _child(
        representation,
        "AudioChannelConfiguration",
        schemeIdUri=_CHANNELS,
        value=str(audio.channel_count),
    )


def _template(group: etree._Element, rendition: Rendition) -> None:
    template = _child(
        group,
        "SegmentTemplate",
        timescale=str(rendition.timescale),
        initialization=f"$RepresentationID$/{INIT_NAME}",
        media="$RepresentationID$/$Number$.m4s",
        startNumber="1",
    )
    timeline = _child(template, "SegmentTimeline")
    start = 0
    last: etree._Element | None = None
    for segment in rendition.segments:
        if last is not None and last.get("d") == str(segment.duration):
            last.set("r", str(int(last.get("r", "0")) + 1))
        else:
            last = _child(timeline, "S", t=str(start), d=str(segment.duration))
        start += segment.duration


def _child(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)


def _duration(seconds: Fraction) -> str:
    """xs:duration, to the microsecond."""
    return f"PT{float(seconds):.6f}".rstrip("0").rstrip(".") + "S"


def _rate(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
