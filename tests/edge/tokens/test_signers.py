from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from config.runtime.keys import KeySet
from config.runtime.processes import WrongUse
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.tokens.opened import open_signers
from tests.edge.client import MASTER, SEGMENT, Client
from tests.edge.refusals import causes
from tests.edge.tokens.clock import Clock
from tests.edge.tokens.forging import (
    EDGE,
    MASTER_PATH,
    akamai_token,
    cat_token,
    every_scheme,
    secure_link,
    uri_token,
)


@pytest.fixture(scope="module")
def cloudfront_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, cloudfront_key: rsa.RSAPrivateKey) -> Settings:
    return every_scheme(settings, tmp_path, cloudfront_key)


@pytest.fixture
async def edge(
    settings: Settings, title: Path, key_set: KeySet, clock: Clock
) -> AsyncIterator[TestServer]:
    app = build_app(settings, key_set=key_set)
    app[keys.CLOCK] = clock.now
    server = TestServer(app)
    async with server:
        yield server


def cloudfront_link(path: str, key: rsa.RSAPrivateKey) -> str:
    signer = CloudFrontSigner(
        "K1",
        lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303 - CloudFront's own
    )
    end = datetime.now(UTC) + timedelta(minutes=10)
    policy = signer.build_policy(f"{EDGE}/vod/title/*", end)
    url: str = signer.generate_presigned_url(EDGE + path, policy=policy)
    return url.removeprefix(EDGE)


def akamai_link(path: str) -> str:
    return f"{path}?hdnts={akamai_token()}"


@pytest.fixture(params=["uri-signing", "cat", "secure-link", "cloudfront", "akamai"])
def entry(request: pytest.FixtureRequest, cloudfront_key: rsa.RSAPrivateKey) -> str:
    """A master playlist's address as a signer of each scheme gives it."""
    return {
        "uri-signing": lambda: f"{MASTER_PATH}?URISigningPackage={uri_token()}",
        "cat": lambda: f"{MASTER_PATH}?CAT={cat_token()}",
        "secure-link": lambda: secure_link(MASTER_PATH),
        "cloudfront": lambda: cloudfront_link(MASTER_PATH, cloudfront_key),
        "akamai": lambda: akamai_link(MASTER_PATH),
    }[request.param]()


async def test_every_scheme_opens_a_title_and_its_segments(client: Client, entry: str) -> None:
    status, headers, _ = await client.ask(entry)

    assert status == 302
    location = headers["Location"]
    assert location.startswith("/t/")
    assert location.endswith(MASTER_PATH)
    assert (await client.ask(location))[2] == MASTER
    folder = location.rpartition("/")[0]
    assert (await client.ask(f"{folder}/v/1.m4s"))[2] == SEGMENT
    with causes() as found:
        assert (await client.ask(folder.replace("/title", "/other") + "/v/1.m4s"))[0] == 403
    assert found == ["path-not-covered"]


async def test_a_changed_link_of_every_scheme_opens_nothing(client: Client, entry: str) -> None:
    middle = entry.index("?") + (len(entry) - entry.index("?")) // 2
    changed = "B" if entry[middle] == "A" else "A"
    status, _, body = await client.ask(entry[:middle] + changed + entry[middle + 1 :])

    assert (status, json.loads(body)["error"]) == (403, "not-allowed")


async def test_a_link_keeps_the_rest_of_its_query(
    client: Client, cloudfront_key: rsa.RSAPrivateKey
) -> None:
    link = akamai_link(MASTER_PATH) + "&a=1&_HLS_skip=YES"

    _, headers, _ = await client.ask(link)

    assert headers["Location"].endswith(f"{MASTER_PATH}?a=1")


async def test_cookies_of_cloudfront_open_a_segment(
    client: Client, cloudfront_key: rsa.RSAPrivateKey
) -> None:
    query = cloudfront_link("/vod/title/v/1.m4s", cloudfront_key).partition("?")[2]
    cookies = "; ".join(f"CloudFront-{item}" for item in query.split("&"))

    assert (await client.ask("/vod/title/v/1.m4s", Cookie=cookies))[2] == SEGMENT
    assert (await client.ask("/vod/title/v/1.m4s"))[0] == 401


async def test_a_path_of_akamai_opens_what_lies_below(client: Client) -> None:
    token = akamai_token("acl=%2fvod%2ftitle%2f*")

    assert (await client.ask(f"/hdntl={token}/vod/title/v/1.m4s"))[2] == SEGMENT


async def test_a_chain_of_uri_signing_goes_on_by_cookie(client: Client, clock: Clock) -> None:
    token = uri_token(cdnistt=1, cdniets=60, cdnistd=2, exp=int(time.time()) + 60)
    status, headers, body = await client.ask(f"{MASTER_PATH}?URISigningPackage={token}")
    assert (status, body) == (200, MASTER)
    cookie, _, said = headers["Set-Cookie"].partition("; ")
    assert {"Path=/vod/title", "Secure", "HttpOnly"} <= set(said.split("; "))

    for _ in range(20):
        clock.ahead += 20
        status, headers, _ = await client.ask("/vod/title/v/1.m4s", Cookie=cookie)
        assert status == 200
        if "Set-Cookie" in headers:
            cookie = headers["Set-Cookie"].partition("; ")[0]
    clock.ahead += 61
    assert (await client.ask("/vod/title/v/1.m4s", Cookie=cookie))[0] == 403


async def test_a_cat_in_a_field_is_followed_by_the_next_in_a_field(
    client: Client, clock: Clock
) -> None:
    token = cat_token({323: {0: 2, 1: 600, 2: 100}})
    field = {"CTA-Common-Access-Token": token}
    _, headers, body = await client.ask("/vod/title/v/1.m4s", **field)
    assert "CTA-Common-Access-Token" not in headers
    clock.ahead = 550

    _, headers, body = await client.ask("/vod/title/v/1.m4s", **field)

    assert body == SEGMENT
    following = headers["CTA-Common-Access-Token"]
    clock.ahead = 900
    field = {"CTA-Common-Access-Token": following}
    assert (await client.ask("/vod/title/v/1.m4s", **field))[2] == SEGMENT


async def test_a_cat_says_what_is_sent_when_it_does_not_allow_a_request(client: Client) -> None:
    token = cat_token({322: {312: [302, {"Location": "https://buy.example/"}]}})

    status, headers, _ = await client.ask(f"/t/{token}/vod/other/master.m3u8")

    assert (status, headers["Location"]) == (302, "https://buy.example/")
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
    status, headers, _ = await client.ask(f"/t/{forged}/vod/other/master.m3u8")
    assert status == 403


async def test_a_signer_opens_its_own_origins_alone(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    token = akamai_token("acl=/*")

    assert (await client.ask(f"{MASTER_PATH}?hdnts={token}"))[0] == 302
    forms = await client.ask(f"/nowhere/a.m3u8?hdnts={token}")
    assert forms[0] in (401, 404)


@pytest.mark.parametrize(
    ("keys_of", "said"),
    [
        ({"keys": "{}"}, "tokens.signers.cta.keys"),
        ({"keys": '{"keys": []}', "jwks_url": "https://a.example/"}, "set one of"),
        ({}, "cta"),
    ],
)
async def test_keys_that_cannot_be_used_end_the_start_with_a_sentence(
    settings: Settings, key_set: KeySet, keys_of: dict[str, str], said: str
) -> None:
    changed = settings.model_dump(exclude_unset=True)
    changed["tokens"] = {"signers": {"cta": {"scheme": "cat", **keys_of}}}
    with pytest.raises(WrongUse, match=said):
        async with open_signers(
            Settings.model_validate(changed),
            secret="s",
            key_set=key_set,
            on_gone=lambda _: None,
        ):
            pass
