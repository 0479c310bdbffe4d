from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page

from tests.live.sessions.runs import WAYS, stalled
from tests.live.sessions.stage import COLLECTOR, Stage
from tests.live.sessions.watching import viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What a page is shown of an answer; each field but the plainest is asked for with a preflight.
_FETCH = """async ([url, options]) => {
  const answer = await fetch(url, options);
  await answer.arrayBuffer();
  const field = (name) => answer.headers.get(name);
  return { status: answer.status, static: field("CMSD-Static"), dynamic: field("CMSD-Dynamic") };
}"""


async def test_a_page_of_another_site_may_say_and_read_all_of_it(own: Stage, page: Page) -> None:
    watcher = await viewer(own, page, "none", "film-1")
    asked: list[str] = []

    async def fetched(path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = await page.evaluate(
            _FETCH, [f"{watcher.base}/{path}", {"cache": "no-store", **options}]
        )
        return found

    page.on("request", lambda request: asked.append(request.method))
    assert not own.site.startswith(own.edge)
    plain = await fetched("master.m3u8")
    assert plain["static"] == 'n="edge-1",ot=m,sf=h'
    assert plain["dynamic"] is None

    for first in (True, False):  # from the origin, and from the edge's memory
        in_query = await fetched("chunk-stream0-00001.m4s?CMCD=bl%3D1000%2Cot%3Dv")
        assert in_query["status"] == 200
        assert re.match(r'"edge-1";etp=\d+;rtt=\d+', in_query["dynamic"]), first
    in_fields = await fetched(
        "chunk-stream0-00002.m4s", headers={"CMCD-Request": "bl=2000", "CMCD-Object": "ot=v"}
    )
    assert in_fields["status"] == 200
    assert in_fields["dynamic"].startswith('"edge-1";')
    posted = await fetched(
        COLLECTOR,
        method="POST",
        headers={"Content-Type": "application/cmcd"},
        body="e=ps,sn=0,sta=s,ts=1000,v=2\ne=ps,sn=1,sta=p,ts=1400,v=2",
    )
    assert posted["status"] == 204

    seen = await own.told("film-1", lambda one: one.counted.requests == 4)
    assert seen.counted.requests == 4  # no preflight, and no post
    assert seen.quality.buffer_ms == 2000
    assert (seen.quality.reports, seen.quality.startup_ms) == (2, 400)


@pytest.mark.parametrize("name", ["shaka-hls-v2-query", "shaka-mpd-v1-query"])
async def test_a_player_that_stalled_takes_what_the_edge_suggests(
    own: Stage, page: Page, name: str
) -> None:
    way = WAYS[name]
    watcher = await viewer(own, page, way.engine, name)
    # It loads little ahead, so that it asks again after it was advised.
    await watcher.start(way.engine, way.manifest, way.cmcd(watcher.base), goal=2)
    await stalled(own, watcher, name)
    state = await own.told(name, lambda one: one.quality.stalls > 0)
    assert state.quality.stalls == 1
    await watcher.until("watch.rate() === 600")

    suggested = await page.evaluate(_FETCH, [f"{watcher.base}/master.m3u8?CMCD=ot%3Dm", {}])
    assert ";mb=930" in suggested["dynamic"]
