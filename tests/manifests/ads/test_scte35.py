from __future__ import annotations

import base64
import re
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.scte35 import Cue, Insert, Segmentation, decode, marks, of_xml
from edge.manifests.ads.segmentation import OPENING, PROGRAMME, TYPES, described
from edge.manifests.dash.scan import Element, read
from edge.manifests.limits import DEFAULT
from tests.lacking import lacking
from tests.manifests import corpus
from tests.manifests.ads.scte35_encoder import (
    InsertSpec,
    SectionSpec,
    SegmentationSpec,
    descriptor,
    section,
    time_signal,
)

TICKS = 90_000
AD = SegmentationSpec(event=7, type=0x30, ticks=30 * TICKS)

# Cues

_tags = st.lists(st.integers(0, 255), max_size=4)
_times = st.none() | st.integers(0, 2**33 - 1)
inserts = st.builds(
    InsertSpec,
    event=st.integers(0, 2**32 - 1),
    out=st.booleans(),
    cancelled=st.booleans(),
    ticks=st.none() | st.integers(0, 2**33 - 1),
    immediate=st.booleans(),
    components=st.none() | _tags,
    at=_times,
    auto_return=st.booleans(),
)
segmentations = st.builds(
    SegmentationSpec,
    event=st.integers(0, 2**32 - 1),
    type=st.sampled_from(
        sorted(OPENING | PROGRAMME | {kind + 1 for kind in OPENING} | {0, 1, 0x40})
    ),
    cancelled=st.booleans(),
    ticks=st.none() | st.integers(0, 2**40 - 1),
    components=st.none() | _tags,
    upid=st.binary(max_size=24),
    upid_type=st.just(0x01),
    restricted=st.booleans(),
)


def sections_with(others: st.SearchStrategy[bytes]) -> st.SearchStrategy[SectionSpec]:
    return st.builds(
        SectionSpec,
        insert=st.none() | inserts,
        segmentations=st.lists(segmentations, max_size=4),
        other_descriptors=st.lists(others, max_size=2),
        at=_times,
        pts_adjustment=st.integers(0, 2**33 - 1),
        tier=st.integers(0, 0xFFF),
        told_length=st.booleans(),
        stuffing=st.binary(max_size=3),
    )


sections = sections_with(
    st.builds(descriptor, st.sampled_from([0x00, 0x03, 0x80]), st.binary(min_size=4, max_size=12))
)
# What threefive knows: no command of untold length, nothing about single components, and of other descriptors those for
# availability.
known_sections = sections_with(
    st.builds(descriptor, st.just(0x00), st.binary(min_size=4, max_size=4).map(b"CUEI".__add__))
).map(
    lambda spec: replace(
        spec,
        told_length=True,
        insert=spec.insert and replace(spec.insert, components=None),
        segmentations=[replace(item, components=None) for item in spec.segmentations],
    )
)


def meant(spec: SectionSpec) -> Cue:
    insert = spec.insert
    return Cue(
        insert=None
        if insert is None
        else Insert(
            event=insert.event,
            out=None if insert.cancelled else insert.out,
            seconds=None
            if insert.cancelled or insert.ticks is None
            else Decimal(insert.ticks) / TICKS,
            cancelled=insert.cancelled,
        ),
        segmentations=tuple(
            Segmentation(event=item.event, type=None, cancelled=True)
            if item.cancelled
            else Segmentation(
                event=item.event,
                type=item.type,
                seconds=None if item.ticks is None else Decimal(item.ticks) / TICKS,
            )
            for item in spec.segmentations
        ),
    )


@given(sections)
def test_a_cue_is_read_as_it_was_written_in_every_spelling(spec: SectionSpec) -> None:
    assert decode(spec.text()) == meant(spec)
    assert decode(spec.digits()) == meant(spec)
    assert decode(f'"{spec.digits().lower()}"') == meant(spec)
    assert decode(f" {spec.text().rstrip('=')}\n") == meant(spec)
    assert decode(f"”{spec.text()}”") == meant(spec)


def test_a_cue_may_be_wrapped_over_lines() -> None:
    spec = SectionSpec(segmentations=[AD])
    text = spec.text()

    assert decode(f"\n\t{text[:20]}\n\t{text[20:]}\n") == meant(spec)


@given(sections, st.data())
def test_a_cue_that_is_cut_short_is_none(spec: SectionSpec, data: st.DataObject) -> None:
    whole = spec.data()
    kept = data.draw(st.integers(0, len(whole) - 1))

    assert decode("0x" + whole[:kept].hex()) is None


@given(sections, st.data())
def test_one_wrong_bit_is_noticed_and_never_an_error(
    spec: SectionSpec, data: st.DataObject
) -> None:
    whole = bytearray(spec.data())
    bit = data.draw(st.integers(8 * 3, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8

    cue = decode("0x" + whole.hex())

    assert cue is None or not cue.intact


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: "0x" + data.hex()))
def test_what_is_no_cue_is_none(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize(
    "data",
    [
        section(6, time_signal(), AD.data(), protocol=1),
        section(6, time_signal(), AD.data(), encrypted=True),
        b"\xfb" + SectionSpec(segmentations=[AD]).data()[1:],
        section(4, b"\0", AD.data(), told_length=False),  # splice_schedule: nothing says how long
        section(5, InsertSpec(ticks=90).data()[:9]),
        section(6, time_signal(), b"\x02\xffCUEI"),
        section(6, time_signal(), descriptor(0x02, b"CUEI\0\0\0\7\x7f\xbf\0")),
    ],
    ids=["protocol", "encrypted", "table", "schedule", "insert", "loop", "descriptor"],
)
def test_what_cannot_be_read_for_certain_is_no_cue(data: bytes) -> None:
    assert decode(base64.b64encode(data).decode()) is None


@pytest.mark.parametrize("kind", [0x00, 0x04, 0x07, 0xFF, 0x42])
def test_descriptors_count_beside_any_command_of_known_length(kind: int) -> None:
    command = b"" if kind in (0x00, 0x07) else b"CUEI private"

    cue = decode(base64.b64encode(section(kind, command, AD.data())).decode())

    assert cue is not None
    assert [found.event for found in cue.segmentations] == [7]


def test_a_descriptor_of_somebody_else_is_passed_over() -> None:
    foreign = descriptor(0x02, b"ABCD" + AD.data()[6:])

    cue = decode(base64.b64encode(section(6, time_signal(), foreign + AD.data())).decode())

    assert cue is not None
    assert [found.event for found in cue.segmentations] == [7]


def test_a_huge_text_is_refused_at_once() -> None:
    began = time.process_time()

    assert decode("0x" + "FC" * 5_000_000) is None
    assert decode("/" * 10_000_000) is None
    assert time.process_time() - began < 0.2


# Meaning


def test_each_opening_type_opens_and_the_next_number_closes() -> None:
    for kind in TYPES.values():
        begin = decode(SectionSpec(segmentations=[SegmentationSpec(type=kind, ticks=TICKS)]).text())
        end = decode(SectionSpec(segmentations=[SegmentationSpec(type=kind + 1)]).text())

        [opened] = marks(begin, {kind})
        [closed] = marks(end, {kind})

        assert (opened.kind, opened.key, opened.seconds) == ("opens", "event:1", Decimal(1))
        assert (closed.kind, closed.key, closed.seconds) == ("closes", "event:1", None)
        assert marks(begin, OPENING - {kind}) == marks(end, OPENING - {kind}) == ()


def test_programs_and_chapters_are_told_apart_from_breaks() -> None:
    for kind in PROGRAMME:
        [mark] = marks(
            decode(SectionSpec(segmentations=[SegmentationSpec(type=kind)]).text()), OPENING
        )

        assert mark.kind == "programme"


def test_a_splice_insert_opens_and_closes_by_its_own_id() -> None:
    out = decode(SectionSpec(insert=InsertSpec(event=9, ticks=15 * TICKS)).text())
    back = decode(SectionSpec(insert=InsertSpec(event=9, out=False, ticks=5)).text())

    [opened] = marks(out, ())
    [closed] = marks(back, ())

    assert (opened.kind, opened.key, opened.seconds) == ("opens", "insert:9", Decimal(15))
    assert (closed.kind, closed.key, closed.seconds) == ("closes", "insert:9", None)
    assert marks(out, OPENING, inserts=False) == ()


def test_what_is_cancelled_closes() -> None:
    cue = decode(
        SectionSpec(
            insert=InsertSpec(event=9, cancelled=True),
            segmentations=[SegmentationSpec(event=8, cancelled=True)],
        ).text()
    )

    assert [(mark.kind, mark.key) for mark in marks(cue, OPENING)] == [
        ("closes", "insert:9"),
        ("closes", "event:8"),
    ]


def test_no_cue_means_nothing() -> None:
    assert marks(None, OPENING) == ()
    assert marks(decode(section(0, b"").hex()), OPENING) == ()


def test_types_are_named_for_people() -> None:
    assert described(0x34) == "provider placement opportunity (0x34)"
    assert described(0x31) == "provider advertisement (0x31)"
    assert described(0x02) == "segmentation (0x02)"


# XML


def element(text: str) -> Element:
    return read(text.encode(), DEFAULT).root


NAMESPACE = 'xmlns="http://www.scte.org/schemas/35/2016"'


@pytest.mark.parametrize(
    "text",
    [
        "<Event><Signal><Binary>{cue}</Binary></Signal></Event>",
        "<Event><scte35:Signal><scte35:Binary>\n  {cue}\n</scte35:Binary></scte35:Signal></Event>",
        "<Event><scte35:signal><scte35:binary>{cue}</scte35:binary></scte35:signal></Event>",
        '<Event messageData="{cue}"/>',
        "<Event>{cue}</Event>",
        "<Event>\n<![CDATA[{cue}]]></Event>",
        "<Binary>{cue}</Binary>",
    ],
)
def test_a_section_in_xml_is_the_same_cue(text: str) -> None:
    spec = SectionSpec(segmentations=[AD])

    assert of_xml(element(text.format(cue=spec.text()))) == meant(spec)


def test_splice_insert_in_elements() -> None:
    cue = of_xml(
        element(
            f"<Event><SpliceInfoSection {NAMESPACE}><SpliceInsert spliceEventId='4157' "
            "outOfNetworkIndicator='true' spliceImmediateFlag='false'><Program><SpliceTime ptsTime='1'/>"
            "</Program><BreakDuration autoReturn='true' duration='2699769'/></SpliceInsert>"
            "</SpliceInfoSection></Event>"
        )
    )

    assert cue == Cue(insert=Insert(event=4157, out=True, seconds=Decimal(2699769) / TICKS))


def test_segmentation_descriptors_in_elements_whatever_prefix_case_and_name_of_the_id() -> None:
    cue = of_xml(
        element(
            "<Event><scte35:SpliceInfoSection><scte35:TimeSignal/>"
            "<scte35:SegmentationDescriptor segmentationEventId='99' segmentationTypeId='52' "
            "segmentationDuration='2700000'><scte35:SegmentationUpid/></scte35:SegmentationDescriptor>"
            "<scte35:segmentationdescriptor scte35:spliceEventId='1' segmentationTypeId='53'/>"
            "<SegmentationDescriptor segmentationEventId='2' segmentationEventCancelIndicator='1' "
            "segmentationTypeId='52'/></scte35:SpliceInfoSection></Event>"
        )
    )

    assert cue == Cue(
        segmentations=(
            Segmentation(event=99, type=52, seconds=Decimal(30)),
            Segmentation(event=1, type=53),
            Segmentation(event=2, type=None, cancelled=True),
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "<Event/>",
        "<Event>some text</Event>",
        '<Event messageData="pt=1s"/>',
        "<Event><Signal><Binary>?</Binary></Signal></Event>",
        "<Event><Signal/></Event>",
        "<Event><BroadcastEvent><Binary2/></BroadcastEvent></Event>",
        "<Event><SpliceInfoSection><EncryptedPacket/><SpliceInsert outOfNetworkIndicator='1'/>"
        "</SpliceInfoSection></Event>",
        "<Event>" + "<a>" * 20 + "<SpliceInsert/>" + "</a>" * 20 + "</Event>",
        "<Event><SpliceInfoSection>" + "<SpliceInsert/>" * 1000 + "</SpliceInfoSection></Event>",
        "<Event><Binary>" + "A" * 100_000 + "</Binary></Event>",
    ],
)
def test_xml_without_a_cue_is_none(text: str) -> None:
    assert of_xml(element(text)) is None


def test_attributes_that_are_no_numbers_are_unknown() -> None:
    cue = of_xml(
        element(
            "<SpliceInfoSection><SpliceInsert spliceEventId='-1' outOfNetworkIndicator='yes'>"
            "<BreakDuration duration='1e9'/></SpliceInsert>"
            "<SegmentationDescriptor segmentationTypeId='٣' segmentationDuration='"
            + "9" * 30
            + "'/></SpliceInfoSection>"
        )
    )

    assert cue == Cue(
        insert=Insert(event=None, out=None), segmentations=(Segmentation(event=None, type=None),)
    )
    assert marks(cue, OPENING) == ()


# Against an independent reader

_CUE = re.compile(r"(?<![A-Za-z0-9+/])/D[A-Za-z0-9+/=]{20,}|0xFC[0-9A-Fa-f]{10,}")


def theirs(text: str) -> tuple[object, ...] | None:
    """What threefive reads; ``None`` where it fails, which it does in many ways and with words on stderr."""
    try:
        from threefive import Cue as Other
    except ImportError:
        lacking("threefive is not installed: pip install -e '.[dev]'")
    try:
        cue: Any = Other(text)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return None
    command = cue.command
    if not command or command.name is None:
        return None
    insert: tuple[object, ...] | None = None
    if command.name == "Splice Insert":
        insert = (
            int(str(command.splice_event_id), 0),
            bool(command.splice_event_cancel_indicator),
            None if command.splice_event_cancel_indicator else command.out_of_network_indicator,
            rounded(command.break_duration),
        )
    found = tuple(
        (
            int(item.segmentation_event_id, 16),
            bool(item.segmentation_event_cancel_indicator),
            None if item.segmentation_event_cancel_indicator else item.segmentation_type_id,
            rounded(item.segmentation_duration),
        )
        for item in cue.descriptors
        if item.tag == 2
    )
    return insert, found


def ours(text: str) -> tuple[object, ...] | None:
    cue = decode(text)
    if cue is None:
        return None
    insert = cue.insert and (
        cue.insert.event,
        cue.insert.cancelled,
        cue.insert.out,
        rounded(cue.insert.seconds),
    )
    found = tuple(
        (item.event, item.cancelled, item.type, rounded(item.seconds)) for item in cue.segmentations
    )
    return insert, found


def rounded(seconds: float | Decimal | None) -> float | None:
    return None if seconds is None else round(float(seconds), 3)


def test_the_cues_of_the_corpus_are_read_as_an_independent_reader_reads_them() -> None:
    texts = {
        found[0]
        for path in (*corpus.hls(), *corpus.dash())
        for found in _CUE.finditer(path.read_text("utf-8", "replace"))
    }

    different = {text: (ours(text), theirs(text)) for text in texts if ours(text) != theirs(text)}

    assert len(texts) > 50
    # A placeholder in an example: its descriptor loop is longer than the section, and its CRC is wrong.
    assert set(different) <= {"/DAgAAAAAAAAAP/wBQb+AABb0AAAABAAAAEAAQCA=="}
    assert all(mine is None for mine, _ in different.values())


@given(known_sections)
def test_made_cues_are_read_as_an_independent_reader_reads_them(spec: SectionSpec) -> None:
    assert ours(spec.text()) == theirs(spec.text())
