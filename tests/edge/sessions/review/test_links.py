from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.sessions.open import alone
from tests.edge.client import Client
from tests.edge.tokens.forging import EDGE, every_scheme

PATH = "/vod/title/v/1.m4s"


async def test_a_link_over_a_whole_address_holds_though_a_player_adds_cmcd_to_it(
    settings: Settings, title: Path, key_set: KeySet, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer = CloudFrontSigner(
        "K1",
        lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303 - CloudFront's own
    )
    end = datetime.now(UTC) + timedelta(minutes=10)
    url = signer.generate_presigned_url(EDGE + PATH, date_less_than=end)
    link = url.removeprefix(EDGE)
    control = alone(settings.sessions)
    app = build_app(every_scheme(settings, tmp_path, key), key_set=key_set, registry=control)
    server = TestServer(app)
    async with server, ClientSession() as session:
        client = Client(session, server)
        assert (await client.ask(link))[0] == 200
        assert (await client.ask(f"{link}&CMCD=bl%3D2100"))[0] == 200
        path, _, query = link.partition("?")
        assert (await client.ask(f"{path}?CMCD=bl%3D2100&{query}"))[0] == 200
        assert (await client.ask(f"{link}&other=1"))[0] == 403
        await app[keys.SESSIONS].tell()
    (state,) = control.listed()
    assert (state.counted.requests, state.quality.buffer_ms) == (3, 2100)
