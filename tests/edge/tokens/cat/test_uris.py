from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes

from edge.errors import NotAllowed, TokenBadClaims, TokenUnsupported
from edge.tokens.cat.uris import Uri, UriParts
from tests.edge.tokens.cat.minting import asked

SCHEME, HOST, PORT, PATH, QUERY, PARENT, FILENAME, STEM, EXTENSION = range(9)
EXACT, PREFIX, SUFFIX, CONTAINS, REGEX, SHA256, SHA512 = 0, 1, 2, 3, 4, -1, -2
LONG = (
    "/highly/nested/file/structure/that/extends/on/and/takes/quite/a/bit/of/space/and/might/consume/more/space/in/the"
    "/token/than/is/otherwise/preferable"
)


def _allows(claim: object, uri: str) -> bool:
    return UriParts.of(claim).allows(asked(uri=uri))


def _sha512_256(text: str) -> bytes:
    digest = hashes.Hash(hashes.SHA512_256())
    digest.update(text.encode())
    return digest.finalize()


# The cases of github.com/Eyevinn/node-cat, src/catu.test.ts (MIT).
@pytest.mark.parametrize(
    ("claim", "uri", "expected"),
    [
        ({SCHEME: {EXACT: "https"}}, "https://example.com/api/v1", True),
        ({SCHEME: {EXACT: "https"}, PATH: {PREFIX: "/api"}}, "https://example.com/api/v1", True),
        (
            {SCHEME: {EXACT: "https"}, PATH: {PREFIX: "/content"}, EXTENSION: {EXACT: ".m3u8"}},
            "https://example.com/content/path/file.m3u8",
            True,
        ),
        (
            {SCHEME: {EXACT: "https"}, PATH: {PREFIX: "/content"}, EXTENSION: {EXACT: ".m3u8"}},
            "https://example.com/CONTENT/path/file.m3u8",
            False,
        ),
        ({FILENAME: {SUFFIX: ".tar.gz"}}, "https://example.com/file.txt.tar.gz", True),
        ({EXTENSION: {EXACT: ""}}, "https://example.com/file", True),
        ({EXTENSION: {EXACT: "."}}, "https://example.com/file.", True),
        ({PARENT: {SUFFIX: "content"}}, "https://example.com/files/secret-content/s.txt", True),
        ({PARENT: {SUFFIX: "/content"}}, "https://example.com/files/secret-content/s.txt", False),
        ({PARENT: {SUFFIX: "/content"}}, "https://example.com/files/content/file.txt", True),
        (
            {PARENT: {SHA256: "14608dd0f26a05afce0b80443c6d3643bc84771469748314808d64381b99898c"}},
            f"https://example.com{LONG}/file.txt",
            True,
        ),
        (
            {
                PARENT: {
                    SHA512: "006c29d231e2ffc4cc9e0db0536219dba7a6b470eee816a6e779354aae9a62f1"
                    "f1e35b8d47131e4a9d4eeaf6a3bdb0e6ecc8c4db47af6ea1bf2765d3f9a2ba4f"
                }
            },
            f"https://example.com{LONG}/file.txt",
            True,
        ),
        ({PORT: {EXACT: "8080"}}, "https://example.com:8080/content.ts", True),
        ({PORT: {EXACT: "8080"}}, "http://example.com:8080/content.ts", True),
        ({PORT: {EXACT: "8080"}}, "http://example.com/content.ts", False),
        ({PORT: {EXACT: ""}}, "http://example.com", True),
        ({PORT: {EXACT: ""}}, "http://example.com:80", True),
        ({PORT: {EXACT: ""}}, "https://example.com", True),
        ({FILENAME: {EXACT: "content.tar.gz"}}, "https://example.com/content.tar.gz", True),
        ({FILENAME: {EXACT: "content.tar.gz"}}, "https://example.com/content.tar.gz?a=b&c=d", True),
        ({STEM: {EXACT: "content"}}, "https://example.com/a/content", True),
        ({STEM: {EXACT: "content"}}, "https://example.com/path/to/content.tar.gz?a=b", True),
        (
            {QUERY: {EXACT: "?z=z&x=true&y=false"}},
            "https://example.com/path?y=false&x=true&z=z",
            True,
        ),
        (
            {QUERY: {EXACT: "z=z&x=true&y=false"}},
            "https://example.com/path?y=false&x=true&z=z",
            True,
        ),
    ],
)
def test_the_cases_of_node_cat(claim: object, uri: str, *, expected: bool) -> None:
    assert _allows(claim, uri) is expected


@pytest.mark.parametrize(
    ("claim", "uri", "expected"),
    [
        pytest.param({HOST: {EXACT: "a.example"}}, "https://A.Example/x", True, id="host's case"),
        pytest.param({HOST: {EXACT: "a.example"}}, "https://a.example:444/x", True, id="no port"),
        pytest.param({HOST: {SUFFIX: ".example"}}, "https://a.example.org/x", False, id="suffix"),
        pytest.param({HOST: {EXACT: "[::1]"}}, "https://[::1]/x", True, id="IPv6"),
        pytest.param({HOST: {EXACT: "[::1]"}}, "https://[::1]:81/x", True, id="IPv6 and port"),
        pytest.param({PORT: {EXACT: "81"}}, "https://[::1]:81/x", True, id="port after IPv6"),
        pytest.param({PORT: {EXACT: "443"}}, "https://a/x", True, id="the scheme's own port"),
        pytest.param({PORT: {EXACT: "443"}}, "http://a/x", False, id="another scheme's port"),
        pytest.param({PATH: {EXACT: "/"}}, "https://a", True, id="an empty path is a slash"),
        pytest.param({PATH: {EXACT: "/x"}}, "https://a/x?y=/x", True, id="path without query"),
        pytest.param({PATH: {CONTAINS: "/b/"}}, "https://a/a/b/c", True, id="contains"),
        pytest.param({PATH: {CONTAINS: "/b/"}}, "https://a/a?/b/", False, id="not in the query"),
        pytest.param({PATH: {REGEX: ("^/v/[0-9]+/",)}}, "https://a/v/12/x", True, id="regex"),
        pytest.param({PATH: {REGEX: ("/v/",)}}, "https://a/a/v/x", True, id="regex anywhere"),
        pytest.param({PATH: {REGEX: ("^/V/", "i")}}, "https://a/v/x", True, id="regex, any case"),
        pytest.param({PATH: {REGEX: "^/v/"}}, "https://a/v/x", True, id="regex as a text"),
        pytest.param({PATH: {PREFIX: "/v/", SUFFIX: ".ts"}}, "https://a/v/1.ts", True, id="both"),
        pytest.param({PATH: {PREFIX: "/v/", SUFFIX: ".ts"}}, "https://a/v/1.m4s", False, id="one"),
        pytest.param(
            {PATH: {SHA256: hashlib.sha256(b"/x").digest()}}, "https://a/x", True, id="hash"
        ),
        pytest.param({PATH: {SHA512: _sha512_256("/x")}}, "https://a/x", True, id="SHA-512/256"),
        pytest.param({PATH: {SHA512: _sha512_256("/x")}}, "https://a/y", False, id="another"),
        pytest.param({EXTENSION: {EXACT: ".ts"}}, "https://a/1.5.ts", True, id="last dot"),
        pytest.param({EXTENSION: {EXACT: ".tar.gz"}}, "https://a/1.tar.gz", True, id="first dot"),
        pytest.param({EXTENSION: {EXACT: ".ts"}}, "https://a/1.ts/x", False, id="a folder's name"),
        pytest.param({STEM: {EXACT: "1.5"}}, "https://a/1.5.ts", True, id="stem to the last dot"),
        pytest.param({QUERY: {EXACT: ""}}, "https://a/x", True, id="no query"),
        pytest.param({QUERY: {EXACT: ""}}, "https://a/x?b=1", False, id="some query"),
        pytest.param({QUERY: {EXACT: "a=1&a=2"}}, "https://a/x?a=2&a=1", False, id="order of one"),
        pytest.param({QUERY: {CONTAINS: "a=1"}}, "https://a/x?b=2&a=1", True, id="in the query"),
        pytest.param({PARENT: {EXACT: ""}}, "https://a/x", True, id="parent of a file at the top"),
    ],
)
def test_parts_and_matches(claim: object, uri: str, *, expected: bool) -> None:
    assert _allows(claim, uri) is expected


@pytest.mark.parametrize(
    ("claim", "error"),
    [
        pytest.param({}, TokenBadClaims, id="no part"),
        pytest.param([], TokenBadClaims, id="no map"),
        pytest.param({9: {EXACT: "x"}}, TokenUnsupported, id="a part that is not known"),
        pytest.param({"path": {EXACT: "x"}}, TokenUnsupported, id="a part by name"),
        pytest.param({PATH: {}}, TokenBadClaims, id="no condition"),
        pytest.param({PATH: {5: "x"}}, TokenUnsupported, id="a match that is not known"),
        pytest.param({PATH: {-3: b"x"}}, TokenUnsupported, id="a hash that is not known"),
        pytest.param({PATH: {EXACT: 1}}, TokenBadClaims, id="a number"),
        pytest.param({PATH: {EXACT: b"/x"}}, TokenBadClaims, id="bytes"),
        pytest.param({PATH: {SHA256: b"x"}}, TokenBadClaims, id="a short hash"),
        pytest.param({PATH: {SHA256: "zz"}}, TokenBadClaims, id="a hash that is none"),
        pytest.param({PATH: {REGEX: ("(",)}}, TokenBadClaims, id="a broken expression"),
        pytest.param({PATH: {REGEX: ("x" * 2000,)}}, TokenBadClaims, id="a long expression"),
        pytest.param(
            {PATH: {REGEX: (r"(a)\1",)}}, TokenBadClaims, id="one that needs backtracking"
        ),
        pytest.param({PATH: {REGEX: ("((a{99}){99}){99}",)}}, TokenBadClaims, id="one that grows"),
        pytest.param({PATH: {REGEX: ("x", "g")}}, TokenUnsupported, id="flags"),
        pytest.param({PATH: {REGEX: ()}}, TokenBadClaims, id="no expression"),
    ],
)
def test_what_cannot_be_checked_is_refused(claim: object, error: type[NotAllowed]) -> None:
    with pytest.raises(error):
        UriParts.of(claim)


def test_a_uri_is_taken_apart() -> None:
    assert Uri.parse("HTTPS://Edge.Example:443/a/b.c?d=e?f") == Uri(
        "https", "edge.example", "", "/a/b.c", "d=e?f"
    )
