from __future__ import annotations

import pytest

from edge.manifests.filters.codecs import families, family, stated_range
from edge.manifests.filters.iso639 import TWO_LETTERS
from edge.manifests.filters.language import covers, find, find_all, normal


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [
        (None, "und"),
        ("", "und"),
        ("  ", "und"),
        ("EN", "en"),
        ("eng", "en"),
        ("jpn", "ja"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("ger", "de"),
        ("deu", "de"),
        ("chi", "zh"),
        ("iw", "he"),
        ("pt_BR", "pt-br"),
        ("por-BR", "pt-br"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("yue", "yue"),
        ("qaa", "qaa"),
        ("English", "english"),
    ],
)
def test_a_tag_has_one_spelling(tag: str | None, spelled: str) -> None:
    assert normal(tag) == spelled


def test_the_table_of_codes_leads_to_codes_that_stay() -> None:
    assert all(
        len(longer) in (2, 3) and len(shorter) == 2 for longer, shorter in TWO_LETTERS.items()
    )
    assert not set(TWO_LETTERS.values()) & set(TWO_LETTERS)


# RFC 4647 section 3.3.2, its own examples first.
@pytest.mark.parametrize(
    ("wanted", "tag", "expected"),
    [
        ("de-de", "de-de", True),
        ("de-de", "de-latn-de", True),
        ("de-de", "de-latf-de", True),
        ("de-de", "de-de-x-goethe", True),
        ("de-de", "de-latn-de-1996", True),
        ("de-de", "de-deva-de", True),
        ("de-de", "de", False),
        ("de-de", "de-x-de", False),
        ("de-de", "de-deva", False),
        ("en", "en-gb", True),
        ("en", "eng-gb", False),
        ("en-gb", "en", False),
        ("zh-tw", "zh-hant-tw", True),
    ],
)
def test_a_range_covers_tags(wanted: str, tag: str, expected: bool) -> None:
    assert covers(wanted, tag) is expected


@pytest.mark.parametrize(
    ("wanted", "available", "found"),
    [
        pytest.param("en", {"en", "en-gb", "ja"}, {"en", "en-gb"}, id="all that it covers"),
        pytest.param("en-us", {"en", "en-gb"}, {"en"}, id="lookup stops at the exact tag"),
        pytest.param("en-us", {"en-us", "en"}, {"en-us"}, id="what is there needs no fallback"),
        pytest.param("pt-br", {"pt-pt", "es"}, {"pt-pt"}, id="a relative at last"),
        pytest.param("zh-hant-tw", {"zh-hant", "zh"}, {"zh-hant"}, id="the longest first"),
        pytest.param(
            "zh-hant-x-a-b", {"zh-hant"}, {"zh-hant"}, id="a singleton goes with its rest"
        ),
        pytest.param("fr", {"en", "ja"}, set(), id="another language is no fallback"),
        pytest.param("en", {"und"}, set(), id="unknown is not English"),
        pytest.param("und", {"und", "en"}, {"und"}, id="unknown can be asked for"),
    ],
)
def test_a_range_falls_back(wanted: str, available: set[str], found: set[str]) -> None:
    assert find(wanted, available) == found


def test_several_ranges_are_found_together() -> None:
    assert find_all(["ja", "en-us", "fr"], {"ja", "en", "de"}) == {"ja", "en"}


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("avc1.64002a", ("video", "avc")),
        ("avc3.42C015", ("video", "avc")),
        ("hvc1.2.4.L123.B0", ("video", "hevc")),
        ("hev1.1.6.L120.90", ("video", "hevc")),
        ("dvh1.05.06", ("video", "dv")),
        ("av01.0.04M.10.0.112.09.16.09.0", ("video", "av1")),
        ("vp09.02.10.10", ("video", "vp9")),
        ("vp8", ("video", "vp8")),
        ("mvc1.760028", ("video", "mvc")),
        ("mp4v.20.9", ("video", "mpeg4")),
        ("mp4v.61", ("video", "mpeg2")),
        ("mp4a.40.2", ("audio", "aac")),
        ("mp4a.40.5", ("audio", "aac")),
        ("mp4a.40.34", ("audio", "mp3")),
        ("mp4a.6B", ("audio", "mp3")),
        ("mp4a.a6", ("audio", "ec-3")),
        ("mp4a", ("audio", "aac")),
        ("ac-3", ("audio", "ac-3")),
        ("EC-3", ("audio", "ec-3")),
        ("ec+3", ("audio", "ec-3")),
        ("ac-4.02.01.03", ("audio", "ac-4")),
        ("Opus", ("audio", "opus")),
        ("fLaC", ("audio", "flac")),
        ("mhm2.0xC0", ("audio", "mpegh")),
        ("stpp.ttml.im1t", ("text", "ttml")),
        ("wvtt", ("text", "webvtt")),
        (" avc1.77.30", ("video", "avc")),
        ("c1", None),
        ("", None),
        ("{$vcodec}", None),
    ],
)
def test_a_codec_has_a_family(codec: str, expected: tuple[str, str] | None) -> None:
    assert family(codec) == expected


def test_families_are_of_one_medium() -> None:
    assert families(("avc1.1", "mp4a.40.2", "ec-3", "c1"), "audio") == {"aac", "ec-3"}


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("vp09.02.10.10.01.09.16.09.01", "PQ"),
        ("vp09.02.10.10.01.09.18.09.01", "HLG"),
        ("vp09.00.10.08", None),
        ("av01.0.04M.10.0.112.09.16.09.0", "PQ"),
        ("av01.0.04M.08.0.110.01.01.01.0", "SDR"),
        ("dvh1.05.06", "PQ"),
        ("hvc1.2.4.L123.B0", None),
    ],
)
def test_some_codecs_tell_the_range(codec: str, expected: str | None) -> None:
    assert stated_range((codec,)) == expected
