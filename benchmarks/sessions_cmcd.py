"""What it takes to read what players say of themselves: by the timer, for each request's worth of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import unquote_plus

from benchmarks.table import keep_section
from config.contracts.sessions import SessionStart
from config.settings.sessions import CmcdSettings
from edge.sessions.cmcd.events import read_events
from edge.sessions.cmcd.read import read
from edge.sessions.qoe import Reader, hear_events
from edge.sessions.viewing import Viewing
from edge.structured_fields import parse_dictionary
from tests.edge.sessions.cmcd.players import runs

ROUNDS = 9
TARGET_US = 60.0

Given = TypeVar("Given")


async def main() -> None:
    """Measure with what real players said; print it and keep it in RESULTS.md."""
    lines = [
        "| player | texts | characters | read | as RFC 9651 | read and concluded |",
        "|---|---|---|---|---|---|",
    ]
    worst = 0.0
    for run in runs().values():
        texts = [text for _, text in run.requests() if text is not None]
        plain = [text[1:] if text[0] == " " else text for text in texts]
        own, strict, whole = (
            _microseconds(work, given)
            for work, given in ((read, texts), (_strictly, plain), (_whole(), texts))
        )
        worst = max(worst, own)
        lines.append(
            f"| {run.name} | {len(texts)} | {round(statistics.mean(map(len, texts)))}"
            f" | {own:.1f} us | {strict:.1f} us | {whole:.1f} us |"
        )
    bodies = [body for run in runs().values() for _, body in run.bodies()]
    posted = sum(len(read_events(body)) for body in bodies)
    one = _microseconds(_posted(), bodies) * len(bodies) / posted
    verdict = "met" if worst <= TARGET_US else "missed"
    text = (
        f"{datetime.now(UTC).date().isoformat()}, `.venv/bin/python -m benchmarks sessions_cmcd`; the best of {ROUNDS}"
        f" rounds; no request waits for it.\n\n" + "\n".join(lines) + "\n\n"
        f"Longest to read: {worst:.1f} us of {TARGET_US:g} ({verdict}). An event that was posted, read and concluded:"
        f" {one:.1f} us.\n"
    )
    print(text)
    keep_section("sessions-cmcd", text)


def _strictly(raw: str) -> None:
    parse_dictionary(unquote_plus(raw))


def _whole() -> Callable[[str], None]:
    viewing, reader = _viewing(), Reader(CmcdSettings())

    def work(text: str) -> None:
        viewing.say(text)
        viewing.seen_at += 1
        reader.read(viewing, viewing.seen_at)

    return work


def _posted() -> Callable[[bytes], None]:
    viewing = _viewing()

    def work(body: bytes) -> None:
        viewing.seen_at += 1
        hear_events(viewing, read_events(body), viewing.seen_at)

    return work


def _viewing() -> Viewing:
    start = SessionStart(
        id="s", grant="s", subject="a", content="/o/f/", started_at=0, ends_at=2**31
    )
    return Viewing(start, now=1_700_000_000.0)


def _microseconds(work: Callable[[Given], object], given: Sequence[Given]) -> float:
    """Of one, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for one in given:
            work(one)
        best = min(best, (time.perf_counter() - started) / len(given))
    return best * 1e6
