from __future__ import annotations

from datetime import timedelta

import pytest

from edge.cache.ads.treated import Behind, Rendition, Version
from edge.manifests.ads.treated import Treated
from tests.manifests.ads.effective import read
from tests.manifests.ads.world.edges import BASE, Edge, Shared, rendition_of
from tests.manifests.ads.world.packager import BEGAN
from tests.manifests.ads.world.player import reports_in

SECONDS = 6
BREAK = range(10, 20)


def playlist(
    grid: str,
    places: range,
    *,
    run: int = 0,
    first: int = 0,
    tail: str = "",
    seams: tuple[int, ...] = (),
) -> bytes:
    """Places of the show, of which some are a break; ``first`` is the number of place 0.

    ``seams``: where the origin has a DISCONTINUITY, which it drops as soon as nothing listed is before it.
    """
    lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{SECONDS}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first + places[0]}")
    if seams:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{sum(at <= places[0] for at in seams)}")
    for place in places:
        ad = place in BREAK
        if place in seams and place > places[0]:
            lines.append("#EXT-X-DISCONTINUITY")
        if grid == "v0" and place == BREAK[0]:
            lines.append(f"#EXT-X-CUE-OUT:{len(BREAK) * SECONDS}")
        elif grid == "v0" and ad:
            gone = (place - BREAK[0]) * SECONDS
            lines.append(f"#EXT-X-CUE-OUT-CONT:ElapsedTime={gone},Duration={len(BREAK) * SECONDS}")
        elif grid == "v0" and place == BREAK[-1] + 1:
            lines.append("#EXT-X-CUE-IN")
        date = BEGAN + timedelta(hours=run, seconds=place * SECONDS)
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat()}")
        lines += [f"#EXTINF:{SECONDS},", f"{grid}/{run}/{'ad' if ad else 'c'}{place}.ts"]
    return "\n".join([*lines, *([tail] if tail else []), ""]).encode()


class Two:
    """Two edges, and an origin whose leading rendition the test sets."""

    def __init__(self) -> None:
        self.now_ms = int(BEGAN.timestamp() * 1000)
        self.shared = Shared()
        self.edges = [Edge(name, self.shared, ("scte35",), lambda: self.now_ms) for name in (0, 1)]
        self.leader = b""

    async def open(self) -> None:
        for edge in self.edges:
            await edge.adopt(["v0", "v1", "a0"])

    async def ask(self, _rendition: Rendition, _behind: Behind | None) -> Version | None:
        return Version(rendition=rendition_of("v0"), body=self.leader, base=f"{BASE}v0.m3u8")

    async def treat(self, edge: int, grid: str, body: bytes) -> Treated:
        if grid == "v0":
            self.leader = body
        return await self.edges[edge].treat(grid, body, ask=self.ask)


def listed(treated: Treated) -> list[str]:
    return [segment.uri for segment in read(treated.body).segments if not segment.gap]


def late(body: bytes) -> bytes:
    """The same, before its markers have come."""
    return b"".join(line for line in body.splitlines(keepends=True) if b"-CUE-" not in line)


def counted(treated: Treated) -> dict[int, int]:
    """The discontinuity number of each place that is listed."""
    found = {}
    for segment in read(treated.body).segments:
        name = segment.uri.rpartition("/")[2].removesuffix(".ts")
        found[int(name.lstrip("acd"))] = segment.discontinuity
    return found


async def test_where_all_but_the_undecided_end_is_a_break_a_rendition_without_markers_lists_none() -> (
    None
):
    two = Two()
    await two.open()
    await two.treat(0, "v0", playlist("v0", range(2, 10)))
    await two.treat(0, "a0", playlist("a0", range(2, 10)))
    two.leader = playlist("v0", range(10, 18))
    told = await two.treat(1, "a0", playlist("a0", range(11, 19)))
    assert listed(told) == []
    assert read(told.body).segments
    assert told.is_early


async def test_what_was_told_before_the_origin_began_anew_is_not_told_again_by_another_edge() -> (
    None
):
    two = Two()
    await two.open()
    for edge in (0, 1):
        await two.treat(edge, "v0", playlist("v0", range(2, 10), first=1000))
    two.now_ms += 3_600_000
    before = await two.treat(0, "v0", playlist("v0", range(6, 10), run=1))
    told = await two.treat(1, "v0", playlist("v0", range(12, 18), run=1))
    assert not [uri for uri in listed(told) if uri.startswith("v0/0/")]
    assert read(told.body).sequence >= read(before.body).sequence


async def test_nothing_is_reported_of_a_rendition_that_nobody_has_asked_for_since_the_origin_began_anew() -> (
    None
):
    two = Two()
    await two.open()
    for places in (range(2, 9), range(8, 18), range(17, 29)):
        await two.treat(0, "v0", playlist("v0", places))
        await two.treat(0, "a0", playlist("a0", places))
    two.now_ms += 3_600_000
    tail = '#EXT-X-RENDITION-REPORT:URI="a0.m3u8",LAST-MSN=4'
    told = await two.treat(0, "v0", playlist("v0", range(2, 5), run=1, tail=tail))
    assert reports_in(told.body) == []


async def test_a_report_in_a_playlist_that_is_held_says_how_far_the_other_has_come_by_now() -> None:
    two = Two()
    await two.open()
    tail = '#EXT-X-RENDITION-REPORT:URI="v0.m3u8",LAST-MSN={}'
    await two.treat(0, "v0", playlist("v0", range(2, 10)))
    first = await two.treat(0, "a0", playlist("a0", range(2, 10), tail=tail.format(6)))
    assert [report[1] for report in reports_in(first.body)] == [6]
    two.leader = playlist("v0", range(10, 18))
    held = await two.treat(0, "a0", playlist("a0", range(10, 18), tail=tail.format(17)))
    assert held.is_held
    assert [report[1] for report in reports_in(held.body)] == [9]


async def test_a_break_that_goes_on_is_seen_though_nothing_has_closed_the_one_before_it() -> None:
    def body(total: int) -> bytes:
        tags = {2: "#EXT-X-CUE-OUT:12", 3: "#EXT-X-CUE-OUT-CONT:ElapsedTime=6,Duration=12"}
        tags[10] = "#EXT-X-CUE-OUT-CONT:ElapsedTime=6,Duration=18"  # its CUE-OUT is lost
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{SECONDS}", "#EXT-X-MEDIA-SEQUENCE:0"]
        for place in range(total + 1):
            lines += [tags[place]] if place in tags else []
            lines += [f"#EXTINF:{SECONDS},", f"{place}.ts"] if place < total else []
        return "\n".join([*lines, ""]).encode()

    two = Two()
    await two.open()
    await two.treat(0, "v0", body(9))
    for total in (10, 11, 12, 14):
        told = await two.treat(0, "v0", body(total))
        content = [0, 1, 4, 5, 6, 7, 8, 9, 12, 13]
        assert listed(told) == [f"{place}.ts" for place in content if place < total]


@pytest.mark.parametrize("knows_groups", [False, True])
async def test_numbers_of_an_edge_that_knows_nothing_and_can_ask_nobody_go_back_for_no_older_version(
    knows_groups: bool,
) -> None:
    two = Two()
    if knows_groups:
        await two.open()
    two.edges[0].cut()
    await two.open()
    newer = await two.treat(0, "v0", playlist("v0", range(3, 14)))
    older = await two.treat(0, "v0", playlist("v0", range(2, 13)))
    assert read(older.body).sequence == read(newer.body).sequence == 3
    assert listed(older) == listed(newer)
    anew = await two.treat(0, "v0", playlist("v0", range(2, 9), run=1))
    assert listed(anew)[0] == "v0/1/c2.ts"


async def test_what_an_edge_told_before_redis_was_emptied_holds_when_another_has_written_since() -> (
    None
):
    two = Two()
    await two.open()
    for edge in (0, 1):
        await two.treat(edge, "v0", playlist("v0", range(1, 9)))
    before = await two.treat(0, "v0", playlist("v0", range(3, 11)))
    era = await two.shared.era()
    two.shared.empty()
    await two.treat(1, "v0", playlist("v0", range(2, 10)))
    assert await two.shared.era() != era
    told = await two.treat(0, "v0", playlist("v0", range(1, 9)))
    assert read(told.body).sequence >= read(before.body).sequence == 3


async def test_a_break_that_one_edge_removed_stays_away_when_another_that_had_listed_it_adds_what_it_knows() -> (
    None
):
    two = Two()
    await two.open()
    for edge in (0, 1):
        await two.treat(edge, "v0", playlist("v0", range(1, 10)))
    told = await two.treat(1, "v0", late(playlist("v0", range(4, 12))))
    assert listed(told)[-2:] == ["v0/0/ad10.ts", "v0/0/ad11.ts"]
    two.shared.empty()
    for places in (range(6, 14), range(12, 22)):
        told = await two.treat(0, "v0", playlist("v0", places))
    assert listed(told) == ["v0/0/c20.ts", "v0/0/c21.ts"]
    # Numbers move forward by what the other edge had listed; the break is in its window, and in no record any more.
    older = await two.treat(1, "v0", playlist("v0", range(13, 21)))
    assert listed(older) == ["v0/0/c20.ts"]
    assert read(older.body).sequence == 12


async def test_renditions_count_alike_again_where_two_edges_had_decided_differently_upon_a_late_marker() -> (
    None
):
    def body(grid: str, places: range) -> bytes:
        return playlist(grid, places, seams=(10, 20))

    two = Two()
    await two.open()
    two.leader = body("v0", range(1, 10))
    await two.treat(0, "v1", body("v1", range(1, 10)))
    two.leader = late(body("v0", range(3, 12)))
    told = await two.treat(1, "v1", body("v1", range(3, 12)))
    assert listed(told)[-2:] == ["v1/0/ad10.ts", "v1/0/ad11.ts"]
    two.shared.empty()
    await two.treat(0, "v0", body("v0", range(5, 15)))
    before = await two.treat(1, "a0", body("a0", range(6, 15)))
    two.leader = body("v0", range(12, 22))
    numbers = []
    for edge, grid in ((0, "a0"), (1, "v1"), (0, "v1"), (0, "v0"), (1, "a0"), (1, "v0")):
        told = await two.treat(edge, grid, body(grid, range(12, 22)))
        numbers.append(counted(told))
    # The first one was told of it before the one that is ahead had been heard of.
    assert len({tuple(found.items()) for found in numbers[1:]}) == 1
    assert numbers[-1].keys() == {20, 21}
    assert numbers[-1][20] > max(counted(before).values())
    two.leader = body("v0", range(13, 23))
    for edge, grid in ((0, "a0"), (1, "v1"), (0, "v0")):
        told = await two.treat(edge, grid, body(grid, range(13, 23)))
        assert counted(told) == {20: numbers[-1][20], 21: numbers[-1][20], 22: numbers[-1][20]}


@pytest.mark.parametrize("watched", [False, True], ids=["nobody", "another rendition"])
async def test_renditions_count_alike_where_nobody_saw_a_discontinuity_that_has_left_with_its_segment(
    watched: bool,
) -> None:
    def body(grid: str, places: range) -> bytes:
        return playlist(grid, places, seams=(10,))

    two = Two()
    await two.open()
    await two.treat(0, "v0", body("v0", range(1, 9)))
    if watched:
        await two.treat(0, "a0", body("a0", range(1, 9)))
    era = await two.shared.era()
    two.leader = body("v0", range(10, 22))  # the seam is at 10, or at 9
    first = counted(await two.treat(1, "a0", body("a0", range(9, 21))))
    assert 20 in first
    for edge, grid in ((1, "v0"), (0, "v1"), (0, "a0")):
        told = counted(await two.treat(edge, grid, body(grid, range(11, 23))))
        assert told[20] == told[21] == first[20]
    assert await two.shared.era() == era


async def test_a_rendition_of_which_the_origin_counts_otherwise_moves_no_numbers() -> None:
    two = Two()
    await two.open()
    eras = set()
    for last in range(9, 32):
        places = range(last - 8, last)
        two.leader = playlist("v0", places, seams=(4, 10, 20, 25))
        for edge, seams in ((0, ()), (1, (20,))):  # none at all, and some
            await two.treat(
                edge, ("a0", "v1")[edge], playlist(("a0", "v1")[edge], places, seams=seams)
            )
        eras.add(await two.shared.era())
    assert len(eras) == 1
