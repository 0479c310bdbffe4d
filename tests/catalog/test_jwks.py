from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from catalog import keys
from config.contracts.tokens import PlaybackClaims
from config.runtime.key_rotation import add_key, replace_now, rotate
from config.runtime.keys import KeySet
from config.settings.load import Settings
from config.settings.tokens import TokenSettings
from edge.tokens.kawa import KawaTokens
from edge.tokens.keys.open import open_keys
from tests.catalog.harness import Api, Start

PATH = "/.well-known/jwks.json"
JWKS = "application/jwk-set+json"
DAY = 86400


def claims(now: float, seconds: int = 3600) -> PlaybackClaims:
    return PlaybackClaims(
        subject="v",
        session="s",
        path_prefixes=("/vod/m/",),
        issued_at=int(now),
        expires_at=int(now) + seconds,
    )


def present() -> float:
    return datetime.now(UTC).timestamp()


async def test_the_public_keys_are_published(api: Api, settings: Settings) -> None:
    reply = await api("GET", PATH)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == JWKS
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    document = json.loads(reply.raw)
    declared = api.document["paths"][PATH]["get"]["responses"]["200"]["content"][JWKS]["schema"]
    OAS31Validator({**declared, "components": api.document["components"]}).validate(document)
    [published] = document["keys"]
    [private] = json.loads(settings.keys_file.read_bytes())["keys"]
    assert published == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": private["x"],
        "kid": private["kid"],
        "alg": "EdDSA",
        "use": "sig",
    }


async def test_what_a_reader_has_is_not_sent_again(api: Api, settings: Settings) -> None:
    first = await api("GET", PATH)
    etag = first.headers["ETag"]

    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await api("GET", PATH, headers={"If-None-Match": condition})
        assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", etag)
    rotate(settings.keys_file, publish_seconds=900, overlap_seconds=8 * DAY, now=present())

    changed = await api("GET", PATH, headers={"If-None-Match": etag})

    assert changed.status == 200
    assert changed.headers["ETag"] != etag


async def test_a_new_key_is_published_before_it_signs(api: Api, settings: Settings) -> None:
    now = present()
    [old] = KeySet.read(settings.keys_file).keys

    new = rotate(settings.keys_file, publish_seconds=900, overlap_seconds=8 * DAY, now=now).key_id

    published = json.loads((await api("GET", PATH)).raw)["keys"]
    assert {key["kid"]: (key.get("nbf"), key.get("exp")) for key in published} == {
        old: (None, int(now) + 900 + 8 * DAY),
        new: (int(now) + 900, None),
    }
    sign = api.app[keys.SIGNER].sign
    verifying = KeySet.read(settings.keys_file)
    for offset, signer in ((0, old), (899, old), (901, new)):
        token = sign(claims(now + offset))
        grant = KawaTokens(_Fixed(verifying)).verify(token, now=now + offset)
        assert grant.key_id == signer


class _Fixed:
    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def current(self) -> KeySet:
        return self._keys


async def test_a_secret_is_never_published(start: Start, settings: Settings) -> None:
    settings.keys_file.unlink()
    add_key(settings.keys_file, algorithm="HS256", key_id="h", publish_seconds=0, now=present())
    api = await start()

    reply = await api("GET", PATH)

    assert (reply.status, json.loads(reply.raw)) == (200, {"keys": []})


async def test_a_key_that_has_ended_is_not_published(api: Api, settings: Settings) -> None:
    now = present()
    [old] = KeySet.read(settings.keys_file).keys
    rotate(settings.keys_file, publish_seconds=0, overlap_seconds=1, now=now - 10, key_id="new")

    published = json.loads((await api("GET", PATH)).raw)["keys"]

    assert [key["kid"] for key in published] == ["new"]
    assert old != "new"


async def test_a_broken_file_changes_nothing(api: Api, settings: Settings) -> None:
    before = (await api("GET", PATH)).raw

    settings.keys_file.write_text("{")

    assert (await api("GET", PATH)).raw == before
    api.app[keys.SIGNER].sign(claims(present()))


@pytest.mark.parametrize("at_once", [False, True])
async def test_no_token_is_refused_over_a_rotation_while_an_edge_reads_the_published_keys(
    at_once: bool, api: Api, settings: Settings, tmp_path: Path
) -> None:
    now = [present()]
    timer = [0.0]
    sign = api.app[keys.SIGNER].sign
    async with open_keys(
        "kawa",
        url=str(api.client.make_url(PATH)),
        settings=TokenSettings(),
        state=tmp_path / "state",
        clock=lambda: now[0],
        timer=lambda: timer[0],
    ) as source:
        tokens = KawaTokens(source)
        signers: set[str] = set()
        for minute in range(60):
            if minute == 20:
                change: Any = replace_now if at_once else rotate
                options = {} if at_once else {"publish_seconds": 900, "overlap_seconds": 8 * DAY}
                change(settings.keys_file, now=now[0], **options)
            token = sign(claims(now[0]))
            key_id = KeySet.read(settings.keys_file).signing_key(now=now[0]).key_id
            if key_id not in source.current().keys:
                assert at_once  # else every edge knows it in time
                assert await source.wanted(key_id)
            signers.add(tokens.verify(token, now=now[0]).key_id)
            now[0] += 60
            timer[0] += 60
            if minute % 5 == 4:  # as jwks_refresh says
                assert await source.refresh()

    assert len(signers) == 2
