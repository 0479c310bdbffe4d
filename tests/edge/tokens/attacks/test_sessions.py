"""What lies between two requests: answers that lie ready, tokens that open one session, the tokens that follow."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from config.contracts.grants import Grant, Renewal
from config.contracts.tokens import PlaybackClaims, Renew
from config.runtime.jwk import new_jwk
from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.handlers.moving import cookie_path
from edge.lane.lane import LANE
from edge.tokens.kawa import KawaTokens
from edge.tokens.replay.first_uses import name_of
from edge.tokens.revocation.register import Change
from edge.tokens.revocation.revocations import Told
from edge.tokens.strict import base64url, to_base64url
from edge.tokens.verifier import FixedKeys
from tests.edge.client import SEGMENT
from tests.edge.refusals import causes
from tests.edge.tokens.attacks.asking import (
    SECRET,
    Attacked,
    answer_on,
    is_plain_refusal,
    raw,
    sent,
)
from tests.edge.tokens.clock import Clock
from tests.edge.tokens.forging import (
    HOST,
    INIT_PATH,
    MASTER_PATH,
    SEGMENT_PATH,
    cat_token,
    uri_token,
)

Mint = Callable[..., str]
HOUR = 3600


def plain(target: str) -> bytes:
    """A request that the hot lane takes."""
    return f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


async def warm(edge: Attacked, token: str, path: str = INIT_PATH) -> None:
    """Have the lane hold the answer, and make sure of it."""
    for _ in range(3):
        await raw(edge, plain(f"/t/{token}{path}"))
    before = edge.app[LANE].counts.tokens
    assert (await raw(edge, plain(f"/t/{token}{path}"))).status == 200
    assert edge.app[LANE].counts.tokens == before + 1


def renewing(hours: float = 6, **changes: Any) -> dict[str, Any]:
    renew = Renew(seconds=600, until=int(time.time() + hours * HOUR))
    return {"renew": renew, "token_id": "first", **changes}


async def test_what_lies_ready_is_given_to_nobody_whose_own_token_does_not_allow_it(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    await warm(edge, mint())
    now = int(time.time())
    refused = {
        mint(methods=("HEAD",)): "method-not-covered",
        mint(networks=("192.0.2.0/24",)): "address-not-covered",
        mint(countries=("JP",)): "place-not-covered",
        mint("/vod/title/v/x/"): "path-not-covered",
        mint("/vod/titl/"): "path-not-covered",
        mint(issued_at=now - 900, expires_at=now - 60): "token-expired",
        mint(issued_at=now + 60, expires_at=now + 600): "token-not-yet-valid",
        mint()[:-4] + "AAAA": "token-bad-signature",
        mint() + "~AAAAAAAAAAAAAAAAAAAAAA": "token-malformed",
        uri_token(
            cdniuc=r"regex:https://edge\.example\.com/vod/title/v/1\.m4s"
        ): "path-not-covered",
        cat_token({315: {"x-device": {0: "a"}}}): "header-not-covered",
        cat_token({313: ["HEAD"]}): "method-not-covered",
    }
    for token, cause in refused.items():
        for _ in range(2):
            with causes() as found:
                answer = await raw(edge, plain(f"/t/{token}{INIT_PATH}"))
            assert is_plain_refusal(answer)
            assert found == [cause]
    assert (await raw(edge, plain(INIT_PATH))).status == 401
    assert (await raw(edge, plain(f"/t/{INIT_PATH}"))).status == 403


async def test_limits_of_one_viewer_are_not_another_viewers(edge: Attacked, mint: Mint) -> None:
    """The grant's limits are a part of what asks for a ready manifest."""
    low = mint(max_height=240)
    for _ in range(3):
        await raw(edge, plain(f"/t/{mint()}{MASTER_PATH}"))
    before = edge.app[LANE].counts.tokens
    await raw(edge, plain(f"/t/{low}{MASTER_PATH}"))
    assert edge.app[LANE].counts.tokens == before


async def test_nothing_lies_ready_for_a_path_that_was_not_asked_for(
    edge: Attacked, mint: Mint
) -> None:
    """Where a token is cut out of more than its beginning, what is left is not what a viewer would ask for."""
    token = mint()
    for length in range(len(token) - 8, len(token)):
        host = "a" * length
        request = f"GET http://{host}/t/{token}{INIT_PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        for _ in range(2):
            assert (await raw(edge, request.encode())).status == 200
        padded = f"/hdnts=hmac={'a' * length}/t/{token}{INIT_PATH}"
        assert (await raw(edge, plain(padded))).status == 200
    assert len(edge.app[LANE].answers) == 0
    await warm(edge, token)
    assert len(edge.app[LANE].answers) == 1


async def test_a_token_that_stops_holding_stops_on_the_connection_that_is_open(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    token, ended = mint(session="gone"), mint(session="other")
    await warm(edge, token)
    await warm(edge, ended)
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(edge.host, edge.port)
        writer.write(plain(f"/t/{token}{INIT_PATH}"))
        assert (await answer_on(reader)).status == 200
        change = Change("session", "gone", True, int(clock.now()) + 60)
        told = Told(part="new", number=1, certain_at=clock.now(), changes=(change,))
        edge.app[keys.REVOCATIONS].take(told)
        writer.write(plain(f"/t/{token}{INIT_PATH}"))
        assert is_plain_refusal(await answer_on(reader))
        writer.write(plain(f"/t/{ended}{INIT_PATH}"))
        assert (await answer_on(reader)).status == 200
        clock.ahead = 700
        writer.write(plain(f"/t/{ended}{INIT_PATH}"))
        assert is_plain_refusal(await answer_on(reader))
        writer.close()


async def test_the_next_token_of_one_viewer_is_never_in_the_answer_of_another(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    """Also where a token whose successor travels in a field stands in the path, as the hot lane likes it."""
    plain_cat = {4: int(time.time()) + 600, 312: {3: {1: "/vod/title/"}}}
    theirs = cat_token({**plain_cat, 323: {0: 2, 1: 600, 2: 100}})
    everything = cat_token(
        {4: int(time.time()) + 600, 323: {0: 2, 1: 600, 2: 100}, 312: {3: {1: "/"}}}
    )
    clock.ahead = 550
    now = int(clock.now())
    mine = mint(issued_at=now, expires_at=now + 600)
    for token in (theirs, everything):
        for path in (INIT_PATH, MASTER_PATH):
            for _ in range(3):
                answer = await raw(edge, plain(f"/t/{token}{path}"))
                assert "CTA-Common-Access-Token" in answer.headers
                assert answer.headers["Cache-Control"] == "private, no-store"
            for _ in range(3):
                answer = await raw(edge, plain(f"/t/{mine}{path}"))
                assert answer.status == 200
                assert "CTA-Common-Access-Token" not in answer.headers


async def test_an_answer_with_a_cookie_is_kept_by_nobody(edge: Attacked, clock: Clock) -> None:
    token = uri_token(cdnistt=1, cdniets=60, cdnistd=2, exp=int(time.time()) + 60)
    for method in ("GET", "HEAD"):
        for path in (MASTER_PATH, INIT_PATH):
            answer = await sent(edge, f"{path}?URISigningPackage={token}", method=method)
            assert answer.headers["Set-Cookie"].startswith("URISigningPackage=")
            assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("prefix", "scope", "depth", "path"),
    [
        ("/vod/title/", "/vod/title/v/1.m4s", 0, "/vod/title/"),
        ("/", "/vod/title/v/1.m4s", 2, "/vod/title"),
        ("/", "/vod/title/v/1.m4s", 9, None),
        ("/", "/vod/t;Domain=example.com/1.m4s", 2, "/vod/"),
        ("/", "/a;b/c;d/1.m4s", 2, "/"),
        ("/vod/a;Max-Age=9/", "/vod/a;Max-Age=9/1.m4s", 0, "/vod/"),
    ],
)
def test_a_path_cannot_add_attributes_to_a_cookie(
    prefix: str, scope: str, depth: int, path: str | None
) -> None:
    renewal = Renewal(carrier="cookie", seconds=60, within=30, depth=depth)
    grant = Grant(
        subject="a",
        session="b",
        not_before=0,
        expires_at=1,
        key_id="k",
        path_prefixes=(prefix,),
        renewal=renewal,
    )
    assert cookie_path(grant, scope) == path


@pytest.mark.parametrize("first", ["segment", "HEAD", "manifest", "licence", "missing"])
async def test_a_token_for_one_session_is_used_by_whatever_comes_first(
    edge: Attacked, mint: Mint, first: str
) -> None:
    token = mint(once=True, token_id=f"one-{first}")
    refused = {
        "another title": ("/vod/other/v/1.m4s", "GET", ""),
        "climbing": ("/vod/title/../other/v/1.m4s", "GET", ""),
        "another origin": ("/nowhere/1.m4s", "GET", ""),
    }
    for path, method, body in refused.values():
        assert (await sent(edge, f"/t/{token}{path}", method=method, body=body)).status >= 400
    kids = '{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"temporary"}'
    path, method, body, status = {
        "segment": (SEGMENT_PATH, "GET", "", 200),
        "HEAD": (SEGMENT_PATH, "HEAD", "", 200),
        "manifest": (MASTER_PATH, "GET", "", 307),
        "licence": ("/vod/title/key/license", "POST", kids, 404),
        "missing": ("/vod/title/none.m4s", "GET", "", 404),
    }[first]
    assert (await sent(edge, f"/t/{token}{path}", method=method, body=body)).status == status
    for again in (SEGMENT_PATH, MASTER_PATH, "/vod/title/key/m1.1"):
        for target, fields in (
            (f"/t/{token}{again}", {}),
            (f"{again}?token={token}", {}),
            (again, {"Authorization": f"Bearer {token}"}),
            (f"http://{HOST}/t/{token}{again}", {}),
        ):
            with causes() as found:
                assert is_plain_refusal(await sent(edge, target, **fields))
            assert found == ["token-used"]


async def test_the_mark_of_one_token_opens_no_other(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    one, two = (mint(once=True, token_id=name, session=name) for name in ("m1", "m2"))
    going_on = (await sent(edge, f"/t/{one}{MASTER_PATH}")).headers["Location"]
    marked = going_on.removeprefix("/t/").partition("/")[0]
    mark = marked.partition("~")[2]
    assert (await sent(edge, f"/t/{marked}{INIT_PATH}")).body == b"init"
    for token in (
        f"{two}~{mark}",
        f"{mint()}~{mark}",
        f"{one}~{mark}~{mark}",
        f"{one}~{mark}A",
        f"{one}~{mark[:-1]}",
        f"{one}~{mark.swapcase()}",
        f"{one}~",
        f"~{mark}",
        f"{one}~{mark}%7E",
    ):
        with causes() as found:
            assert is_plain_refusal(await sent(edge, f"/t/{token}{INIT_PATH}")), token
        assert found == ["token-malformed"]
    assert (await sent(edge, f"/t/{marked}/vod/other/v/1.m4s")).status == 403
    # The mark says that the token was let in, and nothing of how long.
    change = Change("session", "m1", True, int(clock.now()) + 60)
    told = Told(part="new", number=1, certain_at=clock.now(), changes=(change,))
    edge.app[keys.REVOCATIONS].take(told)
    with causes() as found:
        assert is_plain_refusal(await sent(edge, f"/t/{marked}{INIT_PATH}"))
    assert found == ["token-revoked"]
    third = mint(once=True, token_id="m3", session="m3")
    going_on = (await sent(edge, f"/t/{third}{MASTER_PATH}")).headers["Location"]
    clock.ahead = 700
    with causes() as found:
        assert is_plain_refusal(await sent(edge, going_on))
    assert found == ["token-expired"]


async def test_a_used_token_stays_used_when_it_has_ended_and_could_be_renewed(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    """Who was first is not kept for as long as a session may last."""
    token = mint(**renewing(once=True, token_id="late"))
    going_on = (await sent(edge, f"/t/{token}{MASTER_PATH}")).headers["Location"]
    unused = mint(**renewing(once=True, token_id="unused"))
    clock.ahead = HOUR
    for target in (
        f"/t/{token}{MASTER_PATH}",
        f"/t/{unused}{MASTER_PATH}",
        f"/t/{unused}{SEGMENT_PATH}",
    ):
        with causes() as found:
            assert is_plain_refusal(await sent(edge, target))
        assert found == ["token-expired"]
    # Who was let in goes on.
    answer = await sent(edge, going_on)
    assert answer.status == 307
    assert (await sent(edge, answer.headers["Location"])).status == 200


async def test_of_many_who_come_at_once_one_is_first(
    edge: Attacked, mint: Mint, settings: Settings, key_set: KeySet
) -> None:
    """Over two workers of one machine, which share a folder and nothing else."""
    token = mint(once=True, token_id="many")
    async with TestServer(build_app(settings, key_set=key_set)) as server:
        second = Attacked(server.host, server.port or 0, edge.app)
        asked = [(edge, second)[n % 2] for n in range(16)]
        answers = await asyncio.gather(*(sent(one, f"/t/{token}{INIT_PATH}") for one in asked))
    assert Counter(answer.status for answer in answers) == {200: 1, 403: 15}


def test_a_second_signature_over_the_same_token_is_no_second_token(tmp_path: Path) -> None:
    """Of a signature of ECDSA anybody can make another one that is good (SEC 1 section 4.1)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    key_set = KeySet.of({"keys": [new_jwk("ES256", key_id="es")]}, source="test")
    now = int(time.time())
    token = key_set.sign(
        PlaybackClaims(
            subject="a",
            session="b",
            path_prefixes=("/",),
            issued_at=now,
            expires_at=now + 60,
            once=True,
        )
    )
    stem, _, signature = token.rpartition(".")
    made = base64url(signature)
    s = order - int.from_bytes(made[32:], "big")
    twin = f"{stem}.{to_base64url(made[:32] + s.to_bytes(32, 'big'))}"
    tokens = KawaTokens(FixedKeys(key_set))

    names = {name_of(tokens.verify(text, now=now), text) for text in (token, twin)}

    assert twin != token
    assert len(names) == 1


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"networks": ("192.0.2.0/24",)}, "address-not-covered"),
        ({"methods": ("HEAD",)}, "method-not-covered"),
        ({"countries": ("JP",)}, "place-not-covered"),
    ],
)
async def test_a_token_is_exchanged_for_nobody_whom_its_rules_refuse(
    edge: Attacked, mint: Mint, clock: Clock, changes: dict[str, Any], cause: str
) -> None:
    token = mint(**renewing(**changes))
    for ahead in (400, HOUR):
        clock.ahead = ahead
        for path in (MASTER_PATH, SEGMENT_PATH):
            with causes() as found:
                assert is_plain_refusal(await sent(edge, f"/t/{token}{path}"))
            assert found == [cause]


async def test_no_chain_of_tokens_outlives_its_session_or_leaves_its_title(
    edge: Attacked, mint: Mint, clock: Clock
) -> None:
    url = f"/t/{mint(**renewing(1))}{MASTER_PATH}"
    moves = 0
    while clock.ahead < HOUR:
        answer = await sent(edge, url)
        if answer.status == 307:
            url, moves = answer.headers["Location"], moves + 1
            again = await sent(edge, url)
            assert again.status == 200  # and no redirect to itself
        other = url.replace("/vod/title/", "/vod/other/")
        assert is_plain_refusal(await sent(edge, other))
        assert is_plain_refusal(await sent(edge, other.replace("master.m3u8", "v/1.m4s")))
        clock.ahead += 290
    assert moves > 5
    clock.ahead = HOUR + 31
    with causes() as found:
        assert is_plain_refusal(await sent(edge, url))
    assert found == ["token-expired"]


async def test_what_a_token_wants_sent_instead_is_sent_for_good_tokens_alone(
    edge: Attacked, clock: Clock
) -> None:
    fields = {
        "Location": "https://buy.example/",
        "Cache-Control": "public, max-age=86400",
        "Access-Control-Allow-Origin": "https://evil.example",
    }
    token = cat_token({322: {312: [302, fields], 4: [302, fields]}})
    answer = await sent(edge, f"/t/{token}/vod/other/v/1.m4s")
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers.getall("Cache-Control") == ["no-store"]
    assert answer.headers.getall("Access-Control-Allow-Origin") == ["*"]
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
    for bad in (forged, token + "A", f"{token}~AAAA", token[:-8]):
        assert is_plain_refusal(await sent(edge, f"/t/{bad}/vod/other/v/1.m4s"))
    assert (await sent(edge, f"/t/{token}{SEGMENT_PATH}")).body == SEGMENT
    clock.ahead = 700
    assert (await sent(edge, f"/t/{token}{SEGMENT_PATH}")).status == 302
    assert SECRET not in answer.body
