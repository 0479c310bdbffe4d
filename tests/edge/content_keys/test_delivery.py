from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from aiohttp.test_utils import TestServer

from config.contracts.grants import Grant
from edge import keys, metrics
from edge.origin.shield import FIELD, sign
from tests.edge.client import SEGMENT, Client
from tests.edge.content_keys.conftest import FILED_KEY, FIRST, SECOND, SHIELD, Poster
from tests.edge.content_keys.hkdf import expected_key
from tests.edge.origins import Origin

Mint = Callable[..., str]


def code_of(body: bytes) -> str:
    return str(json.loads(body)["error"])


def counted(kind: str, result: str) -> float:
    return float(metrics.CONTENT_KEYS.labels(kind, result)._value.get())


@pytest.mark.parametrize(
    ("key_id", "master"), [("m1.0", FIRST), ("m1.4294967295", FIRST), ("m2.3", SECOND)]
)
async def test_a_key_of_the_title_is_given_under_its_grant(
    client: Client, mint: Mint, key_id: str, master: bytes
) -> None:
    before = counted("aes-128", "given")
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/key/{key_id}")

    assert (status, body) == (200, expected_key(master, "title", key_id))
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "16"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not {"ETag", "Last-Modified", "Age", "Cache-Status"} & headers.keys()
    assert counted("aes-128", "given") == before + 1


async def test_a_title_may_lie_deeper_than_the_grant(client: Client, mint: Mint) -> None:
    status, _, body = await client.ask(f"/t/{mint()}/vod/title/hd/a1/key/m1.0")
    assert (status, body) == (200, expected_key(FIRST, "title/hd/a1", "m1.0"))


async def test_a_grant_of_everything_opens_every_title(client: Client, mint: Mint) -> None:
    status, _, body = await client.ask(f"/t/{mint('/')}/vod/another/key/m1.0")
    assert (status, body) == (200, expected_key(FIRST, "another", "m1.0"))


async def test_a_filter_in_the_path_changes_nothing(client: Client, mint: Mint) -> None:
    status, _, body = await client.ask(f"/t/{mint()}/f/height:..200/vod/title/key/m1.0?x=1")
    assert (status, body) == (200, expected_key(FIRST, "title", "m1.0"))


@pytest.mark.parametrize("where", ["query", "bearer"])
async def test_a_token_may_stand_elsewhere(client: Client, mint: Mint, where: str) -> None:
    query = f"?token={mint()}" if where == "query" else ""
    headers = {"Authorization": f"Bearer {mint()}"} if where == "bearer" else {}
    status, answer, body = await client.ask(f"/vod/title/key/m1.0{query}", **headers)

    assert (status, body) == (200, expected_key(FIRST, "title", "m1.0"))
    assert answer["Cache-Control"] == "no-store"


async def test_head_says_what_get_would(client: Client, mint: Mint) -> None:
    path = f"/t/{mint()}/vod/title/key/m1.0"
    status, headers, body = await client.ask(path, method="HEAD")
    _, given, _ = await client.ask(path)

    assert (status, body) == (200, b"")
    assert {**headers, "Date": ""} == {**given, "Date": ""}


@pytest.mark.parametrize(
    "fields",
    [
        {"Range": "bytes=0-3"},
        {"Range": "bytes=99-"},
        {"If_None_Match": "*"},
        {"If_Match": '"x"'},
        {"If_Modified_Since": "Thu, 31 Dec 2037 23:59:59 GMT"},
        {"Accept_Encoding": "gzip, br"},
    ],
    ids=str,
)
async def test_ranges_conditions_and_codings_mean_nothing(
    client: Client, mint: Mint, fields: dict[str, str]
) -> None:
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/key/m1.0", **fields)

    assert (status, body) == (200, expected_key(FIRST, "title", "m1.0"))
    assert headers["Accept-Ranges"] == "none"
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize("path", ["/vod/title/key/m1.0", "/open/title/key/m1.0"])
async def test_without_a_token_there_is_no_key_even_where_all_else_is_public(
    client: Client, path: str
) -> None:
    status, headers, body = await client.ask(path)
    assert (status, code_of(body)) == (401, "token-missing")
    assert headers["Cache-Control"] == "no-store"


async def test_a_public_origin_gives_files_without_and_keys_with_a_token(
    client: Client, mint: Mint
) -> None:
    assert (await client.ask("/open/v.m4s"))[::2] == (200, b"media")
    refused, _, _ = await client.ask(f"/t/{mint()}/open/title/key/m1.0")
    status, _, body = await client.ask(f"/t/{mint('/open/title/')}/open/title/key/m1.0")

    assert refused == 403
    assert (status, body) == (200, expected_key(FIRST, "title", "m1.0"))


@pytest.mark.parametrize(
    "path",
    [
        "/vod/other/key/m1.0",
        "/vod/title2/key/m1.0",
        "/open/title/key/m1.0",
        "/vod/key/m1.0",
        "/own/title/key/enc.key",
        "/vod/other/title/key/m1.0",
    ],
)
async def test_a_token_opens_no_other_title(client: Client, mint: Mint, path: str) -> None:
    status, _, body = await client.ask(f"/t/{mint()}{path}")
    assert status == 403
    assert len(body) != 16


async def test_another_edge_gets_files_and_no_keys(client: Client) -> None:
    async def status_of(path: str) -> int:
        signed = sign("GET", path, key=SHIELD, now=time.time())
        return (await client.ask(path, **{FIELD: signed}))[0]

    assert await status_of("/vod/title/v/1.m4s") == 200
    assert await status_of("/vod/title/key/m1.0") == 401


class EverythingRevoked:
    epoch = 7

    def covers(self, grant: Grant) -> bool:
        return True

    def is_stale(self, now: float) -> bool:
        return False


async def test_a_revoked_session_gets_no_further_key(
    client: Client, edge: TestServer, mint: Mint
) -> None:
    token = mint()
    assert (await client.ask(f"/t/{token}/vod/title/key/m1.0"))[0] == 200
    edge.app[keys.TOKENS].revoked = EverythingRevoked()
    assert (await client.ask(f"/t/{token}/vod/title/key/m1.1"))[0] == 403
    assert (await client.ask(f"/t/{token}/vod/title/key/m1.0"))[0] == 403


async def test_an_ended_token_opens_nothing(client: Client, mint: Mint) -> None:
    token = mint(expires_at=int(time.time()) - 60, issued_at=int(time.time()) - 600)
    assert (await client.ask(f"/t/{token}/vod/title/key/m1.0"))[0] == 403


async def test_a_changed_token_opens_nothing(client: Client, mint: Mint) -> None:
    token = mint()
    changed = "QA" if token.endswith("AA") else "AA"
    assert (await client.ask(f"/t/{token[:-2]}{changed}/vod/title/key/m1.0"))[0] == 403


@pytest.mark.parametrize(
    "key_id",
    ["m3.0", "m1", "m1.", "m1.00", "m1.4294967296", "M1.0", "0", "license", "m1.0.ts", "a" * 64],
)
async def test_an_unknown_key_is_not_found(client: Client, mint: Mint, key_id: str) -> None:
    before = counted("aes-128", "unknown")
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/key/{key_id}")

    assert (status, code_of(body)) == (404, "not-found")
    assert headers["Cache-Control"] == "no-store"
    assert counted("aes-128", "unknown") == before + 1


async def test_keys_of_the_folder_are_given_as_they_lie_there(client: Client, mint: Mint) -> None:
    status, headers, body = await client.ask(f"/t/{mint('/own/title/')}/own/title/key/enc.key")
    assert (status, body) == (200, FILED_KEY)
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("key_id", ["long", "short", "folder", "license", "none", "ENC.KEY"])
async def test_nothing_but_16_bytes_is_a_key(client: Client, mint: Mint, key_id: str) -> None:
    status, _, body = await client.ask(f"/t/{mint('/own/title/')}/own/title/key/{key_id}")
    assert (status, code_of(body)) == (404, "not-found")


async def test_a_key_file_that_changes_is_given_anew(
    client: Client, mint: Mint, tmp_path: object
) -> None:
    path = f"/t/{mint('/own/title/')}/own/title/key/enc.key"
    assert (await client.ask(path))[2] == FILED_KEY
    (tmp_path / "keys" / "title" / "enc.key").write_bytes(bytes(16))  # type: ignore[operator]

    assert (await client.ask(path))[2] == bytes(16)


async def test_keys_of_the_future_are_not_given_where_they_follow_the_clock(
    client: Client, mint: Mint
) -> None:
    now = int(time.time()) // 60
    token = mint("/live/title/")

    async def status_of(number: int) -> int:
        return (await client.ask(f"/t/{token}/live/title/key/m1.{number}"))[0]

    assert [await status_of(n) for n in (0, now - 1000, now, now + 1)] == [200] * 4
    assert [await status_of(n) for n in (now + 3, now + 1000)] == [404] * 2


async def test_a_token_with_no_key_in_its_path_still_plays_files(
    client: Client, mint: Mint
) -> None:
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/v/1.m4s")
    assert (status, body) == (200, SEGMENT)
    assert headers["Cache-Control"].startswith("private, max-age=")


async def test_a_key_never_comes_from_upstream(
    client: Client, mint: Mint, upstream: Origin
) -> None:
    token = mint("/up/title/")
    status, _, body = await client.ask(f"/t/{token}/up/title/key/m1.0")
    assert (status, body) == (200, expected_key(FIRST, "title", "m1.0"))
    for path in ("key/m9.0", "KEY/m1.0", "key;a/m1.0", "key/m1.0/", "k%65y/m1.0;x", "key//m1.0"):
        assert (await client.ask(f"/t/{token}/up/title/{path}"))[0] == 404

    assert upstream.asked == []
    assert (await client.ask(f"/t/{token}/up/title/v.m4s"))[::2] == (200, b"media")


async def test_an_origin_without_content_keys_has_ordinary_folders_called_key(
    client: Client, mint: Mint
) -> None:
    assert (await client.ask(f"/t/{mint('/plain/')}/plain/key/v.m4s"))[::2] == (200, b"media")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_key_is_asked_for_and_not_sent(client: Client, mint: Mint, method: str) -> None:
    status, headers, _ = await client.ask(f"/t/{mint()}/vod/title/key/m1.0", method=method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_page_of_any_site_may_ask(client: Client, mint: Mint) -> None:
    async def allowed(path: str) -> tuple[int, str, str]:
        status, headers, _ = await client.ask(path, method="OPTIONS")
        return (
            status,
            headers["Access-Control-Allow-Methods"],
            headers["Access-Control-Allow-Headers"],
        )

    status, methods, fields = await allowed(f"/t/{mint()}/vod/title/key/license")
    assert (status, methods) == (204, "GET, HEAD, OPTIONS, POST")
    assert "Content-Type" in fields
    assert (await allowed(f"/t/{mint()}/vod/title/key/m1.0"))[:2] == (204, "GET, HEAD, OPTIONS")


async def test_posts_elsewhere_are_refused(client: Client, poster: Poster, mint: Mint) -> None:
    token = mint("/")
    for path in ("plain/title/key/license", "plain/v.m4s", "vod/title/master.m3u8"):
        assert (await poster.post(f"/t/{token}/{path}", b"{}"))[0] == 405
