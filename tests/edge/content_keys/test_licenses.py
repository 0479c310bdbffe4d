from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.content_keys import KeyId
from config.runtime.content_keys import content_key, content_kid
from edge.content_keys.licenses import MAX_KIDS, MAX_REQUEST_BYTES, asked_kids, license_of
from edge.errors import BadRequest
from tests.edge.client import Client
from tests.edge.content_keys.conftest import FILED_KEY, FILED_KID, FIRST, SECOND, Poster
from tests.edge.content_keys.hkdf import expected_key, expected_kid

Mint = Callable[..., str]


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def request_for(*kids: bytes, **changes: Any) -> bytes:
    fields = {"kids": [text_of(kid) for kid in kids], "type": "temporary"}
    return json.dumps(fields | changes).encode()


def kid_of(master: bytes, master_id: str, number: int, title: str = "title") -> bytes:
    return content_kid(master, title=title, key_id=KeyId(master_id, number))


async def test_a_licence_holds_the_keys_of_the_kids(
    client: Client, poster: Poster, mint: Mint
) -> None:
    kids = [expected_kid(FIRST, "title", "m1", 0), expected_kid(SECOND, "title", "m2", 70000)]
    url = f"{client.base}/t/{mint()}/vod/title/key/license"
    async with poster.session.post(url, data=request_for(*kids)) as answer:
        document = json.loads(await answer.read())

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    keys = [expected_key(m, "title", k.hex()) for m, k in zip((FIRST, SECOND), kids, strict=True)]
    assert document == {
        "keys": [
            {"kty": "oct", "k": text_of(key), "kid": text_of(kid)}
            for kid, key in zip(kids, keys, strict=True)
        ],
        "type": "temporary",
    }


async def test_the_keys_of_a_folder_are_named_by_their_kid(poster: Poster, mint: Mint) -> None:
    path = f"/t/{mint('/own/title/')}/own/title/key/license"
    status, body = await poster.post(path, request_for(FILED_KID))
    assert status == 200
    assert json.loads(body)["keys"] == [
        {"kty": "oct", "k": text_of(FILED_KEY), "kid": text_of(FILED_KID)}
    ]


async def test_what_is_not_known_is_left_out(poster: Poster, mint: Mint) -> None:
    path = f"/t/{mint()}/vod/title/key/license"
    known = kid_of(FIRST, "m1", 1)
    status, body = await poster.post(path, request_for(bytes(16), known, known))
    assert status == 200
    assert [key["kid"] for key in json.loads(body)["keys"]] == [text_of(known)]

    status, body = await poster.post(path, request_for(bytes(16)))
    assert (status, json.loads(body)["error"]) == (404, "not-found")


async def test_a_kid_of_another_title_is_not_known(poster: Poster, mint: Mint) -> None:
    path = f"/t/{mint()}/vod/title/key/license"
    status, _ = await poster.post(path, request_for(kid_of(FIRST, "m1", 0, title="other")))
    assert status == 404


async def test_a_licence_is_given_under_the_grant_of_its_title_alone(
    poster: Poster, mint: Mint
) -> None:
    body = request_for(kid_of(FIRST, "m1", 0))
    assert (await poster.post("/vod/title/key/license", body))[0] == 401
    assert (await poster.post("/open/title/key/license", body))[0] == 401
    assert (await poster.post(f"/t/{mint('/vod/other/')}/vod/title/key/license", body))[0] == 403
    assert (await poster.post(f"/t/{mint(expires_at=1, issued_at=0)}/vod/title/key/license", body))[
        0
    ] == 403


async def test_one_key_serves_one_cipher() -> None:
    kid = kid_of(FIRST, "m1", 0)
    assert content_key(FIRST, title="title", key_id=kid.hex()) != content_key(
        FIRST, title="title", key_id="m1.0"
    )


BAD = {
    "nothing": b"",
    "no json": b"{",
    "no object": b"[]",
    "a name twice": b'{"kids":["'
    + b"A" * 22
    + b'"],"kids":["'
    + b"A" * 22
    + b'"],"type":"temporary"}',
    "no utf-8": b'{"kids":["\xff"],"type":"temporary"}',
    "deep": b'{"kids":' + b"[" * 1000 + b"]" * 1000 + b',"type":"temporary"}',
    "no kids": b'{"type":"temporary"}',
    "empty": request_for(),
    "kids as text": request_for(kids="A" * 22),
    "kids as numbers": request_for(kids=[1]),
    "too many": request_for(*(bytes([n] * 16) for n in range(MAX_KIDS + 1))),
    "no type": b'{"kids":["' + b"A" * 22 + b'"]}',
    "persistent": request_for(bytes(16), type="persistent-license"),
    "short": request_for(bytes(15)),
    "long": request_for(bytes(17)),
    "padded": request_for(kids=["A" * 22 + "=="]),
    "standard alphabet": request_for(kids=["+" + "A" * 21]),
    "bits left over": request_for(kids=["A" * 21 + "B"]),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
async def test_what_is_no_licence_request_is_refused(
    poster: Poster, mint: Mint, body: bytes
) -> None:
    status, answer = await poster.post(f"/t/{mint()}/vod/title/key/license", body)
    assert (status, json.loads(answer)["error"]) == (400, "bad-request")


async def test_a_request_that_is_too_large_is_refused(poster: Poster, mint: Mint) -> None:
    body = request_for(bytes(16), more="x" * MAX_REQUEST_BYTES)
    status, answer = await poster.post(f"/t/{mint()}/vod/title/key/license", body)
    assert (status, json.loads(answer)["error"]) == (413, "body-too-large")


async def test_a_compressed_request_is_refused(poster: Poster, mint: Mint) -> None:
    body = gzip.compress(request_for(kid_of(FIRST, "m1", 0)))
    path = f"/t/{mint()}/vod/title/key/license"
    assert (await poster.post(path, body, **{"Content-Encoding": "gzip"}))[0] == 400


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_players_send_what_content_type_they_like(
    poster: Poster, mint: Mint, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    path = f"/t/{mint()}/vod/title/key/license"
    assert (await poster.post(path, request_for(kid_of(FIRST, "m1", 0)), **headers))[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
    ],
    ids=lambda fields: fields.split(b"\r")[0].decode(),
)
async def test_a_body_whose_end_is_in_doubt_is_not_read(
    client: Client, mint: Mint, fields: bytes
) -> None:
    host, _, port = client.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = f"POST /t/{mint()}/vod/title/key/license HTTP/1.1\r\nHost: {host}\r\n".encode()
        writer.write(head + fields + b"\r\n5\r\nhello\r\n0\r\n\r\n")
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))  # of the parser, of the edge
    assert answer.count(b"HTTP/1.") == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    try:
        kids = asked_kids(body)
    except BadRequest:
        return
    assert 0 < len(kids) <= MAX_KIDS


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=MAX_KIDS))
def test_kids_are_read_as_they_were_written(kids: list[bytes]) -> None:
    assert asked_kids(request_for(*kids)) == tuple(dict.fromkeys(kids))


def test_an_empty_licence_is_still_a_jwk_set() -> None:
    assert json.loads(license_of({})) == {"keys": [], "type": "temporary"}
