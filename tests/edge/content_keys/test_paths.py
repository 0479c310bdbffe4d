from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.settings.content_keys import DerivedKeys
from config.settings.origins import DnsSettings, S3Origin
from edge.content_keys.names import KeyName, is_key_file, is_reserved, key_name
from edge.errors import BadPath
from edge.origin.resolver import Resolver
from edge.origin.s3 import open_s3_origin
from edge.origin.upstream import Question
from edge.target import parse_target
from tests.edge.client import Client
from tests.edge.content_keys.conftest import FILED_KEY
from tests.edge.origins import Origin

Mint = Callable[..., str]

SECRETS = (FILED_KEY, b"another title's!", b"not to be served", b"its own key 1234")

# Below the title that the token is for; what stands in front of '{' is the way out of it.
GAMES = [
    "key/../../../keys/title/enc.key",
    "key/..%2f..%2fkeys/title/enc.key",
    "key/%2e%2e/other/enc.key",
    "key/%2e%2e/key/enc.key",
    "../other/key/enc.key",
    "%2e%2e/other/key/enc.key",
    "%252e%252e/other/key/enc.key",
    ".%2e/other/key/enc.key",
    "..;/other/key/enc.key",
    "..%3b/other/key/enc.key",
    "..%5cother/key/enc.key",
    "..\\other/key/enc.key",
    "key/..%5c..%5cother%5cenc.key",
    "%ef%bc%8e%ef%bc%8e/other/key/enc.key",
    "key/enc.key%00",
    "key/enc.key%00.m4s",
    "key/enc.key;.m4s",
    "key/enc.key/",
    "key//enc.key",
    "key/./enc.key",
    "./key/enc.key",
    "key/enc.key/.",
    "key/enc%2ekey%20",
    "key/enc.key.",
    "KEY/enc.key",
    "Key/enc.key",
    "key;/enc.key",
    "key;a=b/enc.key",
    "key%3b/enc.key",
    "key%20/enc.key",
    "key./enc.key",
    "%ef%bd%8b%ef%bd%85%ef%bd%99/enc.key",
    "%e2%84%aaey/enc.key",
    "%256bey/enc.key",
    "k%2565y/enc.key",
    "key/enc%252ekey",
    "key%2fenc.key",
    "key/key/enc.key",
    "key/title/key/enc.key",
    "enc.key",
    "ENC.KEY",
    "enc.key;x",
    "enc%2ekey",
    "enc.ke%79",
    "enc.key%20",
]


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("origin", ["own", "vod", "plain", "up"])
async def test_no_spelling_gets_a_key_file(
    client: Client, mint: Mint, origin: str, game: str
) -> None:
    status, _, body = await client.ask(f"/t/{mint(f'/{origin}/title/')}/{origin}/title/{game}")
    assert status in (400, 403, 404)
    assert not any(secret in body for secret in SECRETS)


@pytest.mark.parametrize("game", ["k%65y/enc.key", "%6b%65%79/enc%2Ekey", "key/e%6Ec.key"])
async def test_another_spelling_of_the_same_path_is_the_same_path(
    client: Client, mint: Mint, game: str
) -> None:
    status, _, body = await client.ask(f"/t/{mint('/own/title/')}/own/title/{game}")
    assert (status, body) == (200, FILED_KEY)


@pytest.mark.parametrize(
    "path",
    [
        "/vod/title/enc.key",
        "/vod/title/Enc.KEY",
        "/plain/enc.key",
        "/vod/secrets/keys.json",
        "/vod/../secrets/keys.json",
        "/vod/%2e%2e/secrets/keys.json",
        "/own/../keys/title/enc.key",
    ],
)
async def test_keys_are_never_files(client: Client, mint: Mint, path: str) -> None:
    status, _, body = await client.ask(f"/t/{mint('/')}{path}")
    assert status in (400, 404)
    assert not any(secret in body for secret in SECRETS)


@pytest.mark.parametrize(
    "path", ["title/enc.key", "title/enc%2Ekey", "title/key/m1.0", "title/KEY/m1.0"]
)
async def test_a_bucket_is_not_asked_for_keys(upstream: Origin, path: str) -> None:
    resolver = Resolver(DnsSettings())
    settings = S3Origin(
        kind="s3",
        bucket="films",
        endpoint=upstream.url,
        path_style=True,
        access_key=SecretStr("a"),
        secret_key=SecretStr("b"),
        content_keys=DerivedKeys(kind="derived", masters={"m1": SecretStr("ab" * 32)}),
    )
    async with open_s3_origin("films", settings, resolver=resolver) as origin:
        async with origin.ask(Question(path=path)) as reply:
            assert reply.status == 404
    await resolver.close()
    assert upstream.asked == []


async def test_a_manifest_cannot_have_a_key_fetched(
    client: Client, mint: Mint, title: Path
) -> None:
    # An xlink, an asset list and a segment that is fetched ahead are asked for by the edge itself.
    (title / "media.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv/1.m4s\n#EXTINF:6,\nkey/m1.0\n#EXTINF:6,\nenc.key\n"
    )
    token = mint()
    assert (await client.ask(f"/t/{token}/vod/title/media.m3u8"))[0] == 200
    assert (await client.ask(f"/t/{token}/vod/title/v/1.m4s"))[0] == 200
    assert (await client.ask(f"/t/{token}/vod/title/enc.key"))[0] == 404


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/key/m1.0", KeyName("a", "m1.0")),
        ("a/b/c/key/m1.0", KeyName("a/b/c", "m1.0")),
        ("a/key/license", KeyName("a", "license")),
        ("a%20b/key/x", KeyName("a%20b", "x")),
        ("key/m1.0", None),
        ("/key/m1.0", None),
        ("a//key/m1.0", None),
        ("a/key/key/m1.0", None),
        ("key/a/key/m1.0", None),
        ("a/key/b/m1.0", None),
        ("a/key/", None),
        ("a/key", None),
        ("a/key/.x", None),
        ("a/key/m1.0\n", None),
        ("a/key/" + "x" * 65, None),
        ("a/key/%20", None),
        ("a/monkey/m1.0", None),
    ],
)
def test_a_key_has_one_form_of_path(path: str, name: KeyName | None) -> None:
    assert key_name(path) == name


@pytest.mark.parametrize("path", ["monkey/a", "keys/a", "a/key.ts", "a/keyframes/1", "%20/a", ""])
def test_other_names_are_files(path: str) -> None:
    assert not is_reserved(path)
    assert not is_key_file(path)


@given(st.text(alphabet="/key%2e;.KEYmlisn01", max_size=30))
def test_whatever_is_a_key_is_reserved(tail: str) -> None:
    try:
        target = parse_target(f"/own/title/{tail}")
    except BadPath:
        return
    if key_name(target.path) is not None:
        assert is_reserved(target.path)
        assert ".." not in target.path.split("/")
