from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from edge.cache.ads import tracker as tracking
from edge.cache.ads.groups import Groups, Membership
from edge.cache.ads.store import MemoryStore, Store
from edge.cache.ads.tracker import Tracker
from edge.cache.ads.treated import Behind, Rendition, Version
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.treated import Treated
from tests.manifests.ads.playlists import media, shipped

NOW_MS = 1_790_000_000_000
STRIP = Treatment(policy=AdPolicy.STRIP, rules=("scte35",))


def an_edge(store: Store) -> Tracker:
    return Tracker(store, Groups(store), rules_of=lambda _: shipped("scte35"), clock=lambda: NOW_MS)


def live(first: int, *lines: str, discontinuities: int = 0) -> bytes:
    return media(
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}",
        *lines,
    )


async def nobody(rendition: Rendition, behind: Behind | None) -> Version | None:
    return None


async def treated(edge: Tracker, rendition: Rendition, body: bytes) -> Treated:
    return await edge.treat(Version(rendition=rendition, body=body), STRIP, ask=nobody)


@pytest.mark.parametrize(("first", "discontinuities"), [(2**63, 0), (2**64 - 9, 0), (7, 2**63)])
async def test_numbers_for_which_records_have_no_room_become_gaps(
    first: int, discontinuities: int
) -> None:
    edge, rendition = an_edge(MemoryStore()), Rendition("cdn", "v.m3u8")
    for step, lines in enumerate([("4", "4", "4"), ("4", "4", "#EXT-X-CUE-OUT:20", "4")]):
        body = live(first + step, *lines, discontinuities=discontinuities)
        given = (await treated(edge, rendition, body)).body
        assert f"#EXT-X-MEDIA-SEQUENCE:{first + step}\n".encode() in given
        assert given.count(b"#EXT-X-GAP") == step


async def test_two_edges_agree_on_a_rendition_with_a_long_query() -> None:
    store, rendition = MemoryStore(), Rendition("cdn", "v.m3u8", "sig=" + "x" * 6000)
    one, other = an_edge(store), an_edge(store)
    await treated(one, rendition, live(7, "4", "4", "4"))
    mine = await treated(
        one, rendition, live(8, "4", "4", "#EXT-X-CUE-OUT:4", "4", "#EXT-X-CUE-IN", "4")
    )
    theirs = await treated(
        other, rendition, live(8, "4", "4", "#EXT-X-CUE-OUT:4", "4", "#EXT-X-CUE-IN", "4")
    )

    assert mine.removed == 1
    assert theirs.body == mine.body


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "null",
        "[" * 100_000,
        '["m","o","a"]',
        '["m","o",1,""]',
        f'["m","o","{"a" * 5000}",""]',
    ],
)
async def test_a_membership_that_nobody_can_read_is_none(text: str) -> None:
    class Odd(MemoryStore):
        async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
            return dict.fromkeys(texts, text)

        async def noted(self, key: str) -> str | None:
            return text

    rendition = Rendition("cdn", "v.m3u8")
    assert Membership.from_text(text) is None
    assert (await Groups(Odd()).of(rendition)).master == ""
    groups = Groups(Odd())
    await groups.adopt(Rendition("cdn", "m.m3u8"), [rendition])
    assert (await groups.of(rendition)).master == "m.m3u8"


async def test_a_leader_that_every_edge_could_not_read_again_leads_nobody() -> None:
    store, child = MemoryStore(), Rendition("cdn", "a.m3u8")
    groups = Groups(store)
    await groups.adopt(Rendition("cdn", "m.m3u8"), [Rendition("cdn", "v" * 5000), child])

    assert (await groups.of(child)).master == ""
    assert (await Groups(store).of(child)).master == ""


async def test_a_leader_that_never_answers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracking, "_ANSWER_SECONDS", 0.05)
    edge, child = an_edge(MemoryStore()), Rendition("cdn", "a.m3u8")
    await edge.adopt(Rendition("cdn", "m.m3u8"), [Rendition("cdn", "v.m3u8"), child])

    async def never(rendition: Rendition, behind: Behind | None) -> Version | None:
        await asyncio.Event().wait()
        return None

    async with asyncio.timeout(5):
        for policy in (AdPolicy.STRIP, AdPolicy.GAP):
            treatment = Treatment(policy=policy, rules=("scte35",))
            version = Version(rendition=child, body=live(7, "4", "#EXT-X-CUE-OUT:4", "4"))
            given = await edge.treat(version, treatment, ask=never)
            assert given.body.count(b"#EXT-X-GAP") == 1


async def test_a_stream_that_goes_on_behind_its_end_is_not_ended_by_what_is_held() -> None:
    edge, rendition = an_edge(MemoryStore()), Rendition("cdn", "v.m3u8")
    opened = "#EXT-X-CUE-OUT:60"
    versions = [
        live(10, "4", "4", "4"),
        live(11, "4", "4", "4", "#EXT-X-ENDLIST"),
        live(12, "4", "4", opened, "4", "4"),
        live(14, opened, "4", "4", "4"),
    ]
    ended = [b"#EXT-X-ENDLIST" in (await treated(edge, rendition, one)).body for one in versions]

    assert ended == [False, True, False, False]
