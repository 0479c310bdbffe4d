from __future__ import annotations

from array import array

import pytest
import threefive

from tests.live.ads.cues import splice_insert, time_signal
from tests.live.ads.film import frames_of
from tests.live.ads.picture import HEIGHT, WIDTH, Name, draw, read
from tests.live.ads.programme import LIVE, RECORDED, Programme
from tests.live.ads.seen import Seen, Shown, report
from tests.live.ads.tones import AD_PITCH, RATE, heard, pitch_of, tone

SECONDS = [5, 6, 7]
PICTURES = [
    Shown(number / 10, Name(False, number)) for second in SECONDS for number in frames_of(second)
]


@pytest.mark.parametrize("name", [Name(False, 0), Name(True, 1), Name(False, 9999)])
def test_a_picture_can_be_read(name: Name) -> None:
    assert read(draw(name)[: WIDTH * HEIGHT]) == name


def test_what_is_no_picture_of_ours_is_not_read() -> None:
    luma = bytearray(draw(Name(False, 77))[: WIDTH * HEIGHT])
    luma[: WIDTH * 16] = bytes([235]) * WIDTH * 16

    assert read(bytes(luma)) is None


@pytest.mark.parametrize("pitch", [*map(pitch_of, range(8)), AD_PITCH])
def test_a_pitch_can_be_heard(pitch: int) -> None:
    assert heard(array("h", tone(pitch)), RATE) == pitch


def test_another_reader_understands_the_splice_messages() -> None:
    opened = threefive.Cue(splice_insert(7, 4)).command
    assert (opened.splice_event_id, opened.out_of_network_indicator) == (7, True)
    assert opened.break_duration == 4
    (descriptor,) = threefive.Cue("0x" + time_signal(9, 0x34, 4).hex()).descriptors
    assert (descriptor.segmentation_type_id, descriptor.segmentation_duration) == (0x34, 4)
    (descriptor,) = threefive.Cue("0x" + time_signal(9, 0x35).hex()).descriptors
    assert (descriptor.segmentation_type_id, int(descriptor.segmentation_event_id, 16)) == (0x35, 9)


def test_the_content_alone_is_without_fault() -> None:
    assert Seen(pictures=PICTURES).faults(SECONDS) == []


@pytest.mark.parametrize(
    ("pictures", "fault"),
    [
        ([], "no content was shown"),
        (PICTURES[:20], "content was not shown: [7]"),
        ([*PICTURES, Shown(8.0, Name(False, 80))], "other content was shown: [8]"),
        ([*PICTURES, Shown(8.0, Name(True, 3))], "ads were shown: [0]"),
        ([*PICTURES, Shown(8.0, None)], "1 pictures cannot be read"),
        ([*PICTURES, PICTURES[-1]], "picture 79 came after 79"),
        ([*PICTURES[:-1], Shown(8.9, Name(False, 79))], "time moved by 1.00 s at picture 79"),
    ],
)
def test_each_fault_is_told(pictures: list[Shown], fault: str) -> None:
    assert fault in Seen(pictures=pictures).faults(SECONDS)


def test_a_player_that_waits_seeks_or_complains_is_at_fault() -> None:
    seen = Seen(pictures=PICTURES, waits=[5.5], seeks=[6.5], notes=["odd"], errors=["bad"])

    assert seen.faults(SECONDS) == [
        "waited: [5.5]",
        "sought: [6.5]",
        "notes: ['odd']",
        "errors: ['bad']",
    ]


def test_a_report_names_the_viewers_who_saw_a_fault() -> None:
    assert report({"one": [], "two": ["bad", "worse"]}) == "two: bad\ntwo: worse"


@pytest.mark.parametrize("programme", [LIVE, RECORDED])
def test_three_breaks_interrupt_content_without_a_hole(programme: Programme) -> None:
    content = programme.content
    assert len(programme.breaks) == 3
    assert content == list(range(content[0], content[-1] + 1))
