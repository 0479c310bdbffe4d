from __future__ import annotations

import pytest

from edge.manifests.context import Context
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.edits import apply_edits
from edge.manifests.errors import BadReference, TooManyUris, UnlistedHost
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.places import Kind, with_query_token
from edge.manifests.uris import OriginMap, Unlisted, resolve
from tests.manifests.dash_documents import context, in_set, mpd, rewritten

TEMPLATE = "$RepresentationID$/$Number%09d$.m4s"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param(TEMPLATE, TEMPLATE, id="relative"),
        pytest.param("./a/../b.m4s", "./a/../b.m4s", id="dots inside the folder"),
        pytest.param("../two/b.m4s", "../two/b.m4s", id="dots inside the origin"),
        pytest.param("a//b.m4s", "a//b.m4s", id="empty segment"),
        pytest.param("$Number$:1.m4s", "$Number$:1.m4s", id="a colon that is no scheme"),
        pytest.param("a b%20c.m4s", "a b%20c.m4s", id="a space and an encoded one"),
        pytest.param(f"https://cdn.example/x/{TEMPLATE}", f"../../cdn/x/{TEMPLATE}", id="absolute"),
        pytest.param(
            f"HTTPS://CDN.example:443/x/{TEMPLATE}",
            f"../../cdn/x/{TEMPLATE}",
            id="spelled otherwise",
        ),
        pytest.param(f"//cdn.example/x/{TEMPLATE}", f"../../cdn/x/{TEMPLATE}", id="no scheme"),
        pytest.param(f"/channels/two/{TEMPLATE}", f"../two/{TEMPLATE}", id="rooted"),
        pytest.param(
            "https://live.example/channels/one/$Time$", "$Time$", id="absolute to the same folder"
        ),
        pytest.param(
            "https://cdn.example/$RepresentationID$$Number%03d$.m4s?t=$Time$&amp;u=%2F",
            "../../cdn/$RepresentationID$$Number%03d$.m4s?t=$Time$&amp;u=%2F",
            id="template with a query",
        ),
        pytest.param("https://cdn.example", "../../cdn/", id="no path"),
        pytest.param(
            "https://cdn.example/a/b:c.m4s", "../../cdn/a/b:c.m4s", id="colon in the file"
        ),
        pytest.param(
            "https://live.example/channels/one/b:c.m4s", "./b:c.m4s", id="colon at the start"
        ),
        pytest.param("http://[2001:db8::1]:8080/$Number$.m4s", "../../six/$Number$.m4s", id="IPv6"),
        pytest.param(
            "https://cdn.example/a/../../b.m4s", "../../cdn/b.m4s", id="dots in an absolute one"
        ),
        pytest.param(
            "https://cdn.example/a/$Number$.m4s#t=1", "../../cdn/a/$Number$.m4s#t=1", id="fragment"
        ),
        pytest.param("data:video/mp4;base64,AAAA", "data:video/mp4;base64,AAAA", id="data"),
        pytest.param("urn:example:a/b", "urn:example:a/b", id="urn"),
        pytest.param(
            "  https://cdn.example/a.m4s\n", "  ../../cdn/a.m4s\n", id="white space around"
        ),
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_template_leads_through_the_edge(reference: str, expected: str, quote: str) -> None:
    data = in_set(f"<SegmentTemplate media={quote}{reference}{quote}/>")

    output = rewritten(data).output

    assert output == in_set(f"<SegmentTemplate media={quote}{expected}{quote}/>")


@pytest.mark.parametrize(
    ("element", "attribute", "kind"),
    [
        ("SegmentTemplate", "media", Kind.SEGMENT),
        ("SegmentTemplate", "initialization", Kind.INIT),
        ("SegmentTemplate", "index", Kind.INDEX),
        ("SegmentTemplate", "bitstreamSwitching", Kind.BITSTREAM_SWITCHING),
        ("SegmentList><SegmentURL", "media", Kind.SEGMENT),
        ("SegmentList><SegmentURL", "index", Kind.INDEX),
        ("SegmentList><Initialization", "sourceURL", Kind.INIT),
        ("SegmentBase><Initialization", "sourceURL", Kind.INIT),
        ("SegmentTemplate><Initialization", "sourceURL", Kind.INIT),
        ("SegmentBase><RepresentationIndex", "sourceURL", Kind.INDEX),
        ("SegmentTemplate><BitstreamSwitching", "sourceURL", Kind.BITSTREAM_SWITCHING),
    ],
)
@pytest.mark.parametrize("level", ["Period", "AdaptationSet", "Representation"])
def test_every_attribute_that_names_segments_is_followed_on_every_level(
    element: str, attribute: str, kind: Kind, level: str
) -> None:
    outer, _, inner = element.partition("><")
    closing = f"></{outer}>" if inner else "/>"
    info = f'<{element} {attribute}="https://cdn.example/x"{"/" if inner else ""}{closing}'
    places = {"Period": "", "AdaptationSet": "", "Representation": ""} | {level: info}
    data = mpd(
        f"<Period>{places['Period']}<AdaptationSet>{places['AdaptationSet']}"
        f'<Representation id="1">{places["Representation"]}</Representation></AdaptationSet></Period>'
    )

    result = rewritten(data)

    assert result.output == data.replace(b"https://cdn.example/", b"../../cdn/")
    assert [place.kind for place in result.places] == [kind]


def test_relative_references_below_a_rewritten_base_stay() -> None:
    data = mpd(
        "<BaseURL>https://cdn.example/a/</BaseURL><Period><BaseURL>p/</BaseURL><AdaptationSet>"
        '<SegmentTemplate media="$Time$.m4s" initialization="../init.mp4"/>'
        "<Representation><BaseURL>r/</BaseURL></Representation></AdaptationSet></Period>"
    )

    result = rewritten(data)

    assert result.output == data.replace(b"https://cdn.example/", b"../../cdn/")
    assert len(result.edits) == 1


def test_an_absolute_template_is_relative_to_the_base_that_holds_for_it() -> None:
    data = in_set(
        '<SegmentTemplate media="//cdn.example/$Time$"/>'
        "<Representation><BaseURL>https://cdn.example/deep/er/</BaseURL></Representation>"
    )

    assert b'media="../../$Time$"' in rewritten(data).output


def test_base_urls_without_a_slash_name_their_folder() -> None:
    data = mpd(
        "<BaseURL>https://cdn.example/a/file.mpd</BaseURL><Period><AdaptationSet>"
        '<SegmentTemplate media="/a/$Time$.m4s"/><Representation/></AdaptationSet></Period>'
    )

    output = rewritten(data).output

    assert b"<BaseURL>../../cdn/a/file.mpd</BaseURL>" in output
    assert b'media="$Time$.m4s"' in output


def test_white_space_around_a_base_url_stays() -> None:
    data = mpd("<BaseURL>\r\n\t https://cdn.example/a/ \n</BaseURL><Period/>")

    assert rewritten(data).output == data.replace(b"https://cdn.example/", b"../../cdn/")


@pytest.mark.parametrize("text", ["", "  \n", "<!-- none -->", "<![CDATA[ ]]>"])
def test_an_empty_base_url_changes_nothing_below_it(text: str) -> None:
    data = mpd(
        f"<BaseURL>https://cdn.example/a/</BaseURL><Period><BaseURL>{text}</BaseURL><AdaptationSet>"
        '<SegmentTemplate media="https://cdn.example/a/$Time$"/><Representation/></AdaptationSet></Period>'
    )

    output = rewritten(data).output

    assert f"<BaseURL>{text}</BaseURL>".encode() in output
    assert b'media="$Time$"' in output


def test_alternatives_are_all_rewritten_and_keep_their_names() -> None:
    data = mpd(
        '<BaseURL serviceLocation="a" dvb:priority="1">https://cdn.example/a/</BaseURL>'
        '<BaseURL serviceLocation="b">http://other.example:8080/base/b/</BaseURL>'
        '<Period><AdaptationSet><SegmentTemplate media="$Time$"/><Representation/></AdaptationSet></Period>'
    )

    result = rewritten(data)

    assert b'<BaseURL serviceLocation="a" dvb:priority="1">../../cdn/a/</BaseURL>' in result.output
    assert b'<BaseURL serviceLocation="b">../../other/b/</BaseURL>' in result.output
    assert result.warnings == ()


def test_an_absolute_uri_below_alternatives_at_different_depths_is_told() -> None:
    data = mpd(
        "<BaseURL>https://cdn.example/a/</BaseURL><BaseURL>https://cdn.example/a/b/</BaseURL>"
        '<Period><AdaptationSet><SegmentTemplate media="https://cdn.example/$Time$"/>'
        "<Representation/></AdaptationSet></Period>"
    )

    result = rewritten(data)

    assert b'media="../$Time$"' in result.output
    assert [warning[:50] for warning in result.warnings] == [
        "line 1, Period 1, SegmentTemplate media: the BaseU"
    ]


def test_text_in_cdata_becomes_ordinary_text() -> None:
    data = mpd("<BaseURL><![CDATA[https://cdn.example/a?x=1&y=2]]></BaseURL><Period/>")

    output = rewritten(data).output

    assert output == mpd("<BaseURL>../../cdn/a?x=1&amp;y=2</BaseURL><Period/>")


def test_a_uri_with_a_comment_inside_is_read_whole() -> None:
    data = mpd("<Location>https://cdn.exa<!-- here -->mple/a.mpd</Location><Period/>")

    assert rewritten(data).output == mpd("<Location>../../cdn/a.mpd</Location><Period/>")


def test_locations_patches_and_steering_are_relative_to_the_document() -> None:
    data = mpd(
        "<BaseURL>https://cdn.example/a/b/c/</BaseURL>"
        "<Location>https://live.example/channels/one/live.mpd?a=1&amp;b=2</Location>"
        '<PatchLocation ttl="60">/channels/one/live.mpp</PatchLocation>'
        '<ContentSteering defaultServiceLocation="a" queryBeforeStart="true" proxyServerURL="//cdn.example/p">'
        "https://cdn.example/steer?x=y</ContentSteering><Period/>"
    )

    result = rewritten(data)

    assert b"<Location>live.mpd?a=1&amp;b=2</Location>" in result.output
    assert b'<PatchLocation ttl="60">live.mpp</PatchLocation>' in result.output
    assert b'proxyServerURL="../../cdn/p">../../cdn/steer?x=y<' in result.output
    assert b'defaultServiceLocation="a"' in result.output
    assert [place.kind for place in result.places] == [
        Kind.BASE,
        Kind.MPD_LOCATION,
        Kind.PATCH,
        Kind.STEERING,
        Kind.STEERING,
    ]


def test_clocks_on_listed_origins_are_followed_and_others_left() -> None:
    clock = '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-{}:2014" value="{}"/>'
    data = mpd(
        "<Period/>"
        + clock.format("xsdate", "https://cdn.example/now  https://time.example/?iso")
        + clock.format("head", "https://time.example/")
        + '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2024-01-01T00:00:00Z"/>'
        + '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:ntp:2014" value="https://cdn.example/ntp"/>'
    )

    result = rewritten(data)

    assert result.output == data.replace(b'"https://cdn.example/now', b'"../../cdn/now')
    assert [place.kind for place in result.places] == [Kind.UTC_TIMING]


def test_a_clock_in_a_producer_reference_time_is_followed() -> None:
    data = in_set(
        '<ProducerReferenceTime id="0"><UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" '
        'value="https://cdn.example/now"/></ProducerReferenceTime><Representation/>'
    )

    assert b'value="../../cdn/now"' in rewritten(data).output


def test_descriptors_carry_urls_only_where_their_scheme_says_so() -> None:
    data = mpd(
        '<Period/><SupplementalProperty schemeIdUri="urn:mpeg:dash:mpd-chaining:2016" '
        'value="https://cdn.example/next.mpd,5"/>'
        '<SupplementalProperty schemeIdUri="urn:mpeg:dash:fallback:2016" '
        'value="https://cdn.example/a.mpd https://cdn.example/b.mpd"/>'
        '<EssentialProperty schemeIdUri="urn:example:private" value="https://cdn.example/kept"/>'
        '<EssentialProperty schemeIdUri="urn:mpeg:dash:urlparam:2014">'
        '<UrlQueryInfo queryTemplate="$querypart$" useMPDUrlQuery="true"/></EssentialProperty>'
    )

    result = rewritten(data)

    assert b'value="../../cdn/next.mpd,5"' in result.output
    assert b'value="../../cdn/a.mpd ../../cdn/b.mpd"' in result.output
    assert b'value="https://cdn.example/kept"' in result.output
    assert [place.kind for place in result.places] == [Kind.MPD] * 3


def test_fonts_are_followed_when_an_origin_has_them() -> None:
    font = (
        '<EssentialProperty xmlns:dvb="urn:dvb:dash:dash-extensions:2014-1" '
        'schemeIdUri="urn:dvb:dash:fontdownload:2014" value="1" dvb:url="{}" dvb:mimeType="font/woff"/>'
    )
    data = in_set(
        font.format("https://cdn.example/a.woff") + font.format("https://fonts.example/b")
    )

    output = rewritten(data).output

    assert b'dvb:url="../../cdn/a.woff"' in output
    assert b'dvb:url="https://fonts.example/b"' in output


def test_what_is_not_the_edges_stays() -> None:
    data = mpd(
        '<ProgramInformation moreInformationURL="https://cdn.example/about"/>'
        '<Period><AssetIdentifier schemeIdUri="urn:x" value="https://cdn.example/asset"/>'
        '<EventStream schemeIdUri="urn:y"><Event><BaseURL>https://cdn.example/a</BaseURL>'
        '<x:a xmlns:x="urn:x" xlink:href="https://cdn.example/b"/></Event></EventStream>'
        '<AdaptationSet><ContentProtection schemeIdUri="urn:z" xlink:href="https://cdn.example/c">'
        '<dashif:Laurl xmlns:dashif="https://dashif.org/">https://cdn.example/licence</dashif:Laurl>'
        "</ContentProtection>"
        '<x:BaseURL xmlns:x="urn:x">https://cdn.example/theirs</x:BaseURL>'
        '<x:SegmentTemplate xmlns:x="urn:x" media="https://cdn.example/theirs"/>'
        "<Representation/></AdaptationSet></Period>"
        '<Metrics metrics="DVBErrors"><Reporting reportingUrl="https://cdn.example/report"/></Metrics>'
    )

    result = rewritten(data)

    assert result.output == data
    assert result.places == ()


def test_an_initialization_set_and_an_imported_mpd_are_followed() -> None:
    data = mpd(
        '<InitializationSet id="1" initialization="https://cdn.example/init.mp4"/>'
        "<Period><ImportedMPD>https://cdn.example/ad.mpd</ImportedMPD></Period>"
    )

    result = rewritten(data)

    assert b'initialization="../../cdn/init.mp4"' in result.output
    assert b"<ImportedMPD>../../cdn/ad.mpd</ImportedMPD>" in result.output
    assert [place.kind for place in result.places] == [Kind.INIT, Kind.MPD]


@pytest.mark.parametrize(
    "declaration",
    [
        pytest.param('xmlns:mpd="urn:mpeg:dash:schema:mpd:2011"', id="declared"),
        pytest.param("", id="undeclared"),
        pytest.param(
            'xmlns="urn:example:other" xmlns:mpd="urn:mpeg:DASH:schema:MPD:2011"', id="upper case"
        ),
    ],
)
def test_a_prefixed_mpd_is_followed_too(declaration: str) -> None:
    data = (
        f"<mpd:MPD {declaration}><mpd:BaseURL>https://cdn.example/</mpd:BaseURL><mpd:Period><mpd:AdaptationSet>"
        '<mpd:SegmentTemplate media="https://cdn.example/$Time$"><mpd:SegmentTimeline><mpd:S d="1"/>'
        "</mpd:SegmentTimeline></mpd:SegmentTemplate><mpd:Representation/></mpd:AdaptationSet></mpd:Period>"
        "<BaseURL>https://cdn.example/theirs</BaseURL></mpd:MPD>"
    ).encode()

    output = rewritten(data).output

    assert b"<mpd:BaseURL>../../cdn/</mpd:BaseURL>" in output
    assert b'media="$Time$"' in output
    assert b"<BaseURL>https://cdn.example/theirs</BaseURL>" in output


def test_mixed_line_ends_stay() -> None:
    data = mpd('\r\n<BaseURL>\rhttps://cdn.example/\n</BaseURL>\n\r<Period\r\n id="1"\n/>\r')

    assert rewritten(data).output == data.replace(b"https://cdn.example/", b"../../cdn/")


def test_a_byte_order_mark_stays() -> None:
    data = b'\xef\xbb\xbf<?xml version="1.0"?>\n' + mpd(
        "<BaseURL>//cdn.example/ü/</BaseURL><Period/>"
    )

    result = rewritten(data)

    assert result.output == data.replace(b"//cdn.example/", b"../../cdn/")
    (place,) = result.places
    assert result.output[place.start : place.stop].decode() == "../../cdn/ü/"


class TestUnlistedHosts:
    data = mpd(
        '<BaseURL>https://elsewhere.example/a/</BaseURL><Period><AdaptationSet><SegmentTemplate media="$Time$" '
        'initialization="https://cdn.example/init.mp4"/><Representation/></AdaptationSet></Period>'
    )

    def test_are_refused_by_name(self) -> None:
        with pytest.raises(UnlistedHost, match=r"elsewhere\.example"):
            rewritten(self.data)

    def test_are_left_with_everything_below_them(self) -> None:
        result = rewritten(self.data, context(unlisted="leave"))

        assert result.output == self.data
        assert result.places == ()  # a token must never be sent there

    def test_are_carried_by_a_path_that_keeps_folders(self) -> None:
        result = rewritten(
            self.data,
            context(unlisted="carry", carry=lambda url: "/x/sig/" + url.replace("://", "/")),
        )

        assert b"<BaseURL>../../x/sig/https/elsewhere.example/a/</BaseURL>" in result.output
        assert b'media="$Time$"' in result.output
        assert b'initialization="../../../../../cdn/init.mp4"' in result.output

    def test_are_carried_one_by_one_when_each_url_is_signed(self) -> None:
        data = mpd(
            "<BaseURL>https://elsewhere.example/a/</BaseURL><Period><AdaptationSet><SegmentList>"
            '<SegmentURL media="1.m4s"/><SegmentURL media="2.m4s"/></SegmentList><Representation/>'
            "</AdaptationSet></Period>"
        )

        def carry(url: str) -> str:
            return f"/x/{len(url)}-{sum(url.encode())}/{url.rpartition('/')[2]}"

        result = rewritten(data, context(unlisted="carry", carry=carry))

        base = resolve("/live/one/manifest.mpd", result.edits[0].text.decode())
        for number, edit in enumerate(result.edits[1:], start=1):
            target = resolve(base, edit.text.decode())
            assert target == carry(f"https://elsewhere.example/a/{number}.m4s")
        assert apply_edits(data, result.edits) == result.output


def test_a_nested_origin_takes_over_where_it_begins() -> None:
    origins = OriginMap(
        (
            ("live", "https://live.example/channels/"),
            ("deep", "https://live.example/channels/one/hd/"),
        )
    )
    data = in_set('<SegmentTemplate media="hd/$Time$" initialization="sd/init"/>')

    output = rewritten(data, context(origins=origins)).output

    assert output == data.replace(b'"hd/', b'"../../deep/')


@pytest.mark.parametrize(
    "reference",
    ["https:///no-host", "http:foo", "https://cdn.example\\@evil/", "a&#10;b", "%2e%2e\\x"],
)
def test_a_uri_that_two_readers_take_differently_is_refused(reference: str) -> None:
    with pytest.raises(BadReference):
        rewritten(in_set(f'<SegmentTemplate media="{reference}"/>'))


def test_an_encoded_climb_out_of_the_origin_is_seen() -> None:
    with pytest.raises(UnlistedHost):
        rewritten(in_set('<SegmentTemplate media="%2e%2e/%2E%2e/x"/>'))


def test_alternatives_of_alternatives_are_bounded() -> None:
    bases = "".join(f"<BaseURL>{number}/</BaseURL>" for number in range(100))
    data = mpd(
        f"{bases}<Period>{bases}<AdaptationSet>{bases}<Representation>{bases}</Representation>"
        "</AdaptationSet></Period>"
    )

    with pytest.raises(TooManyUris):
        rewrite(data, context(), Limits(uris=20_000))


class TestTokensInTheQuery:
    def tokened(self, data: bytes) -> bytes:
        result = rewritten(data)
        return with_query_token(result.output, result.places, "T", xml=True)

    def test_go_behind_templates_not_behind_their_bases(self) -> None:
        data = mpd(
            "<BaseURL>https://cdn.example/a/</BaseURL><Period><AdaptationSet>"
            '<SegmentTemplate media="$Time$?a=1&amp;b=2" initialization="i.mp4#x"/>'
            "<Representation/></AdaptationSet></Period>"
        )

        output = self.tokened(data)

        assert b"<BaseURL>../../cdn/a/</BaseURL>" in output
        assert b'media="$Time$?a=1&amp;b=2&amp;token=T"' in output
        assert b'initialization="i.mp4?token=T#x"' in output

    def test_go_behind_a_base_that_is_the_media_itself(self) -> None:
        data = mpd(
            "<BaseURL>https://cdn.example/a/</BaseURL><Period><AdaptationSet><Representation>"
            "<BaseURL> video.mp4 </BaseURL><SegmentBase indexRange='0-9'/></Representation>"
            "</AdaptationSet></Period>"
        )

        output = self.tokened(data)

        assert b"<BaseURL>../../cdn/a/</BaseURL>" in output
        assert b"<BaseURL> video.mp4?token=T </BaseURL>" in output

    def test_go_behind_a_base_that_a_list_takes_ranges_of(self) -> None:
        data = in_set(
            "<Representation><BaseURL>video.mp4</BaseURL><SegmentList><Initialization range='0-9'/>"
            '<SegmentURL mediaRange="10-19"/></SegmentList></Representation>'
        )

        assert b"<BaseURL>video.mp4?token=T</BaseURL>" in self.tokened(data)

    def test_go_behind_the_outer_base_when_the_inner_one_is_empty(self) -> None:
        data = in_set("<BaseURL>a.vtt</BaseURL><Representation><BaseURL/></Representation>")

        assert b"<BaseURL>a.vtt?token=T</BaseURL>" in self.tokened(data)

    @pytest.mark.parametrize("text", ["<![CDATA[v.mp4?a=1&b=2]]>", "v.mp4?a=1&#38;b=2"])
    def test_find_a_query_that_is_spelled_strangely(self, text: str) -> None:
        data = in_set(f"<Representation><BaseURL>{text}</BaseURL></Representation>")

        assert b"<BaseURL>v.mp4?a=1&amp;b=2&amp;token=T</BaseURL>" in self.tokened(data)

    def test_reach_every_segment_of_a_list(self) -> None:
        urls = "".join(f'<SegmentURL media="s{n}.m4s" mediaRange="0-1"/>\n' for n in range(50))
        data = in_set(f"<SegmentList>{urls}</SegmentList><Representation/>")

        assert self.tokened(data).count(b'.m4s?token=T"') == 50


def rows(first: str) -> bytes:
    urls = "".join(
        f'<SegmentURL media="{first}s{n}.m4s?x=1&amp;y={n}" index="https://cdn.example/i/{n}"/>\n'
        for n in range(20)
    )
    return in_set(f"<SegmentList>{urls}</SegmentList><Representation/>")


@pytest.mark.parametrize(
    "folder",
    ["", "a/", "../", "../../../up/", "/channels/", "/", "https://cdn.example/", "https://cdn.example/v/",
     "//cdn.example//v/", "./", "a%20b/", "a&amp;b/", "$Number$/", "%2e%2e/%2e/", "?q=/", "urn:x:"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["one/manifest.mpd", "manifest.mpd", "a/b/c.mpd"])
def test_rows_of_segments_are_rewritten_as_one_by_one(folder: str, path: str) -> None:
    data = rows(folder)
    everywhere = OriginMap((*context().origins.bases, ("root", "https://live.example/")))

    result = rewritten(data, context(path=path, origins=everywhere))

    assert apply_edits(data, result.edits) == result.output
    assert len(result.edits) in {20, 40}


@pytest.mark.parametrize(
    "last", ["..", ".", "..?x", "a..b", "%2e%2e", "b%2", "a:b", "b?c=../d", ""]
)
def test_dot_segments_in_rows_are_seen(last: str) -> None:
    urls = "".join(f'<SegmentURL media="https://cdn.example/a/b/{name}"/>' for name in ("1", last))
    data = in_set(f"<SegmentList>{urls}</SegmentList><Representation/>")

    result = rewritten(data)

    targets = [resolve("/live/one/manifest.mpd", edit.text.decode()) for edit in result.edits]
    assert targets[1] == "/cdn" + resolve("/a/b/x", "./" + last.replace("%2e", "."))
    assert apply_edits(data, result.edits) == result.output


def test_without_a_base_even_strange_uris_stay() -> None:
    data = in_set('<SegmentTemplate media="https:///nowhere"/>')
    nowhere = Context(base=None, origins=OriginMap(()), origin="o", path="m.mpd")

    result = rewrite(data, nowhere, DEFAULT)

    assert (result.output, result.edits, result.places) == (data, (), ())


def test_an_edit_says_where_and_why() -> None:
    data = mpd("\n<Period/>\n<Period>\n<BaseURL>https://cdn.example/</BaseURL></Period>")

    (edit,) = rewritten(data).edits

    assert (edit.where, edit.why) == ("line 4, Period 2, BaseURL", "leads through the edge")


def with_id(identifier: str, template: str) -> bytes:
    return in_set(f'<SegmentTemplate media="{template}"/><Representation id="{identifier}"/>')


@pytest.mark.parametrize(
    ("identifier", "template"),
    [
        ("https://evil.example", "$RepresentationID$/$Number$.m4s"),
        ("HTTP://evil.example/", "$RepresentationID$$Number$.m4s"),
        ("//evil.example", "$RepresentationID$/1"),
        ("/live/secret", "$RepresentationID$/1"),
        ("\\\\evil.example", "$RepresentationID$/1"),
        ("&#9;//evil.example", "$RepresentationID$/1"),
        ("../../..", "v/$RepresentationID$/1"),
        ("%2e%2E/a", "v/$RepresentationID$/1"),
        (".", "v/.$RepresentationID$/1"),
        (":", "https$RepresentationID$//evil.example/1"),
        ("cdn.example:80@evil.example", "https://$RepresentationID$/1"),
    ],
)
@pytest.mark.parametrize("unlisted", ["refuse", "leave"])
def test_an_id_cannot_lead_a_template_elsewhere(
    identifier: str, template: str, unlisted: Unlisted
) -> None:
    with pytest.raises((BadReference, UnlistedHost)):
        rewritten(with_id(identifier, template), context(unlisted=unlisted))


@pytest.mark.parametrize(
    "identifier", ["a/b", "v:1", "1.5", "a..b", "...", "é", "a%20b", "{1}", "$"]
)
def test_odd_ids_that_lead_nowhere_else_are_kept(identifier: str) -> None:
    data = with_id(identifier, "v/$RepresentationID$/$Number$.m4s")

    assert rewritten(data).output == data


def test_an_id_that_makes_a_uri_nobody_fetches_is_kept() -> None:
    data = with_id("v:1", "$RepresentationID$/$Number$.m4s")

    assert rewritten(data).output == data


def test_many_odd_ids_and_templates_are_not_all_looked_at() -> None:
    sets = "".join(
        f'<AdaptationSet><SegmentTemplate media="{n}/$RepresentationID$/1"/>'
        f'<Representation id="a/{n}"/></AdaptationSet>'
        for n in range(40)
    )

    with pytest.raises(TooManyUris):
        rewrite(mpd(f"<Period>{sets}</Period>"), context(), Limits(uris=1000))
