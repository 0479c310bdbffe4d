from __future__ import annotations

from lxml import etree

from edge.manifests.ads.dash.annotate import annotate
from edge.manifests.ads.rules import Rules
from edge.manifests.dash.scan import scan
from edge.manifests.edits import apply_edits
from edge.manifests.limits import DEFAULT
from tests.manifests.ads.dash_shows import (
    BY_CUE,
    BY_ID,
    SCTE_XML,
    found_in,
    mpd,
    opening,
    rules,
    text,
)


def annotated(data: bytes, chosen: Rules = BY_ID) -> bytes:
    document = scan(data, DEFAULT)
    made = apply_edits(data, annotate(document, found_in(data, chosen)))
    scan(made, DEFAULT)
    return made


def comments(data: bytes) -> list[str]:
    return [str(one.text).strip() for one in etree.fromstring(data).iter(etree.Comment)]


def test_a_break_is_explained_before_its_period() -> None:
    data = mpd('\n  <Period id="c" duration="PT1S"/>\n  <Period id="ad" duration="PT5S"/>\n')

    made = annotated(data)

    (said,) = comments(made)
    assert said.startswith("kawa-ads: ads: Period 2, 5 s; rule test@1, score 60, signals period-id")
    assert b'-->\n  <Period id="ad"' in made


def test_a_part_of_a_period_is_explained_with_the_reason_why_it_stays() -> None:
    event = f'<Event presentationTime="4">{opening(1, 3)}</Event>'
    data = mpd(
        f'<Period id="p" duration="PT60S"><EventStream schemeIdUri="{SCTE_XML}">{event}'
        "</EventStream></Period>"
    )

    (said,) = comments(annotated(data, BY_CUE))

    assert "Period 1 from 4 s to 7 s" in said
    assert "left: the Period lists no media" in said


def test_what_is_doubtful_is_called_so() -> None:
    event = f'<Event presentationTime="4" duration="9">{opening(1, 3)}</Event>'
    data = mpd(
        f'<Period id="p" duration="PT60S"><EventStream schemeIdUri="{SCTE_XML}">{event}'
        "</EventStream></Period>"
    )

    assert comments(annotated(data, BY_CUE))[0].startswith("kawa-ads: perhaps ads: Period 1")


def test_no_text_of_the_origin_ends_a_comment() -> None:
    data = mpd('<Period id="ad---&#45;&gt;&lt;evil/&gt;&#9;-" duration="PT5S"/>')

    made = annotated(data, rules(text("period-id", "^ad|--")))

    (said,) = comments(made)
    assert "evil" in said
    assert b"<evil" not in made.split(b"-->")[1]


def test_an_mpd_without_breaks_keeps_its_bytes() -> None:
    data = mpd('<Period id="c"/>')

    assert annotated(data) == data
