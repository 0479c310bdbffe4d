from __future__ import annotations

import pytest

from config.contracts.sessions import Quality
from edge.sessions.cmcd.events import read_events
from edge.sessions.cmcd.read import read, read_text
from edge.sessions.hearing import Hearing
from tests.edge.sessions.cmcd.players import runs


def heard(*said: tuple[float, str]) -> Quality:
    """What is concluded from texts with requests, and from events: those begin with ``e=``."""
    hearing = Hearing()
    for at, text in said:
        if text.startswith("e="):
            hearing.tells(read_text(f"{text},v=2", mode="event"), at)
        else:
            hearing.asks(read_text(text, mode="query"), at)
    return hearing.quality


def figures(quality: Quality) -> tuple[int, int]:
    return quality.stalls, quality.stall_ms


STATES = [
    (10.0, "e=ps,sta=s,ts=1000"),
    (10.4, "e=ps,sta=p,ts=1400"),
    (20.0, "e=ps,sta=r,ts=11000"),
    (23.0, "e=ps,sta=p,ts=14000"),
]


def test_states_tell_of_start_and_stall_by_the_players_own_clock() -> None:
    quality = heard(*[(at + 0.3 * n, text) for n, (at, text) in enumerate(STATES)])
    assert figures(quality) == (1, 3000)
    assert quality.startup_ms == 400
    assert not quality.is_estimate


def test_a_stall_that_is_told_of_in_four_ways_counts_once() -> None:
    ways = [
        (23.1, "bs,ot=v,bl=0,v=2"),
        (23.2, "bsd=(2990;v),ot=v,bl=(1000),v=2,sta=p"),
        (23.3, "e=t,bsd=(2990;v),sta=p,ts=14300"),
        (23.4, "e=t,bs,sta=p,ts=14400"),
    ]
    for first in range(4):
        for late in (False, True):
            rest = ways[first:] + ways[:first]
            said = [*STATES, *rest] if late else [*STATES[:3], *rest[:1], STATES[3], *rest[1:]]
            quality = heard(*said)
            assert figures(quality) == (1, 2990), (first, late)


def test_states_that_arrive_after_what_requests_say_of_the_same_stall_count_nothing_more() -> None:
    said = [
        *STATES[:2],
        (23.2, "bsd=(2990;v),ot=v,bl=(1000),v=2,sta=p"),
        (40.0, "e=ps,sta=r,ts=11000"),
        (40.0, "e=ps,sta=p,ts=14000"),
    ]
    assert figures(heard(*said)) == (1, 2990)


def test_when_events_come_no_more_requests_are_believed_again() -> None:
    said = [*STATES[:2], (30.0, "ot=v,bl=4000"), (200.0, "ot=v,bl=4000"), (210.0, "ot=i,bs")]
    assert figures(heard(*said)) == (1, 6000)
    assert figures(heard(*STATES[:2], (30.0, "ot=v,bl=4000"), (40.0, "ot=i,bs"))) == (0, 0)


def test_who_goes_away_while_it_stalls_does_not_stall_for_an_hour() -> None:
    by_requests = [(1.0, "sta=p,ot=v,bl=(100),v=2"), (2.0, "sta=r,ot=v,bl=(0),v=2")]
    assert heard(*by_requests, (3602.0, "sta=p,ot=v,bl=(0),v=2")).stall_ms < 3000
    assert heard(*STATES[:3], (3620.0, "sta=p,ot=v,bl=(0),v=2")).stall_ms < 3000
    paused = [(1.0, "ot=v,bl=4000"), (3600.0, "ot=v,bl=0,bs")]
    assert figures(heard(*paused)) == (1, 0)


def test_another_device_with_an_earlier_clock_is_heard() -> None:
    first = [(at, f'{text},sid="a",sn={n}') for n, (at, text) in enumerate(STATES)]
    second = [
        (50.0, 'e=ps,sta=s,ts=10,sid="b",sn=0'),
        (51.0, 'e=ps,sta=p,ts=1010,sid="b",sn=1'),
        (60.0, 'e=ps,sta=r,ts=10010,sid="b",sn=2'),
        (61.0, 'e=ps,sta=p,ts=11010,sid="b",sn=3'),
    ]
    quality = heard(*first, *second)
    assert figures(quality) == (2, 4000)
    assert quality.startup_ms == 400


def test_two_stalls_alike_are_two() -> None:
    said = [
        (1.0, "ot=v,bl=(1000),v=2,sn=1"),
        (5.0, "ot=v,bl=(0),bs,bsd=(300),v=2,sn=2"),
        (15.0, "ot=v,bl=(0),bs,bsd=(310),v=2,sn=3"),
    ]
    assert figures(heard(*said)) == (2, 610)


def test_several_lengths_without_a_type_are_several_stalls_and_one_for_each_type_is_one() -> None:
    assert figures(heard((1.0, "bsd=(300 5000),v=2"))) == (2, 5300)
    assert figures(heard((1.0, "bsd=(300;v 280;a),v=2"))) == (1, 300)


def test_waiting_before_it_plays_is_no_stall() -> None:
    said = [
        (1.0, "e=ps,sta=s,ts=1000"),
        (1.1, "e=ps,sta=r,ts=1100"),
        (2.0, "e=ps,sta=p,ts=2000"),
        (2.1, "bsd=(880;v),ot=v,bl=(1000),v=2"),
    ]
    assert figures(heard(*said)) == (0, 0)
    assert heard(*said).startup_ms == 1000


def test_waiting_after_a_seek_is_no_stall() -> None:
    said = [
        *STATES[:2],
        (30.0, "e=ps,sta=k,ts=21000"),
        (30.1, "e=ps,sta=r,ts=21100"),
        (33.0, "e=ps,sta=p,ts=24000"),
    ]
    assert figures(heard(*said)) == (0, 0)


def test_a_stall_counts_before_it_is_over() -> None:
    assert figures(heard(*STATES[:3])) == (1, 0)


def test_a_flag_alone_is_measured_by_when_the_buffer_ran_dry() -> None:
    said = [(1.0, "ot=v,bl=4000"), (1.1, "ot=a,bl=3000"), (8.0, "ot=i,bs"), (8.1, "ot=v,bl=0")]
    quality = heard(*said)
    assert figures(quality) == (1, 3000)
    assert quality.is_estimate


def test_a_player_that_says_nothing_of_stalls_is_found_out_by_its_haste() -> None:
    said = [
        (1.0, "ot=v,bl=(4000),v=2"),
        (8.0, "ot=v,bl=(100),su,v=2"),
        (8.1, "ot=v,bl=(100),su,v=2"),
    ]
    quality = heard(*said)
    assert figures(quality) == (1, 3000)
    assert quality.is_estimate


def test_a_player_that_comes_back_from_a_pause_has_not_stalled() -> None:
    assert figures(heard((1.0, "ot=v,bl=4000"), (300.0, "ot=v,bl=4000"))) == (0, 0)
    assert figures(heard((1.0, "ot=v,bl=4000"), (300.0, "ot=v,bl=0,su"))) == (0, 0)


def test_a_stall_that_two_processes_heard_of_counts_once_when_they_are_joined() -> None:
    by_events = heard(*STATES)
    by_requests = heard((1.0, "ot=v,bl=4000"), (8.0, "ot=i,bs"))
    assert (by_events.told_stalls, by_requests.asked_stalls) == (1, 1)
    for first, second in [(by_events, by_requests), (by_requests, by_events)]:
        joined = Quality()
        joined.add(first)
        joined.add(second)
        assert joined.stalls == 1
        assert joined.stall_ms == 3000
        joined.add(heard((1.0, "ot=v,bl=4000"), (8.0, "ot=i,bs")))
        assert joined.stalls == 2


def test_what_never_came_shows_in_the_numbers_of_events() -> None:
    said = [(float(n), f"e=t,sn={n},ts={n}") for n in (0, 1, 2, 5, 4, 9)]
    quality = heard(*said)
    assert (quality.reports, quality.due, quality.lost) == (6, 10, 4)


def test_events_that_come_twice_count_once() -> None:
    batch = [(23.0 + n, f"{text},sn={n}") for n, (_, text) in enumerate(STATES)]
    again = heard(*batch, *[(40.0, text) for _, text in batch])
    assert again == heard(*batch) or again.reported_at == 40.0
    assert figures(again) == (1, 3000)
    assert again.reports == 4


def test_a_page_that_was_loaded_again_counts_from_nought() -> None:
    first = [(float(n), f'e=t,sn={n},ts={n},sid="a"') for n in range(5)]
    for sid in ("a", "b"):
        second = [(50.0 + n, f'e=t,sn={n},ts={50 + n},sid="{sid}"') for n in range(4)]
        quality = heard(*first, *second)
        assert (quality.reports, quality.due, quality.lost) == (9, 9, 0)


def test_two_processes_that_share_the_events_lose_none_of_them() -> None:
    one = heard(*[(float(n), f"e=t,sn={n},ts={n}") for n in range(0, 10, 2)])
    other = heard(*[(float(n), f"e=t,sn={n},ts={n}") for n in range(1, 10, 2)])
    assert one.lost > 0
    joined = Quality()
    joined.add(one)
    joined.add(other)
    assert (joined.reports, joined.lost) == (10, 0)


def test_errors_count_once_each() -> None:
    said = [
        (1.0, 'e=e,ec=("E1"),ts=1'),
        (1.1, "e=ps,sta=f,ts=100"),
        (60.0, "e=ps,sta=p,ts=59000"),
        (90.0, "e=ps,sta=f,ts=90000"),
        (95.0, 'ec=("E2"),v=2,sn=1'),
        (95.0, 'ec=("E2"),v=2,sn=1'),
    ]
    assert heard(*said).errors == 3


def test_the_latest_figures_are_those_of_the_picture() -> None:
    quality = heard(
        (1.0, "ot=v,bl=8000,br=3000,tb=6000,mtp=10000"),
        (1.5, "ot=a,bl=9000,br=64,tb=128,mtp=300"),
        (2.0, "ot=v,bl=7000,br=1500,tb=6000,mtp=20000"),
        (2.5, "ot=m,br=99000"),
    )
    assert quality.buffer_ms == 7000
    assert quality.played_kbps == 3000
    assert quality.top_kbps == 6000
    assert quality.throughput_kbps == 13_000
    assert quality.reported_at == 2.5


def test_the_shorter_of_two_buffers_counts() -> None:
    assert heard((1.0, "bl=(8000;v 2000;a),v=2,ot=av")).buffer_ms == 2000
    assert heard((1.0, "ot=a,bl=2000"), (2.0, "ot=v,bl=8000")).buffer_ms == 2000
    assert heard((1.0, "ot=a,bl=2000"), (60.0, "ot=v,bl=8000")).buffer_ms == 8000


def test_no_player_can_say_more_than_fits() -> None:
    most = 10**15 - 1
    said = [
        (
            float(n),
            f"bs,bsd=({most}),bl=({most}),mtp=({most}),br=({most}),ot=v,v=2,msd={most},sn={n}",
        )
        for n in range(70)
    ]
    said += [(100.0 + n, f"e=ps,sta={'rp'[n % 2]},ts={n * 10**12},sn={most}") for n in range(20)]
    quality = heard(*said)
    assert quality.stall_ms < 2**32
    assert quality.buffer_ms <= 3_600_000
    assert quality.throughput_kbps <= 1_000_000
    assert quality.played_kbps <= 1_000_000
    assert quality.startup_ms <= 600_000
    assert quality.lost <= 65_535


# Players in a real browser; their page measured the same with the element's own events.

BY_EVENTS = ["hls-v2-query-ev", "dash-v2-keys-ev"]
ESTIMATED = [
    "hls-v1-query",
    "hls-v1-header",
    "hls-v2-header",
    "hls-v2-query-ev",
    "shaka-dash-v2-ev",
    "shaka-dash-v2-header",
]


@pytest.mark.parametrize("name", BY_EVENTS)
def test_what_a_players_events_say_is_what_its_page_saw(name: str) -> None:
    run = runs()[name]
    quality = played(name, with_events=True)
    assert quality.stalls == len(run.stalls_ms)
    assert abs(quality.stall_ms - sum(run.stalls_ms)) <= 20
    assert abs(quality.startup_ms - run.startup_ms) <= 30
    assert not quality.is_estimate
    assert quality.lost == 0


@pytest.mark.parametrize("name", ESTIMATED)
def test_what_requests_alone_say_is_near_to_it(name: str) -> None:
    run = runs()[name]
    quality = played(name, with_events=False)
    assert quality.stalls == len(run.stalls_ms)
    assert abs(quality.stall_ms - sum(run.stalls_ms)) <= 150
    assert 0 < quality.startup_ms <= run.startup_ms + 100


@pytest.mark.parametrize("name", ["dash-v2-keys-ev", "dash-v2-ev"])
def test_the_length_that_a_player_says_counts_before_what_the_edge_concludes(name: str) -> None:
    run = runs()[name]
    quality = played(name, with_events=False)
    assert quality.stalls == len(run.stalls_ms)
    assert abs(quality.stall_ms - sum(run.stalls_ms)) <= 5


@pytest.mark.parametrize("name", ["dash-v1-query", "dash-v1-headers"])
def test_a_picture_that_stood_still_counts_though_the_sound_went_on(name: str) -> None:
    # Chromium says "waiting" only after three seconds; the flag came, and the buffer had run dry before them.
    quality = played(name, with_events=False)
    assert quality.stalls == 1
    assert 3000 <= quality.stall_ms <= 3300


def test_a_start_that_took_seven_seconds_is_seen_without_a_word_about_it() -> None:
    assert abs(played("shaka-hls-v1-query", with_events=False).startup_ms - 7673) < 1000


def played(name: str, *, with_events: bool) -> Quality:
    run = runs()[name]
    hearing = Hearing()
    said: list[tuple[float, bytes | str | None]] = list(run.requests())
    if with_events:
        said += run.bodies()
    for at, text in sorted(said, key=lambda one: one[0]):
        now = 1_700_000_000 + at
        if isinstance(text, bytes):
            for event in read_events(text):
                hearing.tells(event, now)
        elif text is not None:
            hearing.asks(read(text), now)
    return hearing.quality
