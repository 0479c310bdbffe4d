from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.errors import NotAllowed, TokenBadClaims, TokenUnsupported
from edge.query import parse_query
from edge.target import parse_target
from edge.tokens.uri_signing.container import read_container
from edge.tokens.uri_signing.normal import NotAUri, normal_uri
from edge.tokens.uri_signing.posix import to_re2
from tests.edge.tokens.uri_signing.support import asked
from tests.lacking import lacking

GREP = shutil.which("grep")

# What Apache Traffic Server's uri_signing is held to (Apache-2.0, unit_tests/uri_signing_test.cc), in our words.
SPELLINGS = [
    ("http://host.example", "http://host.example/"),
    ("http://host.example?a=b&c=d", "http://host.example/?a=b&c=d"),
    ("http://host.example:9301?a=b", "http://host.example:9301/?a=b"),
    ("http://foo%40:PaSs@www.Ho%53t.exAmple:80/", "http://foo%40:PaSs@www.host.example/"),
    ("http://host.example:80/A/b", "http://host.example/A/b"),
    ("https://host.example:443/A/b", "https://host.example/A/b"),
    ("http://host.example:443/A/b", "http://host.example:443/A/b"),
    ("https://host.example:80/A/b", "https://host.example:80/A/b"),
    ("https://host.example/A/././b/../c", "https://host.example/A/c"),
    ("https://host.example/A?a=/././b/../c", "https://host.example/A?a=/././b/../c"),
    ("https://ho%54st.example/%53ome", "https://hotst.example/Some"),
    ("https://host.example/some%3f", "https://host.example/some%3F"),
    ("https://foo:bar@host.example:443/%53ome/.././x", "https://foo:bar@host.example/x"),
    ("https://a:443@host.example:443/x", "https://a:443@host.example/x"),
    ("http://a:80@host.example/x", "http://a:80@host.example/x"),
    ("https://a:@host.example:443/x", "https://a:@host.example/x"),
    ("http://a:b:c@host.example:80/x", "http://a:b:c@host.example/x"),
    ("https://A%3Ab:C@HOST.example:443/X", "https://A%3Ab:C@host.example/X"),
    ("https://a.b:443@host.example:8443/x", "https://a.b:443@host.example:8443/x"),
    ("http://host.example/x?a=b#t=1", "http://host.example/x?a=b#t=1"),
    # and what it is not
    ("HTTPS://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
    ("http://host.example:/x", "http://host.example/x"),
    ("http://host.example/a%2fb%7e%2D", "http://host.example/a%2Fb~-"),
    ("http://host.example/a/%2e%2E/b", "http://host.example/b"),
    ("http://host.example//a//b/", "http://host.example//a//b/"),
    ("http://host.example/x?a=%7e%c3", "http://host.example/x?a=~%C3"),
    ("http://h%c3%a9.example/", "http://h%C3%A9.example/"),
]
DOTS = [
    ("/foo/./bar", "/foo/bar"),
    ("/bar/./", "/bar/"),
    ("/.", "/"),
    ("/bar/.", "/bar/"),
    ("/foo/../bar", "/bar"),
    ("/bar/../", "/"),
    ("/..", "/"),
    ("/bar/..", "/"),
    ("/foo/bar/..", "/foo/"),
    ("/foo/bar/././x/../y", "/foo/bar/y"),
    ("/../" * 512 + "bar", "/bar"),
    ("/" + "a" * 70_000, "/" + "a" * 70_000),
    ("/a/.../.b/c.", "/a/.../.b/c."),
]


@pytest.mark.parametrize(("uri", "normal"), SPELLINGS)
def test_equivalent_uris_have_one_spelling(uri: str, normal: str) -> None:
    assert normal_uri(uri) == normal
    assert normal_uri(normal) == normal


@pytest.mark.parametrize(("path", "normal"), DOTS, ids=[path[:20] for path, _ in DOTS])
def test_dot_segments_are_removed(path: str, normal: str) -> None:
    assert normal_uri(f"http://host.example{path}") == f"http://host.example{normal}"


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "",
            "ht",
            "ht:",
            "ftp://host.example/",
            "http:/host.example/",
            "//host.example/",
            "/vod/x",
        ),
        *(
            "http://",
            "http:///////",
            "http://?/",
            "https://foo:bar@",
            "http://:80/",
            "http://a@b@c/",
        ),
        *(
            "http://host.example%4",
            "http://host.example%4psome/x",
            "http://h.example/%",
            "http://h/%g0",
        ),
        *(
            "http://h/a b",
            "http://h/\x00",
            "http://h/\n",
            "http://h/é",
            "http://h:8o/",
            "http://[::1/",
        ),
    ],
)
def test_what_is_no_uri_matches_nothing(uri: str) -> None:
    with pytest.raises(NotAUri):
        normal_uri(uri)
    for container in ("regex:.*", "hash:sha-256;" + "A" * 43):
        assert not read_container(container).allows(asked(uri))


@given(st.text("ab/.:@%2eE?#[]AZ", max_size=40))
def test_the_one_spelling_is_its_own(text: str) -> None:
    try:
        normal = normal_uri(f"http://h/{text}")
    except NotAUri:
        return
    assert normal_uri(normal) == normal


@pytest.mark.parametrize("name", ["sha-256", "sha-384", "sha-512"])
def test_a_hash_is_of_one_uri(name: str) -> None:
    digest = hashlib.new(name.replace("-", ""), b"https://cdn.example/vod/a.m3u8?x=1").digest()
    value = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    rule = read_container(f"hash:{name};{value}")

    assert rule.allows(asked("https://cdn.example/vod/a.m3u8?x=1"))
    assert rule.allows(asked("https://CDN.example:443/vod/./a.m3u8?x=1"))
    assert not rule.allows(asked("https://cdn.example/vod/a.m3u8"))
    assert not rule.allows(asked("https://cdn.example/vod/a.m3u8?x=2"))
    assert rule.to_json() == {"uri_hash": f"{name};{value}"}
    with pytest.raises(TokenBadClaims):
        read_container(f"hash:{name};{value}=")


@pytest.mark.parametrize(
    ("pattern", "uri", "expected"),
    [
        # The expression that RFC 9246 section 2.1.15.2 shows.
        (
            r"[^:]*\://[^/]*/folder/content/quality_[^/]*/segment.{3}\.mp4(\?.*)?",
            "https://cdn.example/folder/content/quality_1080/segment001.mp4?a=b",
            True,
        ),
        (r"http://h/a/.*", "http://h/a/b", True),
        (r"http://h/a/", "http://h/a/b", False),  # the whole URI, not its beginning
        (r"/a/", "http://h/a/", False),  # nor a part
        (r"^http://h/a$", "http://h/a", True),
        (r"http://h/a|/b", "http://h/a/b", False),
        (r"http://h/(cat|dog)", "http://h/dog", True),
        (r"http://h/(ab){2}", "http://h/abab", True),
        (r"http://h/(ab){2}", "http://h/ab", False),
        (r"http://h/money\$", "http://h/money$", True),
        (r"http://h/[[:digit:]]+", "http://h/42", True),
        (r"http://h/a", "http://H:80/%61", True),  # compared in its normal form
        (r"http://h/.*", "http://h/a/../../x", True),
        (r"http://h/a/.*", "http://h/a/../x", False),
        (r"HTTP://h/a", "http://h/a", False),
    ],
)
def test_an_expression_matches_the_whole_uri(pattern: str, uri: str, expected: bool) -> None:
    rule = read_container(f"regex:{pattern}")
    assert rule.allows(asked(uri)) is expected
    assert rule.reason == "path-not-covered"
    assert rule.to_json() == {"uri_matches": pattern}


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(b*a)\1", r"\d+", r"[a]\w", "(?i)a", "(?:a)", "a*?", "a+?", "a**", "a{2}{3}", "a{,3}"),
        *("a{x}", "{", "[[.a.]]", "[[=a=]]", "[[:word:]]", "[[:^alpha:]]", "[", "[]", "[^]", "[a"),
        "a\\",
    ],
)
def test_what_posix_leaves_open_is_refused(pattern: str) -> None:
    with pytest.raises(TokenUnsupported):
        read_container(f"regex:{pattern}")


@pytest.mark.parametrize("pattern", ["é", "a\x00", "[z-a]", "(", ")", "*a", "a{3,2}", "a{1001}"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(NotAllowed):
        read_container(f"regex:{pattern}")


def grep_matches(pattern: str, lines: list[str]) -> list[str] | None:
    """What a POSIX implementation matches, from end to end; ``None`` if it takes the expression for none."""
    if GREP is None:
        lacking("grep is not installed: apt-get install grep")
    found = subprocess.run(
        [GREP, "-E", "-x", "-e", pattern],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "POSIX"},
        timeout=10,
    )
    return None if found.returncode > 1 else found.stdout.splitlines()


PIECES = [
    "a",
    "b",
    "c",
    "/",
    ".",
    "-",
    "(",
    ")",
    "|",
    "*",
    "+",
    "?",
    "^",
    "$",
    "{2}",
    "{1,2}",
    "{2,}",
]
BRACKETS = [
    "[ab]",
    "[^a]",
    "[]a]",
    "[^]a]",
    r"[\]",
    r"[\.]",
    r"[a\]",
    "[a-c]",
    "[[:alpha:]]",
    "[[]",
]
LINES = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aa",
    "abc",
    "a/b",
    "a.b",
    "a-b",
    "]",
    "a]",
    "[",
    "/",
    "bb]",
    "ccc",
]


@given(st.lists(st.sampled_from([*PIECES, *BRACKETS, r"\.", r"\*", r"\[", r"\]"]), max_size=8))
@settings(max_examples=150, deadline=None)
def test_an_expression_means_what_posix_says(pieces: list[str]) -> None:
    pattern = "".join(pieces)
    uris = [f"http://h/{line}" for line in LINES]
    try:
        rule = read_container(f"regex:http://h/({pattern})")
    except NotAllowed:
        assume(False)
    expected = grep_matches(f"http://h/({pattern})", uris)
    assume(expected is not None)
    assert [uri for uri in uris if rule.allows(asked(uri))] == expected


@given(st.text(max_size=60))
def test_any_expression_is_read_or_refused(pattern: str) -> None:
    try:
        to_re2(pattern)
        read_container(f"regex:{pattern}")
    except NotAllowed:
        pass


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV-adQssw5c"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        # Section 2.1.15: what stays of a URI when its token is taken out; after Apache Traffic Server's cases.
        ("/vod/x?URISigningPackage={}", "x", ""),
        ("/vod/x?URISigningPackage={}&c=3&a=1", "x", "c=3&a=1"),
        ("/vod/x?a=1&URISigningPackage={}&c=3", "x", "a=1&c=3"),
        ("/vod/x?a=1&b=2&URISigningPackage={}", "x", "a=1&b=2"),
        ("/vod/x;URISigningPackage={}", "x", ""),
        ("/vod/x;URISigningPackage={}/y", "x/y", ""),
        ("/vod/x;URISigningPackage={};p=1/y?a=1", "x;p=1/y", "a=1"),
    ],
)
def test_the_token_is_taken_out_of_the_uri(target: str, path: str, query: str) -> None:
    read = parse_target(target.format(TOKEN))
    asked_with = parse_query(read.query)

    assert (read.path, asked_with.rest) == (path, query)
    assert (read.package or asked_with.token) == TOKEN
