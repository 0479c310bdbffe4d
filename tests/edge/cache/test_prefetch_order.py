from __future__ import annotations

from itertools import islice

import pytest

from edge.cache.prefetch.budget import Budget
from edge.cache.prefetch.mpds import learnt_of
from edge.cache.prefetch.names import Piece, beside, in_manifest
from edge.cache.prefetch.order import Learnt, Numbered, Order, learnt_row
from edge.cache.prefetch.playlists import MOST_LIVE, Step, steps_of
from edge.cache.ranges import Span
from edge.manifests.limits import Limits

DOCUMENT = "cdn/show/v/a.m3u8"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


def named(playlist: str) -> list[str]:
    return [step.piece.name for step in steps_of((HEAD + playlist).encode(), DOCUMENT)]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("1.ts", "cdn/show/v/1.ts"),
        ("./s/1.ts", "cdn/show/v/s/1.ts"),
        ("../w/1.ts", "cdn/show/w/1.ts"),
        ("../../../two/1.ts", "two/1.ts"),
        ("1.ts?a=1&token=x&CMCD=y", "cdn/show/v/1.ts?a=1"),
        ("%31.ts", "cdn/show/v/1.ts"),
        ("a%20b.ts", "cdn/show/v/a%20b.ts"),
        ("1.ts#t=1", "cdn/show/v/1.ts"),
        ("http://other.example/1.ts", None),
        ("//other.example/1.ts", None),
        ("a%2Fb.ts", None),
        ("%2e%2e/1.ts", None),
        ("a\\b.ts", None),
        ("{$x}/1.ts", None),
        ("data:,", None),
    ],
)
def test_a_reference_in_a_manifest_has_the_name_that_a_request_for_it_has(
    reference: str, name: str | None
) -> None:
    assert in_manifest(DOCUMENT, reference) == name


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("2.ts", "cdn/show/v/2.ts"),
        ("../w/2.ts?k=1", "cdn/show/w/2.ts?k=1"),
        ("../../2.ts", "cdn/2.ts"),
        ("../../../2.ts", None),
        ("../../../cdn/2.ts", None),
        ("/cdn/2.ts", None),
        ("?k=1", None),
        ("t/../../../../2.ts", None),
        ("x/", "cdn/show/v/x/"),
    ],
)
def test_what_a_viewer_says_never_climbs_out_of_the_origin(
    reference: str, name: str | None
) -> None:
    assert beside("cdn/show/v/1.ts?k=0", reference) == name


def test_segments_come_in_their_order_whatever_stands_between_them() -> None:
    assert named(
        "#EXTINF:4,a title\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n1.ts\n\n# a word\n"
        '#EXT-X-PART:DURATION=1,URI="p1.ts"\n#EXTINF:4,\r\n2.ts  \r\n'
        '#EXT-X-GAP\n#EXTINF:4,\n3.ts\n#EXTINF:4,\n4.ts\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p9.ts"\n'
    ) == [f"cdn/show/v/{n}.ts" for n in (1, 2, 4)]


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXTINF\na.m3u8\n",
        "#EXT-X-I-FRAMES-ONLY\n#EXTINF:4,\n1.ts\n",
        "#EXT-X-IMAGES-ONLY\n#EXTINF:4,\n1.jpg\n",
        "#EXT-X-ENDLIST\n",
    ],
)
def test_what_is_not_played_in_its_order_has_none(playlist: str) -> None:
    assert named(playlist) == []


def test_a_byte_range_without_a_place_follows_the_one_before_it() -> None:
    found = steps_of(
        (
            HEAD + '#EXT-X-MAP:URI="f.mp4",BYTERANGE="10"\n'
            "#EXTINF:4,\n#EXT-X-BYTERANGE:100@10\nf.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:50\nf.mp4\n"
            "#EXTINF:4,\n#EXT-X-BYTERANGE:50\ng.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:0@5\nf.mp4\n"
        ).encode(),
        DOCUMENT,
    )
    name = "cdn/show/v/f.mp4"
    init = Piece(name, Span(0, 10))
    assert found == (
        Step(Piece(name, Span(10, 110)), init),
        Step(Piece(name, Span(110, 160)), init),
    )
    assert found[1].piece.range == "bytes=110-159"


def test_of_a_long_live_playlist_only_the_end_is_read() -> None:
    playlist = '#EXT-X-MAP:URI="i.mp4"\n' + "".join(f"#EXTINF:4,\n{n}.ts\n" for n in range(5000))
    found = steps_of((HEAD + playlist).encode(), DOCUMENT)
    assert [step.piece.name for step in found] == [
        f"cdn/show/v/{n}.ts" for n in range(5000 - MOST_LIVE, 5000)
    ]
    assert {step.init for step in found} == {Piece("cdn/show/v/i.mp4")}
    assert len(steps_of((HEAD + playlist + "#EXT-X-ENDLIST\n").encode(), DOCUMENT)) == 5000


def followers(mpd: str, name: str, *, most: int = 9) -> list[str]:
    order = Order()
    text = f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {mpd}</MPD>'
    order.learn(("cdn", "d/m.mpd", ""), learnt_of(text.encode(), "cdn/d/m.mpd", Limits()))
    return [piece.name for (piece,) in islice(order.after(name, None), most)]


def template(attributes: str, timeline: str = "", *, ids: str = "v") -> str:
    return (
        f"<AdaptationSet><SegmentTemplate {attributes}>{timeline}</SegmentTemplate>"
        f'<Representation id="{ids}" bandwidth="7"/></AdaptationSet>'
    )


def period(type_: str, adaptation: str) -> str:
    return f'type="{type_}"><Period>{adaptation}</Period>'


def media(text: str) -> str:
    return f"media='{text}'"


TIMELINE = '<SegmentTimeline><S t="5" d="10" r="1"/><S d="7"/></SegmentTimeline>'


@pytest.mark.parametrize(
    ("mpd", "name", "expected"),
    [
        (
            period("dynamic", template(media("$RepresentationID$/$Number%05d$.m4s"), TIMELINE)),
            "cdn/d/v/00001.m4s",
            ["cdn/d/v/00002.m4s", "cdn/d/v/00003.m4s"],
        ),
        (
            period("dynamic", template(media("$Bandwidth$-$Time$.m4s?q=$$1"), TIMELINE)),
            "cdn/d/7-5.m4s?q=$1",
            ["cdn/d/7-15.m4s?q=$1", "cdn/d/7-25.m4s?q=$1"],
        ),
        (
            'type="static"><BaseURL>x/</BaseURL><Period duration="PT9S"><BaseURL>y/</BaseURL>'
            + template("duration='4' startNumber='3' " + media("$Number$.m4s"))
            + "</Period>",
            "cdn/d/x/y/3.m4s",
            ["cdn/d/x/y/4.m4s", "cdn/d/x/y/5.m4s"],
        ),
        (
            'type="static"><Period><AdaptationSet><Representation id="v"><SegmentList>'
            '<SegmentURL media="a.m4s"/><SegmentURL media="b.m4s"/></SegmentList></Representation>'
            "</AdaptationSet></Period>",
            "cdn/d/a.m4s",
            ["cdn/d/b.m4s"],
        ),
        (
            'type="dynamic"><Period>'
            + template(
                "media='$Time$.m4s'",
                '<SegmentTimeline><S t="0" d="5" r="-1"/><S t="10" d="5" r="-1"/></SegmentTimeline>',
            )
            + "</Period>",
            "cdn/d/0.m4s",
            ["cdn/d/5.m4s", "cdn/d/10.m4s"],
        ),
    ],
)
def test_the_followers_of_a_segment_by_its_mpd(mpd: str, name: str, expected: list[str]) -> None:
    assert followers(mpd, name) == expected


@pytest.mark.parametrize(
    "mpd",
    [
        'type="dynamic"><Period duration="PT9S">'
        + template("duration='4' media='$Number$.m4s'")
        + "</Period>",
        'type="static"><Period>' + template("duration='4' media='$Number$.m4s'") + "</Period>",
        'type="static"><Period duration="P9999D">'
        + template("duration='1' timescale='999999999999999999' media='$Number$.m4s'")
        + "</Period>",
        period("static", template(media("$Number$-$SubNumber$.m4s"), TIMELINE)),
        period("static", template(media("9$Number$.m4s"), TIMELINE)),
        'type="static"><BaseURL>http://other.example/</BaseURL><Period>'
        + template(media("$Number$.m4s"), TIMELINE)
        + "</Period>",
        'type="static"><Period>'
        + template(
            "media='$Number$.m4s'",
            '<SegmentTimeline><S t="0" d="1" r="999999999999"/></SegmentTimeline>',
        )
        + "</Period>",
    ],
)
def test_nothing_is_guessed_where_an_mpd_does_not_say_it(mpd: str) -> None:
    assert [followers(mpd, f"cdn/d/{name}.m4s") for name in ("1", "91", "1-1")] == [[], [], []]


def test_periods_that_share_a_template_go_on_in_one_another() -> None:
    def numbered(start: int) -> str:
        attributes = f"duration='4' startNumber='{start}' media='$Number$.m4s'"
        return f'<Period duration="PT8S">{template(attributes)}</Period>'

    found = followers(f'type="static">{numbered(1)}{numbered(3)}', "cdn/d/1.m4s")
    assert found == [f"cdn/d/{n}.m4s" for n in (2, 3, 4)]


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    order = Order(most_manifests=3, most_entries=100)
    for number in range(5):
        row = tuple(Step(Piece(f"cdn/{number}/{n}.ts"), None) for n in range(30))
        order.learn(("cdn", f"{number}.m3u8", ""), Learnt(rows=(row,)))
    assert len(order) == 3
    kept = [n for n in range(5) if next(order.after(f"cdn/{n}/1.ts", None), None) is not None]
    assert kept == [2, 3, 4]
    order.learn(
        ("cdn", "large", ""),
        Learnt(rows=(tuple(Step(Piece(f"cdn/large/{n}.ts"), None) for n in range(101)),)),
    )
    assert next(order.after("cdn/large/1.ts", None), None) is None


def test_a_version_that_is_replaced_leaves_nothing_behind() -> None:
    order = Order()
    key = ("cdn", "m", "")
    order.learn(key, Learnt(rows=((Step(Piece("cdn/1"), None), Step(Piece("cdn/2"), None)),)))
    order.learn(key, Learnt(numbered=(Numbered("cdn/a", ".ts", 1, range(1, 3)),)))
    assert next(order.after("cdn/1", None), None) is None
    assert next(order.after("cdn/a1.ts", None)) == (Piece("cdn/a2.ts"),)
    order.learn(key, Learnt())
    assert next(order.after("cdn/a1.ts", None), None) is None


@pytest.mark.parametrize(
    "names",
    [
        ["s-7.ts", "s-8.ts", "s-9.ts", "s-10.ts"],
        ["s0098.m4s", "s0099.m4s", "s0100.m4s"],
        ["1/2-100.m4s?k=3", "1/2-140.m4s?k=3", "1/2-200.m4s?k=3"],
    ],
)
def test_a_playlist_with_numbered_names_takes_one_entry(names: list[str]) -> None:
    learnt = learnt_row(tuple(Step(Piece(f"cdn/{name}"), None) for name in names))
    order = Order()
    order.learn(("cdn", "m", ""), learnt)
    assert learnt.rows == ()
    for place, name in enumerate(names):
        found = [piece.name for (piece,) in order.after(f"cdn/{name}", None)]
        assert found == [f"cdn/{after}" for after in names[place + 1 :]]


@pytest.mark.parametrize(
    "names",
    [
        ["s-8.ts", "s-7.ts"],
        ["s-7.ts", "s-7.ts"],
        ["s-7.ts", "s-8.ts", "ad-9.ts"],
        ["s-7.ts", "s-8.ts", "s-8b.ts"],
        ["s-9.ts", "s-010.ts"],
        ["a.ts", "b.ts"],
        ["s-7.ts", "s-" + "8" * 5000 + ".ts"],
        ["s-7.ts"],
    ],
)
def test_a_playlist_with_other_names_is_kept_as_it_is(names: list[str]) -> None:
    row = tuple(Step(Piece(f"cdn/{name}"), None) for name in names)
    assert learnt_row(row) == Learnt(rows=(row,))


@pytest.mark.parametrize("name", ["cdn/a01.ts", "cdn/a3.ts", "cdn/a.ts", "cdn/a2.ts", "cdn/b1.ts"])
def test_a_number_counts_only_as_the_template_writes_it(name: str) -> None:
    order = Order()
    order.learn(("cdn", "m", ""), Learnt(numbered=(Numbered("cdn/a", ".ts", 1, range(1, 3)),)))
    assert next(order.after(name, None), None) is None


def test_the_budget_never_grows_beyond_its_bound() -> None:
    budget = Budget(share=0.5, max_bytes=100)
    budget.earn(1000)
    assert budget.left == 100
    budget.spend(90)
    budget.earn(20)
    assert budget.left == 20
    budget.give_back(500)
    assert budget.left == 100
