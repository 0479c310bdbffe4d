from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.sessions import Quality, SessionStart
from config.settings.sessions import CmcdSettings
from edge import metrics
from edge.sessions.cmcd.events import read_events
from edge.sessions.cmcd.read import read_text
from edge.sessions.hearing import Hearing
from edge.sessions.qoe import Reader, hear_all, hear_events
from edge.sessions.viewing import Viewing
from tests.edge.sessions.cmcd.players import runs
from tests.edge.sessions.cmcd.test_reading import TEXTS

NOW = 1_700_000_000.0


def viewing() -> Viewing:
    start = SessionStart(
        id="s",
        grant="s",
        subject="a",
        content="/o/film/",
        started_at=int(NOW),
        ends_at=int(NOW) + 9999,
    )
    return Viewing(start, now=NOW)


def asks(one: Viewing, at: float, text: str) -> None:
    one.asked(NOW + at, manifest=False, rendition="v720")
    one.say(text)


def count(counter: str, **labels: str) -> float:
    found = 0.0
    for metric in getattr(metrics, counter).collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and labels.items() <= sample.labels.items():
                found += sample.value
    return found


def test_what_waits_is_read_and_is_gone() -> None:
    one = viewing()
    asks(one, 1, "bl%3D4000%2Cbr%3D600%2Cot%3Dv%2Ctb%3D3000")
    Reader(CmcdSettings()).read(one, NOW + 2)
    assert one.said is None
    assert one.quality is not None
    assert one.quality.buffer_ms == 4000
    assert one.quality.top_kbps == 3000
    assert one.quality.reported_at == NOW + 1
    kept = one.quality
    Reader(CmcdSettings()).read(one, NOW + 3)
    assert one.quality is kept


def test_who_says_nothing_costs_no_memory() -> None:
    one = viewing()
    hear_all(one, NOW, most_bytes=4096)
    assert one.quality is None
    assert one.hearing is None


def test_where_it_is_not_to_be_read_nothing_of_it_stays() -> None:
    one = viewing()
    for n in range(9):
        asks(one, n, "bs")
    Reader(CmcdSettings(accept=False)).read(one, NOW + 10)
    assert (one.said, one.skipped, one.quality) == (None, 0, None)


def test_what_is_longer_than_the_setting_allows_is_counted_and_not_read() -> None:
    before = count("CMCD_FAULTS", fault="length")
    one = viewing()
    asks(one, 1, "bs%2C" + "x" * 300)
    hear_all(one, NOW + 2, most_bytes=256)
    assert one.quality is not None
    assert one.quality.stalls == 0
    assert count("CMCD_FAULTS", fault="length") == before + 1


def test_what_was_dropped_unread_is_counted() -> None:
    before = count("CMCD_SKIPPED")
    one = viewing()
    for n in range(10):
        asks(one, n / 100, f"bl%3D{n}00")
    hear_all(one, NOW + 1, most_bytes=4096)
    assert count("CMCD_SKIPPED") == before + 4
    assert one.skipped == 0


def test_reports_count_by_version_way_and_verdict() -> None:
    before = [count("CMCD_REPORTS", version="2", mode="fields", valid=one) for one in ("yes", "no")]
    one = viewing()
    asks(one, 1, " bl=(100),v=2")
    asks(one, 1, " bl=100,v=2")
    hear_all(one, NOW + 2, most_bytes=4096)
    after = [count("CMCD_REPORTS", version="2", mode="fields", valid=one) for one in ("yes", "no")]
    assert after == [before[0] + 1, before[1] + 1]


@pytest.mark.parametrize(("states", "is_paused"), [("spa", True), ("spap", False), ("spae", False)])
def test_a_player_that_pauses_is_paused(states: str, is_paused: bool) -> None:
    one = viewing()
    for n, state in enumerate(states):
        hear_events(one, read_events(f"e=ps,sta={state},ts={n},v=2".encode()), NOW + n)
    assert one.paused is is_paused


def test_a_player_in_trouble_is_advised_to_take_less_until_all_is_well_for_long() -> None:
    one = viewing()
    suggested = []
    said = [
        (0, 12_000, ""),
        (12, 12_000, ""),
        (20, 2500, ",bs"),
        (90, 12_000, ""),
        (101, 12_000, ""),
        (112, 12_000, ""),
    ]
    for at, mtp, more in said:
        for n in range(12):  # until the average has followed
            asks(
                one,
                at + n / 100,
                f" bl=9000,ot=v,br=6000,tb=6000,mtp={mtp}{more if n == 0 else ''}",
            )
            hear_all(one, NOW + at + n / 100, most_bytes=4096)
        suggested.append(one.suggested_kbps)
    assert suggested[:2] == [None, None]
    assert suggested[2] is not None
    assert suggested[2] < 6000
    assert suggested[4] == 3630  # so much there was room for all the time
    assert suggested[5] is None


@pytest.mark.parametrize(
    "name",
    ["hls-v1-query", "hls-v2-header", "hls-v2-query-ev", "dash-v2-keys-ev", "shaka-dash-v2-header"],
)
@pytest.mark.parametrize("phase", [0.0, 0.37, 0.81])
def test_read_once_a_second_a_stall_is_measured_nearly_as_well(name: str, phase: float) -> None:
    run = runs()[name]
    one = viewing()
    tick = phase
    steps: list[tuple[float, str | bytes | None]] = sorted(
        [*run.requests(), *run.bodies()], key=lambda step: step[0]
    )
    for at, said in steps:
        while at > tick:
            hear_all(one, NOW + tick, most_bytes=4096)
            tick += 1
        if isinstance(said, bytes):
            hear_events(one, read_events(said), NOW + at)
        else:
            one.asked(NOW + at, manifest=said is None)
            if said is not None:
                one.say(said)
    hear_all(one, NOW + tick, most_bytes=4096)
    assert one.quality is not None
    assert one.quality.stalls == len(run.stalls_ms)
    assert abs(one.quality.stall_ms - sum(run.stalls_ms)) <= 400


MEMBERS = (
    *(
        "sta=r",
        "sta=p",
        "sta=s",
        "sta=k",
        "sta=a",
        "sta=f",
        "bs",
        "su",
        "ot=v",
        "ot=a",
        "ot=m",
        "br=600",
    ),
    *(
        "bl=0",
        "bl=(4000;v)",
        "bsd=(300)",
        "bsd=(1;v)",
        "e=ps",
        "e=t",
        "e=e",
        "msd=50",
        "mtp=(100)",
        "mtp=0",
    ),
    *("sn=0", "sn=1", "sn=2", "sn=999999999999999", "ts=1", "ts=999999999999999", "v=1", "v=2"),
)
REPORTS = st.tuples(
    st.booleans(),
    st.floats(0, 1000),
    st.one_of(
        TEXTS,
        st.lists(
            st.sampled_from(MEMBERS),
            max_size=9,
        ).map(",".join),
    ),
)


@given(st.lists(REPORTS, max_size=30))
def test_whatever_is_said_in_whatever_order_ends_in_figures(
    said: list[tuple[bool, float, str]],
) -> None:
    hearing = Hearing()
    stalls = 0
    for is_event, at, text in said:
        cmcd = read_text(text, mode="event" if is_event else "query")
        (hearing.tells if is_event else hearing.asks)(cmcd, NOW + at)
        quality = hearing.quality
        assert quality.stalls >= stalls  # a count never goes back
        assert quality.asked_stalls + quality.told_stalls <= quality.stalls
        stalls = quality.stalls
    figures = hearing.quality.to_json()
    assert all(math.isfinite(value) and 0 <= value < 2**32 for value in figures.values())
    assert Quality.from_json(figures) == hearing.quality
