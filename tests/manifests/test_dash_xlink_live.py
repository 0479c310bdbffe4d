from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.manifests.dash.live import live_view, parse_date, parse_duration, publish_time
from edge.manifests.dash.scan import scan
from edge.manifests.dash.xlink import inline, xlink_targets
from edge.manifests.edits import apply_edits
from edge.manifests.limits import DEFAULT
from edge.manifests.places import Kind
from tests.manifests.dash_documents import Channel, mpd, rewritten

REMOTE = "https://cdn.example/ad.period"
HELD = mpd(
    f'<Period id="1"/>\n<Period id="2" xlink:href="{REMOTE}" xlink:actuate="onLoad" start="PT1S"><BaseURL>own/'
    '</BaseURL></Period>\n<Period id="3"/>'
)


def put(data: bytes, replacements: dict[str, bytes | None]) -> tuple[bytes, tuple[str, ...]]:
    edits, warnings = inline(scan(data, DEFAULT), replacements, DEFAULT)
    output = apply_edits(data, edits)
    scan(output, DEFAULT)
    return output, warnings


def test_a_reference_that_is_left_to_the_player_leads_through_the_edge() -> None:
    result = rewritten(HELD)

    assert b'xlink:href="../../cdn/ad.period"' in result.output
    assert Kind.XLINK in {place.kind for place in result.places}


def test_targets_say_what_and_when() -> None:
    data = mpd(
        '<Period xlink:href=" a " xlink:actuate="onLoad"/><Period xlink:href="b"/>'
        '<Period><AdaptationSet xmlns:l="http://www.w3.org/1999/xlink" l:href="c" l:actuate="onRequest"/>'
        '<EventStream xlink:href="d"/><AdaptationSet xmlns:xlink="urn:other" xlink:href="no"/></Period>'
    )

    targets = xlink_targets(scan(data, DEFAULT))

    assert [(target.href, target.on_load, target.element.name) for target in targets] == [
        ("a", True, "Period"),
        ("b", False, "Period"),
        ("c", False, "AdaptationSet"),
        ("d", False, "EventStream"),
    ]


def test_remote_elements_take_the_place_of_the_one_that_names_them() -> None:
    remote = (
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- ad -->\n<Period id="ad1" xmlns="urn:mpeg:dash:schema:mpd:2011"/>\n'
        b'<Period id="ad2"><AdaptationSet/></Period>\n'
    )

    output, warnings = put(HELD, {REMOTE: remote})

    assert warnings == ()
    assert b'<Period id="1"/>\n<Period id="ad1" ' in output
    assert b'</AdaptationSet></Period>\n<Period id="3"/>' in output.replace(
        b"<AdaptationSet/>", b"</AdaptationSet>"
    )
    assert REMOTE.encode() not in output


def test_resolving_to_zero_removes_the_element() -> None:
    data = mpd(
        '<Period id="1"/><Period xlink:href="urn:mpeg:dash:resolve-to-zero:2013"><a/></Period>'
    )

    assert put(data, {}) == (mpd('<Period id="1"/>'), ())


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(None, id="not to be had"),
        pytest.param(b"", id="empty"),
        pytest.param(b"text", id="no element"),
        pytest.param(b"<Period/>text", id="text beside it"),
        pytest.param(b"<AdaptationSet/>", id="another element"),
        pytest.param(b"<Period>", id="truncated"),
        pytest.param(b"<Period/></fragment><fragment>", id="breaking out"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><Period/>', id="hostile"),
        pytest.param(b'<Period xlink:href="https://cdn.example/next"/>', id="referring on"),
        pytest.param(b"<a>" * 100 + b"</a>" * 100, id="too deep"),
        pytest.param("<Period/>".encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_cannot_be_used_leaves_the_element_its_own_content(remote: bytes | None) -> None:
    output, warnings = put(HELD, {REMOTE: remote})

    assert b'<Period id="2" start="PT1S"><BaseURL>own/</BaseURL></Period>' in output
    assert len(warnings) == 1
    assert REMOTE in warnings[0]


def test_references_that_were_not_resolved_stay() -> None:
    assert put(HELD, {}) == (HELD, ())


def test_a_reference_inside_a_replaced_element_goes_with_it() -> None:
    data = mpd('<Period xlink:href="a"><AdaptationSet xlink:href="b"/></Period>')

    output, _ = put(data, {"a": b"<Period/>", "b": b"<AdaptationSet/>"})

    assert output == mpd("<Period/>")


def test_a_live_channel_can_be_viewed() -> None:
    view = live_view(scan(Channel().at(100), DEFAULT))

    assert view.updates
    assert view.id == "one"
    assert view.publish_time == datetime(2024, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert view.minimum_update_period == timedelta(seconds=2)
    assert [period.start for period in view.periods] == [timedelta(seconds=60)]
    assert view.locations == ("https://live.example/channels/one/manifest.mpd?at=100&x=1",)
    assert view.window is not None


def test_a_static_presentation_does_not_update() -> None:
    view = live_view(
        scan(mpd('<Period duration="PT5S"/><Period/>', ' minimumUpdatePeriod="PT2S"'), DEFAULT)
    )

    assert not view.updates
    assert [period.start for period in view.periods] == [timedelta(0), timedelta(seconds=5)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT2S", 2),
        ("PT0H3M1.63S", 181.63),
        ("P1DT1H", 90000),
        ("P2W", 1209600),
        ("P1Y2M", 425 * 86400),
        ("-PT1S", -1),
        (" PT1S ", 1),
        ("PT0.02H", 72),
        ("PT", None),
        ("P", None),
        ("2S", None),
        ("PT1e9S", None),
        ("PT999999999999S", None),
        ("P999999Y", None),
        ("INF", None),
        ("", None),
        (None, None),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    length = parse_duration(text)

    assert (None if length is None else length.total_seconds()) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T02:00:00+02:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.1234567Z", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2024-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+12:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_dates(text: str | None, expected: datetime | None) -> None:
    assert parse_date(text) == expected


def test_the_publish_time_is_ready_for_a_query() -> None:
    assert (
        publish_time(mpd("", ' publishTime="2024-01-01T00:00:00+01:00"'))
        == "2024-01-01T00%3A00%3A00%2B01%3A00"
    )
    assert publish_time(mpd("")) == ""
    assert publish_time(b"garbage") == ""
