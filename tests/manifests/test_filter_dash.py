from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from edge.manifests.dash.channels import channels_of
from edge.manifests.dash.scan import scan
from edge.manifests.dash.select import apply_dash
from edge.manifests.filters.filter import Filter, from_grant
from edge.manifests.limits import DEFAULT
from tests.manifests.filter_corpus import dash, mpds, read, representations, tree
from tests.manifests.filter_strategies import filters

BOUNDS = [
    m + name for m in ("min", "max") for name in ("Width", "Height", "Bandwidth", "FrameRate")
]
ROLE = "urn:mpeg:dash:role:2011"


def mpd(*periods: str, attributes: str = "") -> bytes:
    body = "\n".join(periods)
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"{attributes}>\n{body}\n</MPD>\n'.encode()


def period(*sets: str, attributes: str = "") -> str:
    return f"<Period{attributes}>\n" + "\n".join(sets) + "\n</Period>"


def adaptation(kind: str, *inside: str, attributes: str = "") -> str:
    return (
        f'<AdaptationSet contentType="{kind}"{attributes}>\n'
        + "\n".join(inside)
        + "\n</AdaptationSet>"
    )


def representation(name: str, attributes: str = "") -> str:
    return f'  <Representation id="{name}" bandwidth="1000" {attributes}/>'


def picture(height: int, attributes: str = "") -> str:
    return representation(
        f"v{height}", f'width="{height * 16 // 9}" height="{height}" {attributes}'
    )


@pytest.mark.parametrize(
    ("name", "wanted", "kept"),
    [
        pytest.param("example_G7", "alang:fr", [[["3"], ["5"], ["6", "7", "8"]]], id="language"),
        pytest.param(
            "example_G7", "alang:!fr~tlang:en", [[["1"], ["6", "7", "8"]]], id="no such text"
        ),
        pytest.param(
            "example_G7",
            "bandwidth:..576k",
            [[["1"], ["3"], ["5"], ["6", "7"]]],
            id="512000 and the smallest audio, 64000",
        ),
        pytest.param(
            "example_G7", "bandwidth:..575k", [[["1"], ["3"], ["5"], ["6"]]], id="one bit less"
        ),
        pytest.param(
            "example_G7", "height:480~alang:en", [[["1"], ["5"], ["8"]]], id="height and language"
        ),
        pytest.param(
            "example_G7", "height:..100", [[["1"], ["3"], ["5"], ["6", "7"]]], id="the lowest"
        ),
        pytest.param("example_G7", "type:audio", [[["1"], ["3"]]], id="only audio"),
        pytest.param(
            "example_G7",
            "order:down~type:video",
            [[["8", "7", "6"]]],
            id="descending",
        ),
        pytest.param(
            "example_G7", "first:high~type:!text", [[["1"], ["3"], ["8", "6", "7"]]], id="first"
        ),
        pytest.param(
            "example_G25",
            "height:..720~acodec:aac",
            [[["root_video4"], ["root_video3"], ["root_audio67"]]],
            id="over several sets",
        ),
        pytest.param(
            "example_G25",
            "fps:60~height:..1080~channels:6",
            [[["root_video1"], ["root_audio66"]]],
            id="60 is 60000/1001",
        ),
        pytest.param(
            "example_G4",
            "vcodec:avc",
            [[["C2"], ["C2"]], [["C2"]]],
            id="without what depends on it",
        ),
        pytest.param(
            "example_G4",
            "vcodec:mvc",
            [[["C2"], ["C2"], ["C1"], ["C3"]], [["C2"], ["C1"]]],
            id="not without what it depends on",
        ),
        pytest.param(
            "example_G16",
            "alang:es",
            [[["1"], ["2"], ["4"]]],
            id="the parts of a preselection stay together",
        ),
        pytest.param(
            "ondemand_with_thumbnails",
            "height:..360~alang:en",
            [[["800k/audio-und"], ["800k/video-1"], ["captions_en"], ["5x4"]]],
            id="thumbnails have no height to judge, one unknown language stays",
        ),
        pytest.param(
            "ondemand_with_thumbnails",
            "type:!image,!text",
            [[["800k/audio-und"], ["800k/video-1", "1200k/video-1"]]],
            id="content types",
        ),
        pytest.param(
            "maat_vtt_segmentTemplate",
            "alang:es~tlang:es~bandwidth:..1M",
            [[["63000", "125000"], ["482"], ["es"]]],
            id="texts and sounds",
        ),
        pytest.param(
            "multiperiod-startnumber-removed-periods",
            "fps:30",
            [[["v0"], ["D"], ["A", "B", "C"]]],
            id="frame rates with decimals",
        ),
    ],
)
def test_which_representations_stay(name: str, wanted: str, kept: list[list[list[str]]]) -> None:
    output, _ = dash(read(name), wanted)

    assert representations(output) == kept


def test_limits_hold_in_every_period() -> None:
    source = read("avod-mediatailor")
    grant = from_grant(max_height=540, max_bitrate=1_500_000, languages=("en",))

    result = apply_dash(source, scan(source, DEFAULT), grant)

    periods = tree(result.output(source)).findall("Period")
    kept = [
        {
            (r.get("height"), r.get("bandwidth", "")[:3])
            for r in p.iterfind(".//Representation[@height]")
        }
        for p in periods
    ]
    assert kept == [{("270", "608"), ("270", "119")}] * 16
    assert result.given_up == ("Period 1, 6, 11, 16: limit-lang:en (und instead)",)


def test_a_period_is_judged_on_what_it_offers() -> None:
    data = mpd(
        period(adaptation("video", picture(360), picture(1080))),
        period(adaptation("video", picture(480), picture(576))),
        period(adaptation("video", picture(360), picture(1080))),
    )

    output, result = dash(data, "height:720..")

    assert representations(output) == [[["v1080"]], [["v576"]], [["v1080"]]]
    assert result.given_up == ("Period 2: height:720.. (576 instead)",)
    assert [drop.where for drop in result.dropped] == [
        "Period 1, AdaptationSet 1, Representation 1",
        "Period 2, AdaptationSet 1, Representation 1",
        "Period 3, AdaptationSet 1, Representation 1",
    ]


def test_what_no_period_can_meet_is_named_once() -> None:
    data = mpd(period(adaptation("video", picture(360))), period(adaptation("video", picture(360))))

    assert dash(data, "height:720")[1].given_up == ("height:720 (360 instead)",)


def test_elements_go_with_their_lines_and_nothing_else_changes() -> None:
    data = read("example_G7")

    output, _ = dash(data, "alang:en~tlang:de~height:480")

    lines = data.splitlines(keepends=True)
    gone = {number for number, line in enumerate(lines) if b'lang="fr"' in line}
    first = min(gone)
    french = range(first, first + 6)
    small = [n for n, line in enumerate(lines) if b'id="6"' in line or b'id="7"' in line]
    cut = {*french, *(n + k for n in small for k in range(3))}
    assert output == b"".join(line for n, line in enumerate(lines) if n not in cut)


def test_elements_on_one_line_go_alone() -> None:
    data = mpd(period(adaptation("video", picture(360) + picture(720) + picture(1080))))

    assert dash(data, "height:720")[0] == data.replace(picture(360)[2:].encode(), b"").replace(
        picture(1080)[2:].encode(), b""
    )


def test_the_bounds_of_an_adaptation_set_stay_true() -> None:
    output, _ = dash(read("vod-aip-unif-streaming"), "height:..540")

    first = tree(output).findall("Period/AdaptationSet")[1]
    assert {name: first.get(name) for name in BOUNDS if first.get(name)} == {
        "minBandwidth": "608000",
        "maxBandwidth": "2010000",
        "maxWidth": "960",
        "maxHeight": "540",
    }


def test_the_rate_of_an_adaptation_set_stays_true() -> None:
    output, _ = dash(read("multiperiod-startnumber-removed-periods"), "fps:30")

    assert tree(output).findall(".//AdaptationSet")[1].get("maxFrameRate") == "30.0"


def test_sets_that_went_are_mentioned_no_more() -> None:
    output, _ = dash(read("example_G25"), "height:..720")

    values = [e.get("value") for e in tree(output).iter("SupplementalProperty")]
    assert values == ["1", "0"]


def test_a_list_of_sets_that_is_empty_goes() -> None:
    output, _ = dash(read("example_G25"), "height:..288")

    assert not list(tree(output).iter("SupplementalProperty"))


TRICK = '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="{}"/>'
TRICKS = mpd(
    period(
        adaptation("video", picture(360, 'codecs="avc1.4d401e"'), attributes=' id="1"'),
        adaptation("video", picture(2160, 'codecs="hvc1.2.4.L150.B0"'), attributes=' id="2"'),
        adaptation("video", TRICK.format("1"), representation("t1", 'height="180"')),
        adaptation("video", TRICK.format("2"), representation("t2", 'height="720"')),
        adaptation(
            "video",
            TRICK.format("1 2"),
            representation("t3", 'height="360"'),
            representation("t4", 'height="2160"'),
        ),
        adaptation("video", TRICK.format("9"), representation("t5")),
    )
)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        pytest.param("height:..720", [["v360"], ["t1"], ["t3"], ["t5"]], id="height"),
        pytest.param("vcodec:hevc", [["v2160"], ["t2"], ["t3", "t4"], ["t5"]], id="codec"),
        pytest.param("type:!trick", [["v360"], ["v2160"]], id="none"),
        pytest.param(
            "fps:60~bandwidth:..1k",
            [["v360"], ["v2160"], ["t1"], ["t2"], ["t3", "t4"], ["t5"]],
            id="all",
        ),
    ],
)
def test_trick_modes_follow_what_they_are_made_from(wanted: str, kept: list[list[str]]) -> None:
    output, _ = dash(TRICKS, wanted)

    assert representations(output) == [kept]
    left = {e.get("id") for e in tree(output).iter("AdaptationSet")}
    named = [e.get("value", "").split() for e in tree(output).iter("EssentialProperty")]
    assert all(set(values) <= left | {"9"} for values in named)


def test_without_audio_there_is_only_the_picture() -> None:
    output, _ = dash(
        TRICKS.replace(
            b"</Period>", (adaptation("audio", representation("a")) + "</Period>").encode()
        ),
        "type:video",
    )

    assert representations(output) == [[["v360"], ["v2160"]]]


def test_preselections_are_chosen_by_their_own_language() -> None:
    output, result = dash(read("dolby-ac4"), "alang:es")

    root = tree(output)
    assert [e.get("tag") for e in root.iter("Preselection")] == ["2", "4"]
    assert [e.get("id") for e in root.iter("Representation")] == ["111"]
    assert [drop.why for drop in result.dropped] == ["alang:es"] * 2


def test_a_preselection_goes_with_a_part_of_it() -> None:
    data = mpd(
        period(
            adaptation("video", picture(360), attributes=' id="1"'),
            adaptation("video", picture(1080), attributes=' id="2"'),
            '<Preselection id="p1" preselectionComponents="1"/>',
            '<Preselection id="p2" preselectionComponents="2 7"/>',
            '<Subset contains="1 2"/>',
            '<Subset contains="2"/>',
        )
    )

    root = tree(dash(data, "height:..720")[0])

    assert [e.get("id") for e in root.iter("Preselection")] == ["p1"]
    assert [e.get("contains") for e in root.iter("Subset")] == ["1"]


def hdr(scheme: str, value: str, name: str = "EssentialProperty") -> str:
    return f'<{name} schemeIdUri="urn:mpeg:mpegB:cicp:{scheme}" value="{value}"/>'


HDR = mpd(
    period(
        adaptation("video", representation("sdr")),
        adaptation("video", hdr("TransferCharacteristics", "16"), representation("pq")),
        adaptation(
            "video",
            hdr("TransferCharacteristics", "14"),
            hdr("TransferCharacteristics", "18", "SupplementalProperty"),
            representation("hlg"),
        ),
        adaptation("video", hdr("ColourPrimaries", "9"), representation("wide")),
        adaptation("video", representation("dv", 'codecs="dvh1.05.06"')),
        adaptation("video", representation("vp9", 'codecs="vp09.02.10.10.01.09.16.09.01"')),
        adaptation(
            "video",
            representation(
                "both", 'codecs="hvc1.2.4.L123.B0" scte214:supplementalCodecs="dvh1.08.07/db4h"'
            ),
        ),
    ),
    attributes=' xmlns:scte214="urn:scte:dash:scte214-extensions"',
)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("range:sdr", ["sdr", "wide", "both"]),
        ("range:pq", ["pq", "dv", "vp9"]),
        ("range:hlg", ["hlg"]),
        ("vcodec:dv", ["sdr", "pq", "hlg", "wide", "dv", "both"]),
    ],
)
def test_dynamic_range(wanted: str, kept: list[str]) -> None:
    assert [r for s in representations(dash(HDR, wanted)[0])[0] for r in s] == kept


@pytest.mark.parametrize(
    ("scheme", "value", "count"),
    [
        ("urn:mpeg:dash:23003:3:audio_channel_configuration:2011", "2", 2),
        ("urn:mpeg:dash:23003:3:audio_channel_configuration:2011", "7", 8),
        ("urn:mpeg:mpegB:cicp:ChannelConfiguration", "6", 6),
        ("urn:mpeg:mpegB:cicp:ChannelConfiguration", "12", 8),
        ("urn:mpeg:mpegB:cicp:ChannelConfiguration", "99", None),
        ("tag:dolby.com,2014:dash:audio_channel_configuration:2011", "F801", 6),
        ("tag:dolby.com,2014:dash:audio_channel_configuration:2011", "A000", 2),
        ("urn:dolby:dash:audio_channel_configuration:2011", "FA01", 8),
        ("tag:dolby.com,2015:dash:audio_channel_configuration:2015", "000001", 2),
        ("tag:dolby.com,2015:dash:audio_channel_configuration:2015", "000047", 6),
        ("tag:dolby.com,2015:dash:audio_channel_configuration:2015", "0000C7", 8),
        ("urn:dts:dash:audio_channel_configuration:2012", "6", 6),
        ("urn:unknown", "2", None),
        ("urn:mpeg:dash:23003:3:audio_channel_configuration:2011", "many", None),
    ],
)
def test_channels_are_counted(scheme: str, value: str, count: int | None) -> None:
    text = f'<MPD><AudioChannelConfiguration schemeIdUri="{scheme}" value="{value}"/></MPD>'

    assert channels_of(scan(text.encode(), DEFAULT).root) == count


def role(value: str) -> str:
    return f'  <Role schemeIdUri="{ROLE}" value="{value}"/>'


def mains(data: bytes) -> list[str]:
    return [
        e.get("lang", "")
        for e in tree(data).iter("AdaptationSet", "Preselection")
        if any(r.get("value") == "main" for r in e.findall("Role"))
    ]


DUBS = mpd(
    period(
        adaptation("audio", role("main"), representation("en"), attributes=' lang="en"'),
        adaptation("audio", role("dub"), representation("ja"), attributes=' lang="ja"'),
        adaptation("audio", representation("fr"), attributes=' lang="fr" selectionPriority="5"'),
        adaptation("text", role("main"), representation("t1"), attributes=' lang="en"'),
        adaptation("text", role("forced-subtitle"), representation("t2"), attributes=' lang="ja"'),
    )
)


@pytest.mark.parametrize(
    ("wanted", "main", "priorities"),
    [
        pytest.param("default:ja", ["ja", "en"], {"fr": "5", "ja": "6"}, id="another language"),
        pytest.param("default:fr", ["fr", "en"], {"fr": "5"}, id="already highest"),
        pytest.param("default:de,jpn", ["ja", "en"], {"fr": "5", "ja": "6"}, id="second best"),
        pytest.param("default:de", ["en", "en"], {"fr": "5"}, id="not there"),
        pytest.param("tdefault:off", ["en"], {"fr": "5"}, id="no text"),
        pytest.param("tdefault:ja", ["en", "en"], {"fr": "5"}, id="forced text is no choice"),
    ],
)
def test_defaults(wanted: str, main: list[str], priorities: dict[str, str]) -> None:
    output, _ = dash(DUBS, wanted)

    assert mains(output) == main
    assert {
        e.get("lang"): e.get("selectionPriority")
        for e in tree(output).iter("AdaptationSet")
        if e.get("selectionPriority")
    } == priorities
    assert dash(output, wanted)[0] == output


def test_a_role_stands_where_the_schema_wants_it() -> None:
    data = read("example_G7")

    output, _ = dash(data, "default:fr")

    french = tree(output).findall(".//AdaptationSet")[1]
    assert [child.tag for child in french] == ["ContentProtection", "Role", "Representation"]
    added = b'\n      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>'
    plain = output.replace(added, b"").replace(b' selectionPriority="2"', b"")
    assert plain == data


def timed(name: str, kinds: str, attributes: str = "") -> str:
    sets = [adaptation(kind, representation(f"{name}-{kind}")) for kind in kinds.split()]
    return period(*sets, attributes=f' id="{name}"{attributes}')


@pytest.mark.parametrize(
    ("periods", "total", "times"),
    [
        pytest.param(
            [
                timed("a", "video audio", ' duration="PT10S"'),
                timed("b", "video", ' duration="PT5.5S"'),
                timed("c", "video audio", ' duration="PT10S"'),
            ],
            "PT25.5S",
            ("PT25.5S", [("a", None, "PT10S"), ("c", "PT15.5S", "PT10S")]),
            id="in the middle",
        ),
        pytest.param(
            [
                timed("a", "video audio", ' start="PT0S"'),
                timed("b", "video", ' start="PT1M"'),
                timed("c", "video audio", ' start="PT90S"'),
            ],
            "PT2M",
            ("PT2M", [("a", "PT0S", "PT60S"), ("c", "PT90S", None)]),
            id="a duration that followed from the next start",
        ),
        pytest.param(
            [timed("a", "video", ' duration="PT4S"'), timed("b", "audio")],
            "PT10S",
            ("PT10S", [("b", "PT4S", None)]),
            id="at the beginning",
        ),
        pytest.param(
            [timed("a", "audio", ' duration="PT4S"'), timed("b", "video")],
            "PT10S",
            ("PT4S", [("a", None, "PT4S")]),
            id="at the end",
        ),
    ],
)
def test_a_period_with_nothing_of_what_is_asked_for_goes_and_the_others_keep_their_time(
    periods: list[str], total: str, times: tuple[str, list[tuple[str, str | None, str | None]]]
) -> None:
    data = mpd(*periods, attributes=f' type="static" mediaPresentationDuration="{total}"')

    output, result = dash(data, "type:audio")

    root = tree(output)
    found = [(p.get("id"), p.get("start"), p.get("duration")) for p in root.findall("Period")]
    assert (root.get("mediaPresentationDuration"), found) == times
    assert not result.given_up


def test_not_every_period_goes() -> None:
    data = mpd(timed("a", "video"), timed("b", "video"))

    output, result = dash(data, "type:audio")

    assert output == data
    assert result.given_up == ("type:audio",)


def test_what_continued_a_period_that_went_continues_nothing() -> None:
    link = '<SupplementalProperty schemeIdUri="urn:mpeg:dash:period-continuity:2015" value="{}"/>'
    second = adaptation("audio", link.format("a"), representation("x"))
    third = adaptation("audio", link.format("b"), representation("y"))
    data = mpd(timed("a", "video"), period(second, attributes=' id="b"'), period(third))

    output, _ = dash(data, "type:audio")

    assert [e.get("value") for e in tree(output).iter("SupplementalProperty")] == ["b"]


def test_what_is_not_understood_stays() -> None:
    data = mpd(
        period(
            '<AdaptationSet xlink:href="urn:x" xmlns:xlink="http://www.w3.org/1999/xlink"/>',
            adaptation("video", picture(360), picture(720)),
            '<AdaptationSet mimeType="application/x-own">\n<Representation id="own"/>\n</AdaptationSet>',
            '<x:AdaptationSet xmlns:x="urn:other"><x:Representation id="1"/></x:AdaptationSet>',
        ),
        '<Period xlink:href="urn:y" xmlns:xlink="http://www.w3.org/1999/xlink"/>',
    )

    output, _ = dash(data, "height:360~alang:ja~type:video")

    assert output == data.replace(picture(720).encode() + b"\n", b"")


@pytest.mark.parametrize("name", mpds())
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(wanted=filters())
def test_over_the_corpus_what_remains_is_whole(name: str, wanted: Filter) -> None:
    source = read(name)
    result = apply_dash(source, scan(source, DEFAULT), wanted)
    output = result.output(source)
    before, after = tree(source), tree(output)

    assert apply_dash(output, scan(output, DEFAULT), wanted).output(output) == output
    assert elements(after) <= elements(before)
    for holder in after.iter("AdaptationSet"):
        assert holder.find("Representation") is not None or holder_was_empty(holder, before)
    if not wanted.type:
        assert len(after.findall("Period")) == len(before.findall("Period"))
        for old, new in zip(before.findall("Period"), after.findall("Period"), strict=True):
            assert kinds(new) >= kinds(old)
    assert mentions(after) - ids(after) <= mentions(before) - ids(before)
    if wanted.order is None and wanted.first is None and not wanted.type:
        for was, now in zip(representations(source), representations(output), strict=True):
            flat = iter([name for names in was for name in names])
            assert all(name in flat for names in now for name in names)


def elements(root: etree._Element) -> Counter[str]:
    """Every Representation in full, and everything beside AdaptationSets."""
    found = Counter(
        etree.tostring(e, with_tail=False, encoding="unicode") for e in root.iter("Representation")
    )
    for name in ("EventStream", "BaseURL", "UTCTiming", "Location", "ProgramInformation"):
        found.update(
            etree.tostring(e, with_tail=False, encoding="unicode") for e in root.findall(name)
        )
    return found


def holder_was_empty(holder: etree._Element, before: etree._Element) -> bool:
    return any(
        e.find("Representation") is None and sorted(e.items()) == sorted(holder.items())
        for e in before.iter("AdaptationSet")
    )


def kinds(part: etree._Element) -> set[str]:
    """Whether a Period has pictures and sound, told by media types alone."""
    found: set[str] = set()
    for holder in part.findall("AdaptationSet"):
        for r in holder.findall("Representation"):
            mime = r.get("mimeType") or holder.get("mimeType") or holder.get("contentType") or ""
            found |= {mime.split("/")[0]} & {"video", "audio"}
    return found


def ids(root: etree._Element) -> set[str]:
    return {e.get("id", "") for e in root.iter("AdaptationSet")}


def mentions(root: etree._Element) -> set[str]:
    found: set[str] = set()
    for e in root.iter("SupplementalProperty", "EssentialProperty"):
        if "adaptation-set-switching" in (e.get("schemeIdUri") or ""):
            found |= set(re.split(r"[\s,]+", e.get("value") or ""))
    for e in root.iter("Preselection"):
        found |= set((e.get("preselectionComponents") or "").split())
    return found
