from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from lxml import etree

from tests.live.clocks import ManualClock
from tests.live.playlists import PERIOD_SECONDS
from tests.live.stage import Stage
from tests.manifests.dash_patcher import apply_patch

pytestmark = pytest.mark.asyncio(loop_scope="session")

MPD = "/one/dash/live.mpd"
SMALL = "height:..200"


def canonical(document: bytes) -> bytes:
    """The document without what is between its elements."""
    root = etree.fromstring(document)
    for element in root.iter():
        element.text = (element.text or "").strip() or None
        element.tail = None
    return etree.tostring(root, method="c14n")


def patch_location(document: bytes) -> str:
    (found,) = etree.fromstring(document).iterfind("{*}PatchLocation")
    assert found.text is not None
    return found.text


def periods(document: bytes) -> list[str | None]:
    return [period.get("id") for period in etree.fromstring(document).iterfind("{*}Period")]


async def test_a_filtered_mpd_leads_to_both_hosts_through_the_edge(held: Stage) -> None:
    path = held.path(MPD, filter_=SMALL)
    body = await held.get(path)
    assert b"127.0.0.1" not in body
    assert periods(body) == ["p0", "p1"]
    assert re.findall(rb'height="(\d+)"', body) == [b"180", b"180"]
    prefix = held.path("", filter_=SMALL)
    root = etree.fromstring(body)
    base = held.child(path, root.findtext("{*}BaseURL") or "")
    assert base == f"{prefix}/two/dash/"
    clock = root.find("{*}UTCTiming")
    assert clock is not None
    where = held.child(path, clock.get("value", ""))
    assert where == f"{prefix}/one/clock"
    assert (await held.get(where)).endswith(b"Z")


@pytest.mark.parametrize("filter_", ["", SMALL], ids=["all", "small"])
async def test_each_patch_turns_the_last_document_into_the_next(
    held: Stage, clock: ManualClock, filter_: str
) -> None:
    path = held.path(MPD, filter_=filter_)
    document = await held.get(path)
    seen = {tuple(periods(document))}
    for _ in range(PERIOD_SECONDS + 1):
        clock.advance(1)
        where = held.child(path, patch_location(document))
        assert where.startswith(path + "?")
        patch = await held.get(where)
        assert len(patch) < len(document)
        patched = apply_patch(document, patch)
        document = await held.get(path)
        assert canonical(patched) == canonical(document)
        seen.add(tuple(periods(document)))
    assert {("p0", "p1"), ("p0", "p1", "p2"), ("p1", "p2")} <= seen


@pytest.mark.parametrize("known", ["2020-01-01T00:00:00Z", "never", "%3Cx%3E"])
async def test_a_patch_for_an_unknown_document_is_gone(held: Stage, known: str) -> None:
    path = held.path(MPD)
    own = patch_location(await held.get(path))
    name = own.partition("?")[2].partition("=")[0]

    status, _, body = await held.client.ask(f"{path}?{name}={quote(known, safe='%:')}")

    assert (status, json.loads(body)["error"]) == (410, "patch-gone")


async def test_a_live_mpd_never_goes_back(held: Stage, clock: ManualClock) -> None:
    path = held.path(MPD, filter_=SMALL)
    published = []
    for step in range(12):
        clock.advance(0.7)
        held.origin.lag = 2.5 if step % 3 == 2 else 0  # as if a slower node had answered
        published.append(etree.fromstring(await held.get(path)).get("publishTime") or "")
    assert published == sorted(published)
    assert len(set(published)) > 4
