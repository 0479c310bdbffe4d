from __future__ import annotations

from functools import partial

import pytest
from playwright.async_api import Page

from tests.player.edge import REFUSALS, TOKEN, Edge
from tests.player.watching import shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = {
    "https://example.com/t/a.b.c/vod/x": "other-origin",
    "//example.com/t/a.b.c/vod/x": "other-origin",
    "\\\\example.com/x.m3u8": "other-origin",
    "javascript:alert(1)//x.m3u8": "bad-link",
    "data:application/vnd.apple.mpegurl,x.m3u8": "bad-link",
    "/": "bad-link",
}


def always(code: str, _path: str) -> str:
    return code


async def test_every_refusal_is_explained_in_words_of_its_own(edge: Edge, page: Page) -> None:
    edge.refuse = lambda _path: "draining"
    await page.goto(edge.url())
    await until(page, "kawa.error")
    titles: set[str] = set()

    for code, status in REFUSALS.items():
        edge.refuse = partial(always, code)
        await page.click("#again")
        error = await until(page, f"kawa.error?.code === '{code}' && kawa.error")

        assert error == {"code": code, "status": status}
        text = await shown(page)
        assert f"{code} · {status}" in text
        assert TOKEN not in text
        words = [await page.inner_text(f"#problem-{part}") for part in ("title", "why", "next")]
        assert all(len(one) > 10 for one in words)
        # Written for this code; not the server's sentence.
        assert not any(code in one or "refused" in one for one in words)
        titles.add(words[0])

    assert len(titles) == len(REFUSALS)


async def test_an_unknown_refusal_shows_the_servers_words_without_the_token(
    edge: Edge, page: Page
) -> None:
    edge.refuse = lambda _path: "out-of-tea"

    await page.goto(edge.url())
    error = await until(page, "kawa.error")

    text = await shown(page)
    assert error == {"code": "out-of-tea", "status": 429}
    assert "refused out-of-tea for /t/…/vod/demo/a1" in text
    assert TOKEN not in text


async def test_try_again_plays_when_the_reason_is_gone(edge: Edge, page: Page) -> None:
    edge.refuse = lambda _path: "draining"
    await page.goto(edge.url())
    await until(page, "kawa.error")

    edge.refuse = lambda _path: None
    await page.click("#again")

    await until_playing(page, seconds=0.2)
    assert await page.evaluate("kawa.error") is None
    assert await page.locator("#problem").is_hidden()


@pytest.mark.parametrize("engine", ["hls", "dash", "shaka"])
async def test_a_token_that_ends_while_playing_is_named(
    edge: Edge, page: Page, engine: str
) -> None:
    edge.refuse = lambda path: "not-allowed" if path.endswith("-00003.m4s") else None

    await page.goto(edge.url(engine=engine))
    error = await until(page, "kawa.error")

    assert error == {"code": "not-allowed", "status": 403}


@pytest.mark.parametrize("engine", ["hls", "dash", "shaka"])
async def test_damaged_media_is_told_from_a_refusal(edge: Edge, page: Page, engine: str) -> None:
    edge.spoil = lambda path: path.endswith(("/init-stream0.m4s", "/init-stream1.m4s"))

    await page.goto(edge.url(engine=engine))
    error = await until(page, "kawa.error")

    assert error["code"] in {"media-decode", "media-unsupported"}
    assert error["status"] == 0


async def test_a_page_instead_of_a_manifest_is_not_played(edge: Edge, page: Page) -> None:
    edge.spoil = lambda path: path.endswith("master.m3u8")

    await page.goto(edge.url())
    error = await until(page, "kawa.error")

    assert error == {"code": "not-a-manifest", "status": 200}


async def test_a_broken_connection_is_a_network_failure(edge: Edge, page: Page) -> None:
    await page.route("**/master.m3u8", lambda route: route.abort())

    await page.goto(edge.url())
    error = await until(page, "kawa.error")

    assert error == {"code": "network", "status": 0}


async def test_playing_starts_by_itself_when_the_network_comes_back(edge: Edge, page: Page) -> None:
    await page.goto(f"{edge.origin}/player/")
    await until(page, "kawa.state === 'idle'")
    await page.context.set_offline(True)
    await page.evaluate("(fragment) => { location.hash = fragment; }", f"/t/{TOKEN}/vod/demo/a1")
    assert await until(page, "kawa.error") == {"code": "offline", "status": 0}

    await page.context.set_offline(False)

    await until_playing(page, seconds=0.2)


async def test_a_hostile_fragment_makes_no_request(edge: Edge, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(edge.url("/"))

    for fragment, code in HOSTILE.items():
        await page.evaluate("(fragment) => { location.hash = fragment; }", fragment)

        error = await until(page, f"kawa.error?.code === '{code}' && kawa.error")
        assert error == {"code": code, "status": 0}
        assert await page.locator("#again").is_hidden()
        # Something harmless between two of them, so that each has to be noticed.
        await page.evaluate("location.hash = ''")
        await until(page, "kawa.state === 'idle'")

    own = (f"{edge.origin}/player/", "data:image/")
    assert [url for url in requests if not url.startswith(own)] == []
