from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.uris import OriginMap, relative, remove_dots, resolve, split

BASE = "http://a/b/c/d;p?q"

# RFC 3986 section 5.4.1 and 5.4.2, strict.
NORMAL = {
    "g:h": "g:h",
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q#s",
    "g#s": "http://a/b/c/g#s",
    "g?y#s": "http://a/b/c/g?y#s",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y#s",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
}
ABNORMAL = {
    "../../../g": "http://a/g",
    "../../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "g?y/../x": "http://a/b/c/g?y/../x",
    "g#s/./x": "http://a/b/c/g#s/./x",
    "g#s/../x": "http://a/b/c/g#s/../x",
    "http:g": "http:g",
}


@pytest.mark.parametrize(("reference", "target"), (NORMAL | ABNORMAL).items())
def test_the_examples_of_rfc_3986_resolve_as_printed(reference: str, target: str) -> None:
    assert resolve(BASE, reference) == target


@pytest.mark.parametrize(
    ("base", "reference", "target"),
    [
        pytest.param("http://[2001:db8::1]:8080/a/b", "c", "http://[2001:db8::1]:8080/a/c", id="ipv6"),
        pytest.param("https://h", "c", "https://h/c", id="base without a path"),
        pytest.param("https://h?x", "c", "https://h/c", id="base with a query only"),
        pytest.param("https://h/a/", "//o:1/x", "https://o:1/x", id="another host"),
        pytest.param("https://h/a", "seg%20$Number$.m4s?a=%2F", "https://h/seg%20$Number$.m4s?a=%2F",
                     id="percent-encoding and templates survive"),
        pytest.param("https://h/a/b", "1:2.ts", "https://h/a/1:2.ts", id="a digit begins no scheme"),
        pytest.param("https://h/a/b", "$x$:1", "https://h/a/$x$:1", id="a dollar begins no scheme"),
        pytest.param("https://h/a//b/c", "../../x", "https://h/a/x", id="empty segments count"),
        pytest.param("https://u:p@h/a", "b", "https://u:p@h/b", id="userinfo stays"),
    ],
)  # fmt: skip
def test_what_the_examples_leave_out(base: str, reference: str, target: str) -> None:
    assert resolve(base, reference) == target


SEGMENTS = st.text(st.sampled_from("ab.:~%2eé;=-"), max_size=5)
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments))


@given(
    document=PATHS,
    target=PATHS,
    query=st.none() | st.text(st.sampled_from("a=&/?:.{$}"), max_size=6),
)
def test_a_relative_reference_leads_from_the_document_to_its_target(
    document: str, target: str, query: str | None
) -> None:
    target = remove_dots(target) + ("" if query is None else f"?{query}")
    document = remove_dots(document)
    reference = relative(document, target)

    assert resolve("http://edge" + document, reference) == "http://edge" + target
    assert split(reference).scheme is None
    assert not reference.startswith("/")


@given(document=PATHS, target=PATHS)
def test_another_resolver_follows_a_relative_reference_to_the_same_place(
    document: str, target: str
) -> None:
    # urljoin drops empty segments and empty parameters.
    document, target = (
        remove_dots(re.sub("/(?=/)", "/x", path.replace(";", ""))) for path in (document, target)
    )
    reference = relative(document, target)

    assert urljoin("http://edge" + document, reference) == "http://edge" + target


@given(text=st.text(st.sampled_from("ab:/?#.[]@%$1é \\"), max_size=20))
def test_what_is_split_is_put_together_again(text: str) -> None:
    assert str(split(text)) == text


ORIGINS = OriginMap(
    (
        ("vod", "https://cdn.example.com/vod/"),
        ("shows", "https://CDN.example.com:443/vod/shows"),
        ("six", "http://[2001:DB8::1]:8080/"),
        ("plain", "http://plain.example.com"),
    )
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://cdn.example.com/vod/a/b.m3u8", "/vod/a/b.m3u8"),
        ("HTTPS://cdn.EXAMPLE.com:443/vod/a?x=1", "/vod/a?x=1"),
        ("https://cdn.example.com/vod/shows/1.m3u8", "/shows/1.m3u8"),
        ("https://cdn.example.com/vod/shows2/1.m3u8", "/vod/shows2/1.m3u8"),
        ("http://[2001:db8::1]:8080/x", "/six/x"),
        ("http://[2001:0DB8:0:0::1]:8080/x", "/six/x"),
        ("http://plain.example.com", "/plain/"),
        ("http://plain.example.com:80/?q", "/plain/?q"),
        ("https://cdn.example.com/vod", None),
        ("https://cdn.example.com/other/x", None),
        ("https://cdn.example.com:8443/vod/x", None),
        ("http://cdn.example.com/vod/x", None),
        ("https://user@cdn.example.com/vod/x", None),
        ("https://cdn.example.com.evil.net/vod/x", None),
        ("https://cdn.example.com@evil.net/vod/x", None),
        ("http://[2001:db8::2]:8080/x", None),
        ("http://plain.example.com:8080/x", None),
    ],
)
def test_the_longest_base_of_the_same_server_covers_a_url(url: str, target: str | None) -> None:
    mapped = ORIGINS.locate(url)

    assert (None if mapped is None else mapped.target) == target
