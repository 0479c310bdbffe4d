from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from edge.cache.ads.treated import Behind, Rendition, Version
from edge.manifests.ads.policy import AdPolicy
from tests.manifests.ads.effective import read
from tests.manifests.ads.world.edges import BASE, Edge, Shared, rendition_of
from tests.manifests.ads.world.packager import BEGAN

SECONDS = 6


class Dated:
    """An origin that dates only its content; after a break dates go on, or stand where they were (``still``)."""

    def __init__(self, ads: range, *, still: bool = False) -> None:
        self.ads, self.still = ads, still
        self.now_ms = int(BEGAN.timestamp() * 1000)
        self.edge = Edge(0, Shared(), ("scte35",), lambda: self.now_ms)
        self.leader = b""

    def playlist(self, grid: str, places: range) -> bytes:
        ads, seams = self.ads, (self.ads[0], self.ads[-1] + 1)
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{SECONDS}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{places[0]}")
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{sum(at < places[0] for at in seams)}")
        for place in places:
            lines += ["#EXT-X-DISCONTINUITY"] if place in seams else []
            if place == ads[0] and grid == "v0":
                lines.append(f"#EXT-X-CUE-OUT:{len(ads) * SECONDS}")
            elif place in ads and grid == "v0":
                gone = (place - ads[0]) * SECONDS
                lines.append(f"#EXT-X-CUE-OUT-CONT:{gone}/{len(ads) * SECONDS}")
            elif place == ads[-1] + 1 and grid == "v0":
                lines.append("#EXT-X-CUE-IN")
            if place not in ads:
                shown = place - len(ads) if self.still and place > ads[-1] else place
                date = BEGAN + timedelta(seconds=shown * SECONDS)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat()}")
            lines += [f"#EXTINF:{SECONDS},", f"{grid}/{'ad' if place in ads else 'c'}{place}.ts"]
        return "\n".join([*lines, ""]).encode()

    async def ask(self, _rendition: Rendition, _behind: Behind | None) -> Version | None:
        return Version(rendition=rendition_of("v0"), body=self.leader, base=f"{BASE}v0.m3u8")

    async def told(
        self, leads: Sequence[range], follows: Sequence[range]
    ) -> list[tuple[str, bool]]:
        """All that the follower was told of, and whether as a gap, one version after the other."""
        await self.edge.adopt(["v0", "v1"])
        found: dict[tuple[str, bool], None] = {}
        for ours, theirs in zip(leads, follows, strict=True):
            self.now_ms += SECONDS * 1000
            self.leader = self.playlist("v0", ours)
            await self.edge.treat("v0", self.leader, ask=self.ask)
            told = await self.edge.treat("v1", self.playlist("v1", theirs), ask=self.ask)
            found |= {
                (one.uri.removeprefix("v1/"), one.gap): None for one in read(told.body).segments
            }
        return list(found)


def windows(first: int, last: int, size: int) -> list[range]:
    return [range(at, at + size) for at in range(first, last + 1)]


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("length", [4, 5, 6, 9])
@pytest.mark.parametrize("still", [False, True])
async def test_a_break_without_dates_goes_from_a_rendition_that_comes_later(
    late: int, length: int, *, still: bool
) -> None:
    show = Dated(range(8, 8 + length), still=still)
    told = await show.told(windows(2, 20, 6), windows(2 - late, 20 - late, 6))
    kept = [place for place in range(2 - late, 26 - late) if place not in show.ads]
    assert told == [(f"c{place}.ts", False) for place in kept]


async def test_a_leader_whose_dates_stood_still_before_anybody_asked_places_no_break_by_them() -> (
    None
):
    show = Dated(range(4, 7), still=True)
    told = await show.told(windows(1, 9, 9), windows(1, 9, 9))
    assert [name for name, gap in told if gap] == [f"ad{place}.ts" for place in show.ads]
    assert [name for name, gap in told if not gap] == [
        f"c{place}.ts" for place in range(1, 18) if place not in show.ads
    ]


async def nobody(_rendition: Rendition, _behind: Behind | None) -> Version | None:
    return None


@pytest.mark.parametrize("ads_at", [-1_000_000, None])
async def test_a_break_whose_dates_lead_elsewhere_is_a_gap_by_the_renditions_own_markers(
    ads_at: int | None,
) -> None:
    edge, ads = Edge(0, Shared(), ("scte35",), lambda: 0, policy=AdPolicy.GAP), range(4, 7)

    def playlist(grid: str) -> bytes:
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:6", "#EXT-X-MEDIA-SEQUENCE:1"]
        for place in range(1, 11):
            lines += ["#EXT-X-CUE-OUT:18"] if place == ads[0] else []
            lines += ["#EXT-X-CUE-IN"] if place == ads[-1] + 1 else []
            at = place if place < ads[0] else max(ads[0], place - len(ads))  # they stand still
            if place in ads and ads_at is not None:
                at = ads_at + place
            date = BEGAN + timedelta(seconds=at * 6)
            lines += [f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat()}", "#EXTINF:6,", f"{place}.ts"]
        return "\n".join([*lines, ""]).encode()

    async def ask(_rendition: Rendition, _behind: Behind | None) -> Version | None:
        return Version(rendition=rendition_of("v0"), body=playlist("v0"), base=f"{BASE}v0.m3u8")

    await edge.adopt(["v0", "v1"])
    told = await edge.treat("v1", playlist("v1"), ask=ask)
    gaps = [one.uri for one in read(told.body).segments if one.gap]
    assert gaps == [f"{place}.ts" for place in ads]


async def test_a_clock_that_is_set_right_is_no_origin_that_began_anew() -> None:
    now = [int(BEGAN.timestamp() * 1000)]
    edge = Edge(0, Shared(), ("scte35",), lambda: now[0])
    names: dict[int, str] = {}
    for first in range(2, 12):
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:6", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for place in range(first, first + 6):
            if place % 6 == 0:
                date = BEGAN + timedelta(seconds=6 * place + (60 if place >= 12 else 0))
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat()}")
            lines += ["#EXTINF:6,", f"{place}.ts"]
        now[0] += 6000
        told = await edge.treat("v0", "\n".join([*lines, ""]).encode(), ask=nobody)
        names |= {one.number: one.uri for one in read(told.body).segments}
    assert names == {place: f"{place}.ts" for place in range(2, 17)}
