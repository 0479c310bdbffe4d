from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import REGISTRY

from config.contracts.tokens import Renew
from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.tokens.revocation.register import Change
from edge.tokens.revocation.revocations import Told
from tests.edge.client import MASTER, SEGMENT, Client
from tests.edge.refusals import causes
from tests.edge.tokens.clock import Clock

Mint = Callable[..., str]
MASTER_PATH = "/vod/title/master.m3u8"
SEGMENT_PATH = "/vod/title/v/1.m4s"
HOUR = 3600


@pytest.fixture
async def edge(
    settings: Settings, title: Path, key_set: KeySet, clock: Clock
) -> AsyncIterator[TestServer]:
    app = build_app(settings, key_set=key_set)
    app[keys.CLOCK] = clock.now
    server = TestServer(app)
    async with server:
        yield server


def renewed(result: str) -> float:
    return REGISTRY.get_sample_value("edge_tokens_renewed_total", {"result": result}) or 0.0


def for_hours(hours: float, **changes: Any) -> dict[str, Any]:
    renew = Renew(seconds=600, until=int(time.time() + hours * HOUR))
    return {"renew": renew, "token_id": "first", **changes}


async def test_a_young_token_is_not_renewed(client: Client, mint: Mint) -> None:
    token = mint(**for_hours(6))

    assert (await client.ask(f"/t/{token}{MASTER_PATH}"))[2] == MASTER


async def test_a_live_viewer_plays_for_hours_on_tokens_of_ten_minutes(
    client: Client, mint: Mint, clock: Clock
) -> None:
    url, moves = f"/t/{mint(**for_hours(6))}{MASTER_PATH}", 0
    while clock.ahead < 5.9 * HOUR:
        status, headers, body = await client.ask(url)
        if status == 307:
            assert headers["Cache-Control"] == "no-store"
            url, moves = headers["Location"], moves + 1
            status, headers, body = await client.ask(url)
        assert (status, body) == (200, MASTER)
        clock.ahead += 120

    assert 5.9 * 6 <= moves <= 5.9 * 12
    clock.ahead = 6 * HOUR + 60
    assert (await client.ask(url))[0] == 403


async def test_a_player_that_forgets_where_it_was_sent_is_sent_there_each_time_and_one_token_is_made(
    client: Client, mint: Mint, clock: Clock
) -> None:
    old = mint(**for_hours(6))
    clock.ahead = 400
    before = renewed("ok")

    locations = {(await client.ask(f"/t/{old}{MASTER_PATH}"))[1]["Location"] for _ in range(5)}

    assert len(locations) == 1
    assert renewed("ok") - before == 1


async def test_segments_take_the_old_token_until_it_ends_and_then_lead_to_the_new_one(
    client: Client, mint: Mint, clock: Clock
) -> None:
    url = f"/t/{mint(**for_hours(6))}{SEGMENT_PATH}?v=1"
    clock.ahead = 590
    assert (await client.ask(url))[2] == SEGMENT
    clock.ahead = HOUR  # a viewer of a film who was at dinner
    status, headers, _ = await client.ask(url, Range="bytes=0-9")

    assert status == 307
    assert headers["Location"].endswith(f"{SEGMENT_PATH}?v=1")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert (await client.ask(headers["Location"], Range="bytes=0-9"))[2] == SEGMENT[:10]


async def test_who_is_revoked_is_not_renewed_whenever_the_token_at_hand_was_made(
    client: Client, edge: TestServer, mint: Mint, clock: Clock
) -> None:
    old = mint(**for_hours(6))
    clock.ahead = 700
    _, headers, _ = await client.ask(f"/t/{old}{MASTER_PATH}")
    clock.ahead = 1000
    # All that this viewer had before now: also what was made of it since.
    change = Change("session", "session-1", True, int(clock.now()) - 400)
    told = Told(part="new", number=1, certain_at=clock.now(), changes=(change,))
    edge.app[keys.REVOCATIONS].take(told)

    for url in (f"/t/{old}{MASTER_PATH}", headers["Location"]):
        with causes() as found:
            assert (await client.ask(url))[0] == 403
        assert found == ["token-revoked"]


async def test_an_ended_token_opens_nothing_of_another_title(
    client: Client, mint: Mint, clock: Clock
) -> None:
    token = mint(**for_hours(6))
    clock.ahead = HOUR

    assert (await client.ask(f"/t/{token}/vod/other/master.m3u8"))[0] == 403


async def test_a_token_without_renewal_ends(client: Client, mint: Mint, clock: Clock) -> None:
    token = mint()
    clock.ahead = 700

    assert (await client.ask(f"/t/{token}{MASTER_PATH}"))[0] == 403


async def test_the_filter_and_the_query_of_a_moved_viewer_stay(
    client: Client, mint: Mint, clock: Clock
) -> None:
    token = mint(**for_hours(6))
    clock.ahead = 400
    rest = "/f/height:-720/vod/title/master.m3u8?f.fps=-30&_HLS_skip=YES&x=%20"

    _, headers, _ = await client.ask(f"/t/{token}{rest}")

    assert headers["Location"].partition("/f/")[2] == rest.partition("/f/")[2]


async def test_a_query_token_that_is_due_moves_to_the_path_form_of_the_next(
    client: Client, mint: Mint, clock: Clock
) -> None:
    token = mint(**for_hours(6))
    clock.ahead = HOUR

    for path in (MASTER_PATH, SEGMENT_PATH):
        status, headers, _ = await client.ask(f"{path}?token={token}&a=b")
        assert status in (302, 307)
        assert token not in headers["Location"]
        assert headers["Location"].endswith(f"{path}?a=b")
        assert (await client.ask(headers["Location"]))[0] == 200


async def test_an_ended_token_in_a_cookie_leads_to_the_path_form_of_the_next(
    client: Client, mint: Mint, clock: Clock
) -> None:
    token = mint(**for_hours(6))
    clock.ahead = 700

    status, headers, _ = await client.ask(SEGMENT_PATH, Cookie=f"kawa_token={token}")

    assert status == 307
    assert (await client.ask(headers["Location"]))[2] == SEGMENT


class TestByCookie:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        edge = settings.edge.model_copy(
            update={
                "entry": "cookie",
                "public_url": "https://edge.example",
                "page_origins": ("https://page.example",),
            }
        )
        return settings.model_copy(update={"edge": edge})

    async def test_an_entry_sets_a_cookie_for_the_title_alone(
        self, client: Client, mint: Mint
    ) -> None:
        token = mint()
        status, headers, body = await client.ask(
            f"{MASTER_PATH}?token={token}", Origin="https://page.example"
        )

        assert (status, body) == (200, MASTER)
        cookie = headers["Set-Cookie"]
        assert cookie.startswith(f"kawa_token={token}; ")
        said = set(cookie.split("; ")[1:])
        assert {"Path=/vod/title/", "HttpOnly", "Secure", "SameSite=None", "Partitioned"} <= said
        assert headers["Cache-Control"] == "private, no-store"
        assert headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert headers["Access-Control-Allow-Credentials"] == "true"
        found = await client.ask(SEGMENT_PATH, Cookie=cookie.partition(";")[0])
        assert (found[0], found[2]) == (200, SEGMENT)

    async def test_other_pages_may_not_send_cookies(self, client: Client, mint: Mint) -> None:
        _, headers, _ = await client.ask(
            f"{MASTER_PATH}?token={mint()}", Origin="https://other.example"
        )

        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers

    async def test_a_cookie_that_is_due_is_followed_by_the_next(
        self, client: Client, mint: Mint, clock: Clock
    ) -> None:
        token = mint(**for_hours(6))
        clock.ahead = 700
        status, headers, body = await client.ask(SEGMENT_PATH, Cookie=f"kawa_token={token}")

        assert (status, body) == (200, SEGMENT)
        following = headers["Set-Cookie"].partition(";")[0]
        assert token not in following
        clock.ahead = 900
        assert (await client.ask(SEGMENT_PATH, Cookie=following))[0] == 200


async def test_a_token_for_one_session_opens_it_once(client: Client, mint: Mint) -> None:
    token = mint(once=True, token_id="one")

    status, headers, _ = await client.ask(f"/t/{token}{MASTER_PATH}")
    again = await client.ask(f"/t/{token}{MASTER_PATH}")

    assert status == 307
    assert again[0] == 403
    going_on = headers["Location"]
    assert (await client.ask(going_on))[2] == MASTER
    assert (await client.ask(going_on.replace("master.m3u8", "v/1.m4s")))[2] == SEGMENT
    assert (await client.ask(going_on.replace("title", "other")))[0] == 403


@pytest.mark.parametrize("mark", ["~", "~AAAAAAAAAAAAAAAAAAAAAA", "~~", "~%C3%A9"])
async def test_a_mark_that_is_not_the_edges_admits_nobody(
    client: Client, mint: Mint, mark: str
) -> None:
    token = mint(once=True, token_id=f"mark-{mark}")

    assert (await client.ask(f"/t/{token}{mark}{MASTER_PATH}"))[0] == 403


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({"methods": ("GET",)}, True),
        ({"methods": ("HEAD",)}, False),
        ({"networks": ("127.0.0.0/8",)}, True),
        ({"networks": ("192.0.2.0/24", "2001:db8::/32")}, False),
        ({"countries": ("JP",)}, False),
    ],
)
async def test_rules_hold_for_every_request(
    client: Client, mint: Mint, claims: dict[str, Any], allowed: bool
) -> None:
    token = mint(**claims)

    for path in (MASTER_PATH, SEGMENT_PATH, SEGMENT_PATH):
        assert ((await client.ask(f"/t/{token}{path}"))[0] == 200) is allowed


@pytest.mark.parametrize(
    "path",
    [
        f"{MASTER_PATH}?URISigningPackage={{}}",
        f"{MASTER_PATH};URISigningPackage={{}}",
        f"/vod;URISigningPackage={{}}{MASTER_PATH.removeprefix('/vod')}",
        f"{MASTER_PATH}?CTA-Common-Access-Token={{}}",
    ],
)
async def test_the_places_of_other_schemes_lead_to_the_path_form(
    client: Client, mint: Mint, path: str
) -> None:
    token = mint()
    status, headers, _ = await client.ask(path.format(token))

    assert (status, headers["Location"]) == (302, f"/t/{token}{MASTER_PATH}")
