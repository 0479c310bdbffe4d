"""The traps of manifests found in the wild, each with the file that has it."""

from __future__ import annotations

import pytest

from edge.manifests.dash.live import live_view
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.dash.scan import scan
from edge.manifests.errors import Truncated
from edge.manifests.limits import DEFAULT
from tests.manifests import dash_corpus as corpus
from tests.manifests.dash_documents import in_set, mpd, rewritten


def through(name: str) -> tuple[bytes, bytes]:
    data = corpus.read(name)
    return data, rewrite(data, corpus.context_for(data), DEFAULT).output


def test_10_a_byte_order_mark_and_a_missing_final_newline_stay() -> None:
    marked = unfinished = 0
    for name in corpus.names():
        data, output = through(name)
        marked += data.startswith(b"\xef\xbb\xbf")
        unfinished += not data.endswith(b"\n")
        assert output.startswith(b"\xef\xbb\xbf") == data.startswith(b"\xef\xbb\xbf")
        assert output[-8:] == data[-8:]
        assert output.count(b"\r") == data.count(b"\r")
        assert output.count(b"\n") == data.count(b"\n")
    assert marked
    assert unfinished


@pytest.mark.parametrize(
    "name", ["emarsden__dash-mpd-rs__mediapackage.xml.mpd", "androidx__media__sample_mpd_live.mpd"]
)
def test_14_prefixes_that_nobody_declared_are_kept(name: str) -> None:
    data, output = through(name)

    for prefix in (b"scte35:", b"yt:"):
        assert output.count(prefix) == data.count(prefix)


def test_14_a_truncated_document_is_named_so() -> None:
    with pytest.raises(Truncated):
        scan(corpus.read("emarsden__dash-mpd-rs__incomplete.mpd"), DEFAULT)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("androidx__media__sample_mpd_multiple_baseUrls.mpd", id="upper case"),
        pytest.param("androidx__media__sample_mpd_images.mpd", id="none"),
        pytest.param("emarsden__dash-mpd-rs__telestream-binary.xml.mpd", id="only a prefix"),
    ],
)
def test_15_any_spelling_of_the_namespace_is_dash(name: str) -> None:
    document = scan(corpus.read(name), DEFAULT)

    assert all(document.is_dash(period) for period in document.root.named("Period"))
    assert live_view(document).periods


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("\n   https://cdn.example/v/\n  ", "\n   ../../cdn/v/\n  "),
        ("", ""),
        ("https://cdn.example/v", "../../cdn/v"),
        ("https://cdn.example/v/?a=b&amp;c", "../../cdn/v/?a=b&amp;c"),
        ("https://cdn.example", "../../cdn/"),
    ],
)
@pytest.mark.parametrize("level", ["MPD", "Period", "AdaptationSet", "Representation"])
def test_16_a_base_url_may_look_strange_on_any_level(
    written: str, expected: str, level: str
) -> None:
    places = dict.fromkeys(("MPD", "Period", "AdaptationSet", "Representation"), "")
    places[level] = f"<BaseURL>{written}</BaseURL>"
    data = mpd(
        f"{places['MPD']}<Period>{places['Period']}<AdaptationSet>{places['AdaptationSet']}"
        f"<Representation>{places['Representation']}</Representation></AdaptationSet></Period>"
    )

    assert rewritten(data).output == data.replace(
        f">{written}<".encode(), f">{expected}<".encode(), 1
    )


@pytest.mark.parametrize(
    "template",
    [
        "$RepresentationID$$Number%03d$.m4s",
        "$Number%09d$.m4s",
        "a$$b$Time$.m4s?x=$Number$&amp;y=?&amp;z=%24Number%24",
        "$RepresentationID$/$Bandwidth$/$SubNumber$",
    ],
)
def test_16_templates_survive_byte_for_byte(template: str) -> None:
    data = in_set(
        f'<SegmentTemplate media="https://cdn.example/{template}" initialization="{template}"/>'
    )

    assert rewritten(data).output == data.replace(b"https://cdn.example/", b"../../cdn/")


def test_17_timelines_without_times_and_with_endless_repeats_can_be_viewed() -> None:
    data = mpd(
        '<Period start="PT10S"><AdaptationSet><SegmentTemplate timescale="10" presentationTimeOffset="100">'
        '<SegmentTimeline><S d="20"/><S d="20" r="1"/><S t="200" d="20" r="-1"/></SegmentTimeline>'
        "</SegmentTemplate></AdaptationSet></Period>"
    )

    window = live_view(scan(data, DEFAULT)).window

    assert window is not None
    assert [edge.total_seconds() for edge in window] == [0.0, 22.0]


def test_17_offsets_that_are_infinite_or_broken_stay() -> None:
    for name in ("emarsden__dash-mpd-rs__f64-inf.mpd", "Eyevinn__dash-mpd__ato-inf.mpd"):
        data, output = through(name)
        assert b"INF" in data
        assert output.count(b"INF") == data.count(b"INF")


def test_17_markers_of_breaks_stay_whatever_their_case() -> None:
    for name in (
        "emarsden__dash-mpd-rs__admanager.xml.mpd",
        "sangwonl__python-mpegdash__with_event_message_data.mpd",
        "emarsden__dash-mpd-rs__jurassic-compact-5975.mpd",
    ):
        data, output = through(name)
        marks = [b"scte35", b"SCTE", b"messageData", b"EventStream"]
        assert any(mark in data for mark in marks)
        assert [output.count(mark) for mark in marks] == [data.count(mark) for mark in marks]
