from __future__ import annotations

import m3u8
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.manifests.filters.filter import Filter, combine, from_grant
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.hls.scan import scan
from edge.manifests.hls.select import apply_hls
from tests.manifests.filter_corpus import REFUSED, Master, hls, masters, read
from tests.manifests.filter_strategies import AUDIO, LANGUAGES, VIDEO, filters

APPLE = "videojs__m3u8-parser__iFramePlaylist"  # SDR, Dolby Vision, HDR10 at 720, 1080 and 2160
FMP4 = "master-fmp4"  # eight variants, three times: AAC, AC-3, E-AC-3
BIPBOP = "bipbop_16x9_variant"
ACCESSIBILITY = "alternate-audio-accessibility"
REDUNDANT = "multivariant_with_redundant_variants_and_renditions"


def named(*names: str) -> list[str]:
    return [f"{name}/prog_index.m3u8" for name in names]


@pytest.mark.parametrize(
    ("name", "wanted", "variants"),
    [
        pytest.param(
            APPLE, "height:..720", named("sdr_720", "dolby_720", "hdr10_720"), id="height"
        ),
        pytest.param(
            APPLE, "width:1920", named("sdr_1080", "dolby_1080", "hdr10_1080"), id="width"
        ),
        pytest.param(
            APPLE,
            "range:hdr~height:1080..",
            named("dolby_1080", "dolby_2160", "hdr10_1080", "hdr10_2160"),
            id="hdr",
        ),
        pytest.param(APPLE, "range:!hdr", named("sdr_720", "sdr_1080", "sdr_2160"), id="not hdr"),
        pytest.param(
            APPLE, "vcodec:dv", named("dolby_720", "dolby_1080", "dolby_2160"), id="dolby vision"
        ),
        pytest.param(
            APPLE,
            "vcodec:hevc~bandwidth:..10M",
            named("sdr_720", "hdr10_720"),
            id="hevc within a bandwidth",
        ),
        pytest.param(APPLE, "fps:24~height:720~range:sdr", named("sdr_720"), id="24 is 23.976"),
        pytest.param(
            APPLE, "order:down~height:720", named("dolby_720", "hdr10_720", "sdr_720"), id="order"
        ),
        pytest.param(
            APPLE,
            "first:high~range:sdr",
            named("sdr_2160", "sdr_720", "sdr_1080"),
            id="highest first",
        ),
        pytest.param(
            FMP4,
            "acodec:aac",
            named("v4", "v8", "v7", "v6", "v5", "v3", "v2", "v1"),
            id="one audio codec",
        ),
        pytest.param(FMP4, "acodec:!ac-3,!ec-3~fps:30", named("v3", "v2", "v1"), id="30 is 29.97"),
        pytest.param(
            FMP4,
            "fps:60~height:720..1079",
            named("v5", "v5", "v5"),
            id="60 is 59.94, once for each audio",
        ),
        pytest.param(FMP4, "bandwidth:..1M", named("v2", "v1", "v1", "v2", "v1"), id="bandwidth"),
        pytest.param(FMP4, "bandwidth:..100k", named("v1"), id="lowest of all"),
        pytest.param(
            BIPBOP,
            "height:..360",
            named("gear1", "gear2", "gear0"),
            id="audio alone has no height",
        ),
        pytest.param(BIPBOP, "bandwidth:..100k", named("gear0"), id="audio alone is enough"),
        pytest.param(BIPBOP, "type:audio", named("gear0"), id="only audio"),
        pytest.param(
            BIPBOP,
            "type:!audio~height:720..",
            named("gear4", "gear5"),
            id="no audio",
        ),
        pytest.param(
            BIPBOP,
            "alang:en~height:..360",
            named("gear1", "gear2", "gear0"),
            id="a variant speaks as its group does",
        ),
        pytest.param(BIPBOP, "height:..100", named("gear1", "gear0"), id="lowest picture"),
        pytest.param(
            "bipbop_adv_example_ts_master",
            "channels:2",
            named("v5", "v9", "v8", "v7", "v6", "v4", "v3", "v2"),
            id="stereo",
        ),
        pytest.param(
            "bipbop_adv_example_ts_master",
            "channels:6~acodec:ec-3~height:1080",
            named("v9", "v8", "v7"),
            id="surround in one codec",
        ),
        pytest.param(
            "master-with-channels", "channels:..6", named("v5", "v9"), id="20/OA/BED-6 is 20"
        ),
        pytest.param(
            "Multiple-rendition-groups", "bandwidth:2M..4M", ["720p.m3u8"], id="one group left"
        ),
        pytest.param(
            "multivariant_with_content_steering",
            "height:..360",
            ["/cdn-a/360p.m3u8", "/cdn-b/360p.m3u8"],
            id="every pathway",
        ),
        pytest.param(
            REDUNDANT, "height:..360", ["/media/low.m3u8", "/media-b/low.m3u8"], id="redundant"
        ),
        pytest.param(
            "BANDWIDTH_FLOAT",
            "bandwidth:2M..2560000",
            ["http://example.com/mid.m3u8"],
            id="a bandwidth with decimals",
        ),
        pytest.param(
            "master-playlist-with-blankline",
            "bandwidth:2M..",
            ["http://example.com/mid.m3u8", "http://example.com/hi.m3u8"],
            id="no resolution, no codecs",
        ),
        pytest.param(
            "master-playlist-with-blankline",
            "height:..720~vcodec:avc",
            [f"http://example.com/{n}.m3u8" for n in ("low", "mid", "hi", "audio-only")],
            id="what is not stated passes",
        ),
        pytest.param(
            "8.7-Master-Playlist-with-Alternative-video",
            "bandwidth:..2M",
            ["low/main/audio-video.m3u8"],
            id="camera angles",
        ),
        pytest.param(
            "m3u8-parser.ts__lit71",
            "vcodec:avc~acodec:aac~bandwidth:..1M",
            ["https://{$host}/sec/video/1.m3u8"],
            id="codecs in variables",
        ),
        pytest.param(
            "manifest-example.md__1-origin-master".replace(
                "manifest-example", "manifest-hls-example"
            ),
            "order:up",
            ["index_3.m3u8", "index_1.m3u8", "index_2.m3u8"],
            id="ascending",
        ),
        pytest.param(
            "manifest-hls-example.md__1-origin-master",
            "first:720",
            ["index_2.m3u8", "index_1.m3u8", "index_3.m3u8"],
            id="a height first",
        ),
    ],
)
def test_which_variants_stay(name: str, wanted: str, variants: list[str]) -> None:
    output, _ = hls(read(name), wanted)

    assert Master.of(output).variants == variants


@pytest.mark.parametrize(
    ("name", "wanted", "groups"),
    [
        pytest.param(
            FMP4,
            "acodec:ec-3",
            {
                ("AUDIO", "aud3"): ["English"],
                ("SUBTITLES", "sub1"): ["English"],
                ("CLOSED-CAPTIONS", "cc1"): ["English"],
            },
            id="groups without a variant go",
        ),
        pytest.param(
            ACCESSIBILITY,
            "alang:fr",
            {("AUDIO", "audio"): ["Français"]},
            id="fre is fr",
        ),
        pytest.param(
            ACCESSIBILITY,
            "alang:en",
            {("AUDIO", "audio"): ["English", "English Descriptions"]},
            id="eng is en",
        ),
        pytest.param(
            ACCESSIBILITY,
            "alang:!en",
            {("AUDIO", "audio"): ["Français", "Espanol"]},
            id="not English",
        ),
        pytest.param(
            BIPBOP,
            "tlang:fr,ja",
            {
                ("AUDIO", "bipbop_audio"): ["BipBop Audio 1", "BipBop Audio 2"],
                ("SUBTITLES", "subs"): [
                    "Français",
                    "Français (Forced)",
                    "日本語",
                    "日本語 (Forced)",
                ],
            },
            id="two languages of text",
        ),
        pytest.param(
            BIPBOP,
            "tlang:de",
            {("AUDIO", "bipbop_audio"): ["BipBop Audio 1", "BipBop Audio 2"]},
            id="no such text, so no text",
        ),
        pytest.param(
            BIPBOP,
            "type:audio",
            {("AUDIO", "bipbop_audio"): ["BipBop Audio 1", "BipBop Audio 2"]},
            id="audio with its group",
        ),
        pytest.param(BIPBOP, "type:video", {}, id="only pictures"),
        pytest.param(
            "8.7-Master-Playlist-with-Alternative-video",
            "bandwidth:..2M",
            {("VIDEO", "low"): ["Main", "Centerfield", "Dugout"]},
            id="camera angles follow their variant",
        ),
        pytest.param(
            REDUNDANT,
            "tlang:en~bandwidth:2M..",
            {("AUDIO", "audio"): ["Deutsch"], ("AUDIO", "audio-b"): ["Deutsch"]},
            id="text of each pathway",
        ),
        pytest.param(
            "MULTI_MEDIA_PLAYLIST",
            "alang:en~tlang:fr",
            {
                ("SUBTITLES", "subs"): ["French"],
                ("AUDIO", "aac"): ["English", "Commentary (eng)"],
            },
            id="captions that no variant uses are text like any other",
        ),
    ],
)
def test_which_groups_stay(
    name: str, wanted: str, groups: dict[tuple[str, str], list[str]]
) -> None:
    output, _ = hls(read(name), wanted)

    master = Master.of(output)
    assert master.groups == groups
    assert master.references <= set(groups)


@pytest.mark.parametrize(
    ("name", "wanted", "iframes"),
    [
        pytest.param(
            APPLE,
            "height:..720~range:sdr",
            ["sdr_720/iframe_index.m3u8"],
            id="the same size and codec and range",
        ),
        pytest.param(
            BIPBOP,
            "height:..360",
            ["gear1/iframe_index.m3u8", "gear2/iframe_index.m3u8"],
            id="the same codec where no size is stated",
        ),
        pytest.param(BIPBOP, "type:!trick", [], id="no trick play"),
        pytest.param(BIPBOP, "type:audio", [], id="no picture, no trick play"),
        pytest.param(
            "CONTENT_STEERING_PLAYLIST",
            "bandwidth:..2M",
            [
                "video-1200k-iframes.m3u8",
                "https://backup.example.com/content/videos/video12/video-1200k-iframes.m3u8",
            ],
            id="of the same pathway",
        ),
        pytest.param("lit03", "height:..720", ["iframe.m3u8"], id="with the variant that stays"),
    ],
)
def test_which_iframe_playlists_stay(name: str, wanted: str, iframes: list[str]) -> None:
    output, _ = hls(read(name), wanted)

    assert Master.of(output).iframes == iframes


def test_a_bandwidth_that_is_no_number_is_not_stated() -> None:
    output, result = hls(read(REFUSED), "bandwidth:..2M~vcodec:avc")

    assert output.count(b"STREAM-INF:") == 2 + 4
    assert [drop.where for drop in result.dropped] == [
        "line 5, EXT-X-STREAM-INF",
        "line 8, EXT-X-STREAM-INF",
    ]


def test_an_iframe_playlist_of_no_variant_is_judged_itself() -> None:
    data = (
        b"#EXTM3U\n"
        b'#EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=640x360,CODECS="avc1.4d401e"\na.m3u8\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1900,RESOLUTION=1280x720,CODECS="avc1.4d401f"\nb.m3u8\n'
        b'#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90,RESOLUTION=320x180,URI="small.m3u8"\n'
        b'#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=190,RESOLUTION=1024x576,URI="large.m3u8"\n'
    )

    output, _ = hls(data, "height:..360")

    assert Master.of(output).iframes == ["small.m3u8"]


@pytest.mark.parametrize(
    ("wanted", "images"),
    [
        pytest.param("height:..360", 2, id="thumbnails of any size stay with the pictures"),
        pytest.param("type:!image", 0, id="unless they are refused"),
        pytest.param("type:audio", 0, id="without pictures there is nothing to preview"),
    ],
)
def test_image_playlists(wanted: str, images: int) -> None:
    output, _ = hls(read("IMAGE_PLAYLISTS"), wanted)

    assert len(Master.of(output).images) == images


def test_a_group_that_goes_takes_its_reference_and_its_codecs_along() -> None:
    data = read("live_low_latency_multivariant_with_audio_renditions")

    output, result = hls(data, "type:!audio")

    assert output == (
        b"#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\n"
        b'#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.640028"\nmedia0/playlist.m3u8\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.640028"\nmedia1/playlist.m3u8\n'
    )
    assert [drop.why for drop in result.dropped] == ["type:!audio"] * 2


def test_audio_inside_the_variant_keeps_its_codec() -> None:
    output, _ = hls(read(BIPBOP), "type:video")

    # 'BipBop Audio 1' has no URI: it is in the variants and cannot be taken out.
    assert b'CODECS="mp4a.40.2, avc1.4d400d",RESOLUTION=416x234\n' in output
    assert b"AUDIO=" not in output
    assert b"SUBTITLES=" not in output


def test_a_reference_goes_wherever_it_stands_in_the_list() -> None:
    data = (
        b"#EXTM3U\n"
        b'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="A",URI="a.m3u8"\n'
        b'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="S",URI="s.m3u8"\n'
        b'#EXT-X-STREAM-INF:AUDIO="a",SUBTITLES="s",BANDWIDTH=1,CODECS="mp4a.40.2,avc1.4d401e,wvtt"\n1.m3u8\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=2, AUDIO = "a" ,X-OWN="AUDIO=,",SUBTITLES="s"\n2.m3u8\n'
        b'#EXT-X-STREAM-INF:SUBTITLES="s",AUDIO="a"\n3.m3u8\n'
    )

    output, _ = hls(data, "type:video")

    assert output == (
        b"#EXTM3U\n"
        b'#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.4d401e"\n1.m3u8\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=2,X-OWN="AUDIO=,"\n2.m3u8\n'
        b"#EXT-X-STREAM-INF:\n3.m3u8\n"
    )


def test_a_variant_goes_with_its_only_audio() -> None:
    output, result = hls(read("master-with-channels"), "channels:2")

    master = Master.of(output)
    assert master.variants == named("v5")
    assert list(master.groups) == [("AUDIO", "a1")]
    assert {drop.why for drop in result.dropped} == {
        "channels:2",
        "its AUDIO group 'a2' went",
        "its AUDIO group 'a3' went",
    }
    assert not result.given_up


def test_what_cannot_be_met_is_given_up_and_named() -> None:
    data = read(ACCESSIBILITY)

    output, result = hls(data, "alang:de")

    assert output == data
    assert result.given_up == ("alang:de",)
    assert not result.dropped


@pytest.mark.parametrize(
    ("name", "wanted", "defaults"),
    [
        pytest.param(ACCESSIBILITY, "default:fr", ["Français"], id="another language"),
        pytest.param(ACCESSIBILITY, "default:de,en", ["English"], id="the first that is there"),
        pytest.param(ACCESSIBILITY, "default:de", ["English"], id="not there: as it was"),
        pytest.param("hls_always_0_demux__master", "default:sv", ["Svenska"], id="AUTOSELECT too"),
        pytest.param(BIPBOP, "tdefault:ja", ["BipBop Audio 1", "日本語"], id="not forced text"),
        pytest.param(BIPBOP, "tdefault:off", ["BipBop Audio 1"], id="no text"),
        pytest.param(
            "MULTI_MEDIA_PLAYLIST",
            "default:sp~tdefault:fr",
            ["French", "Spanish"],
            id="DEFAULT that was not there",
        ),
    ],
)
def test_defaults(name: str, wanted: str, defaults: list[str]) -> None:
    output, _ = hls(read(name), wanted)

    media = m3u8.loads(output.decode()).media
    assert [m.name for m in media if m.default == "YES"] == defaults
    assert all(m.autoselect in (None, "YES") for m in media if m.default == "YES")


def test_a_default_that_is_not_there_is_given_up() -> None:
    assert hls(read(ACCESSIBILITY), "default:de")[1].given_up == ("default:de",)


def test_variants_move_as_blocks_with_what_is_attached() -> None:
    data = (
        b"#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\n# attached\r\n\r\na.m3u8\r\n"
        b'#EXT-X-SESSION-DATA:DATA-ID="x",VALUE="y"\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8'
    )

    output, result = hls(data, "order:down")

    assert output == (
        b"#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\r\n"
        b'#EXT-X-SESSION-DATA:DATA-ID="x",VALUE="y"\n'
        b"#EXT-X-STREAM-INF:BANDWIDTH=1\r\n# attached\r\n\r\na.m3u8"
    )
    assert not result.dropped


def test_a_variant_is_edited_where_it_moves_to() -> None:
    data = read("live_low_latency_multivariant_with_audio_renditions")

    output, _ = hls(data, "type:!audio~order:up")

    assert output == (
        b"#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\n"
        b'#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.640028"\nmedia1/playlist.m3u8\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.640028"\nmedia0/playlist.m3u8\n'
    )


def test_no_variant_moves_in_front_of_a_variable_it_uses() -> None:
    data = (
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n"
        b'#EXT-X-DEFINE:NAME="h",VALUE="b"\n#EXT-X-STREAM-INF:BANDWIDTH=2\n{$h}.m3u8\n'
    )

    output, result = hls(data, "order:down")

    assert output == data
    assert result.given_up == ("order:down",)


def test_what_is_not_a_choice_stays() -> None:
    data = (
        b"# before\n#EXTM3U\n#EXT-X-VERSION:12\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0\n"
        b'#EXT-X-CONTENT-STEERING:SERVER-URI="/s",PATHWAY-ID="A"\n'
        b'#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://1"\n#EXT-X-UNKNOWN:1\n## note\n'
        b'#EXT-X-MEDIA:TYPE=HOLOGRAM,GROUP-ID="h",NAME="H",URI="h.m3u8"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID="A"\na.m3u8\n'
        b"stray.m3u8\n"
        b'#EXT-X-STREAM-INF:BANDWIDTH=2,PATHWAY-ID="A"\n#EXT-X-SESSION-DATA:DATA-ID="x",VALUE="y"\nb.m3u8\n'
    )

    output, _ = hls(data, "bandwidth:1")

    gone = b'#EXT-X-STREAM-INF:BANDWIDTH=2,PATHWAY-ID="A"\n'
    assert output == data.replace(gone, b"").replace(b"b.m3u8\n", b"")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            b"#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n",
            b"#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
            id="at the end",
        ),
        pytest.param(
            b"#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na",
            b"#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na",
            id="in the middle",
        ),
        pytest.param(
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
            b"#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
            id="one blank line is no two",
        ),
        pytest.param(
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-STREAM-INF:BANDWIDTH=2\n",
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
            id="a variant without a URI",
        ),
    ],
)
def test_what_remains_is_tidy(data: bytes, expected: bytes) -> None:
    assert hls(data, "bandwidth:1")[0] == expected


def test_a_media_playlist_is_left_alone() -> None:
    data = read("hls_byterange_no_offset")

    assert hls(data, "height:..100~alang:xx~order:down") == (
        data,
        apply_hls(data, scan(data), Filter()),
    )


@pytest.mark.parametrize("name", masters())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(wanted=filters())
def test_over_the_corpus_groups_stay_closed(name: str, wanted: Filter) -> None:
    check(read(name), wanted)


@pytest.mark.parametrize("limit", [144, 480, 720])
@pytest.mark.parametrize("name", masters())
def test_over_the_corpus_a_limit_of_height_holds(name: str, limit: int) -> None:
    grant = from_grant(max_height=limit, max_bitrate=None, languages=())
    source = read(name)

    result = apply_hls(
        source, scan(source), combine(parse_filter("height:1080..~first:high"), grant)
    )

    before, after = (
        [v.stream_info.resolution for v in Master.of(data).playlist.playlists]
        for data in (source, result.output(source))
    )
    known = [size[1] for size in before if size]
    allowed = max((height for height in known if height <= limit), default=min(known, default=0))
    assert all(size[1] <= allowed for size in after if size)
    if known and min(known) > limit:
        assert f"limit-height:{limit} ({allowed} instead)" in result.given_up


def test_a_limit_of_languages_leaves_the_default_where_there_is_none_of_them() -> None:
    source = read(ACCESSIBILITY)
    grant = from_grant(max_height=None, max_bitrate=None, languages=("ja",))

    result = apply_hls(source, scan(source), grant)

    groups = Master.of(result.output(source)).groups
    assert groups == {("AUDIO", "audio"): ["English", "English Descriptions"]}
    assert result.given_up == ("limit-lang:ja (en instead)",)


@pytest.mark.parametrize("name", masters())
def test_no_filter_changes_nothing(name: str) -> None:
    data = read(name)

    assert hls(data, "")[0] == data
    assert hls(data, "height:1..~bandwidth:1..")[0] == data


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), wanted=filters())
def test_over_generated_masters_groups_stay_closed(data: st.DataObject, wanted: Filter) -> None:
    check(data.draw(generated_masters()), wanted)


def check(source: bytes, wanted: Filter) -> None:
    result = apply_hls(source, scan(source), wanted)
    output = result.output(source)
    before, after = Master.of(source), Master.of(output)

    assert set(after.variants) <= set(before.variants)
    assert len(after.variants) + len(
        [d for d in result.dropped if "EXT-X-STREAM" in d.where]
    ) == len(before.variants)
    assert after.variants
    if wanted.order is None and wanted.first is None:
        order = iter(before.variants)
        assert all(uri in order for uri in after.variants)
    assert after.references - set(after.groups) <= before.references - set(before.groups)
    orphans = {group for group in before.groups if group not in before.references}
    assert set(after.groups) - after.references <= orphans
    assert b'=""' not in output or b'=""' in source
    assert untouched(source) == untouched(output)
    again = apply_hls(output, scan(output), wanted)
    assert again.output(output) == output


def untouched(data: bytes) -> list[bytes]:
    """The lines that no filter changes."""
    choices = (b"#EXT-X-STREAM", b"#EXT-X-MEDIA", b"#EXT-X-I-F", b"#EXT-X-IMAGE")
    return [
        line.strip()
        for line in data.splitlines()
        if line.startswith(b"#EXT") and not line.startswith(choices)
    ]


@st.composite
def generated_masters(draw: st.DrawFn) -> bytes:
    """Variants over audio and subtitle groups, in any arrangement."""
    lines: list[str] = []
    groups = draw(st.lists(st.sampled_from(("a", "b", "c")), unique=True, max_size=3))
    subs = draw(st.booleans())
    for group in groups:
        for n in range(draw(st.integers(1, 3))):
            channels = draw(
                st.sampled_from(("", ',CHANNELS="2"', ',CHANNELS="6"', ',CHANNELS="16/JOC"'))
            )
            uri = draw(st.sampled_from(("", f',URI="{group}{n}.m3u8"')))
            tongue = draw(st.sampled_from(("", *(f',LANGUAGE="{tag}"' for tag in LANGUAGES))))
            lines.append(
                f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{group}{n}"{tongue}{channels}{uri}'
            )
    for tag in draw(st.lists(st.sampled_from(LANGUAGES), unique=True, max_size=3)) if subs else ():
        lines.append(
            f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{tag}",LANGUAGE="{tag}",URI="{tag}.m3u8"'
        )
    has_subs = any("SUBTITLES" in line for line in lines)
    for n in range(draw(st.integers(1, 8))):
        height = draw(st.sampled_from((0, 240, 480, 720, 1080)))
        attributes = [f"BANDWIDTH={draw(st.integers(1, 9_000_000))}"]
        attributes += [f"RESOLUTION={height * 16 // 9}x{height}"] if height else []
        codecs = draw(
            st.sampled_from(("", draw(st.sampled_from(VIDEO)), draw(st.sampled_from(AUDIO))))
        )
        both = ",".join(filter(None, (codecs, draw(st.sampled_from(("", *AUDIO))))))
        attributes += [f'CODECS="{both}"'] if both else []
        group = draw(st.sampled_from(("", *groups)))
        attributes += [f'AUDIO="{group}"'] if group else []
        attributes += ['SUBTITLES="s"'] if has_subs and draw(st.booleans()) else []
        variant = f"#EXT-X-STREAM-INF:{','.join(draw(st.permutations(attributes)))}\n{n}.m3u8"
        lines.insert(draw(st.integers(0, len(lines))), variant)
        if height and draw(st.booleans()):
            lines.append(
                f'#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,RESOLUTION={height * 16 // 9}x{height},URI="i{n}.m3u8"'
            )
    lines = [line + draw(st.sampled_from(("", "\n"))) for line in lines]
    return ("#EXTM3U\n" + "\n".join(lines) + draw(st.sampled_from(("", "\n")))).encode()
