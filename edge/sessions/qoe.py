"""Reads what players said, by timer and off the way of requests, and keeps each session's quality and advice."""

from __future__ import annotations

from collections.abc import Sequence

from config.contracts.advice import Sample as AdviceSample
from config.contracts.advice import advise, held_at, ladder_up_to
from config.settings.sessions import CmcdSettings
from edge import metrics
from edge.sessions.cmcd.read import read
from edge.sessions.cmcd.said import MOST_FIRST
from edge.sessions.cmcd.values import Cmcd
from edge.sessions.hearing import Hearing
from edge.sessions.viewing import Viewing


class Reader:
    """Reads with an edge's settings; one call takes some ten microseconds for each text that waits."""

    def __init__(self, settings: CmcdSettings) -> None:
        self._settings = settings

    def read(self, viewing: Viewing, now: float) -> None:
        """Take in what ``viewing`` has waiting; nothing of it is kept where CMCD is not to be read."""
        if self._settings.accept:
            hear_all(viewing, now, most_bytes=self._settings.most_bytes)
        else:
            viewing.said, viewing.skipped = None, 0


def hear_all(viewing: Viewing, now: float, *, most_bytes: int) -> None:
    """Read all that came with requests since the last time; never raises, whatever the texts are."""
    texts, viewing.said = viewing.said, None
    skipped, viewing.skipped = viewing.skipped, 0
    if not texts:
        return
    hearing = _hearing(viewing)
    if skipped:
        metrics.CMCD_SKIPPED.inc(skipped)
        if viewing.manifests:
            hearing.begins(viewing.said_at)
    last = len(texts) - 1
    for place, text in enumerate(texts):
        cmcd = read(text, most=most_bytes)
        _count(cmcd)
        if skipped and place == MOST_FIRST:
            hearing.misses()
        # When each of them came is known of the first and the last only; the first goes last.
        at = viewing.said_at if place == 0 < last else viewing.seen_at
        hearing.asks(cmcd, min(at or now, now))
    _conclude(viewing, hearing, now)


def hear_events(viewing: Viewing, events: Sequence[Cmcd], now: float) -> None:
    """Take in what a player has posted just now, in the order in which it stands there."""
    hearing = _hearing(viewing)
    for event in events:
        _count(event)
        hearing.tells(event, now)
    _conclude(viewing, hearing, now)


def _hearing(viewing: Viewing) -> Hearing:
    if viewing.hearing is None:
        viewing.hearing = Hearing()
        viewing.quality = viewing.hearing.quality
    return viewing.hearing


def _conclude(viewing: Viewing, hearing: Hearing, now: float) -> None:
    viewing.paused = hearing.is_paused
    quality = hearing.quality
    if quality.reported_at == 0:
        return
    ladder = ladder_up_to(quality.top_kbps)
    hearing.advised, advice = advise(hearing.advised, AdviceSample.of(quality), ladder, now=now)
    hearing.advice = advice or hearing.advice
    rung = held_at(hearing.advised, ladder)
    viewing.suggested_kbps = None if rung is None else rung.bitrate_kbps


def _count(cmcd: Cmcd) -> None:
    result = "yes" if cmcd.is_valid else "no"
    metrics.CMCD_REPORTS.labels(str(cmcd.version), cmcd.mode, result).inc()
    for fault in cmcd.faults:
        metrics.CMCD_FAULTS.labels(fault).inc()
