"""Ad breaks: how often the rules are right about the corpus, and what looking for breaks costs."""

from __future__ import annotations

import platform
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from benchmarks.manifests_hls import CONTEXT, playlist, seconds
from benchmarks.table import keep_section
from edge.manifests.ads import rule_files
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import Rules
from edge.manifests.ads.treat import treat_hls
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.hls.scan import scan
from tests.manifests.ads import truth
from tests.manifests.ads.truth import Score

ROUNDS = 9
SEGMENTS = (240, 6000)
FRONT = "https://cdn.example.com/live/channel/1080p/"
PERIOD, LENGTH = 100, 5  # segments from break to break, and in a break
TARGET = 25  # percent of scan and rewrite
RULES = (("scte35",), ("scte35", "mediatailor", "google-dai", "twitch"))
COMMAND = "`.venv/bin/python -m benchmarks manifests_ads`"


async def main() -> None:
    """Measure both, print them, and keep them in RESULTS.md."""
    if not truth.FILE.is_file():
        raise SystemExit(f"the corpus of manifests with breaks is needed: {truth.FILE}")
    lines = [*accuracy(), "", *costs()]
    print("\n".join(lines))
    about = (
        f"{datetime.now(UTC).date().isoformat()}, {COMMAND};"
        f" {platform.python_implementation()} {platform.python_version()}."
    )
    keep_section("ads", "\n".join([about, "", *lines]))


def accuracy() -> list[str]:
    """Precision and recall, by segment (DASH: by Period) and by break, of all shipped rules at once."""
    rules = truth.shipped()
    scores: dict[str, Score] = defaultdict(Score)
    for name, true in truth.truths().items():
        score = truth.scored(name, rules)
        has_breaks = bool(true.breaks or true.ranges)
        kind = "DASH" if name.startswith("dash/") else "HLS"
        if has_breaks:
            scores[truth.scheme(name)] += score
        else:
            scores[f"{kind}: files without breaks"] += score
        scores[f"**{kind}, all**"] += score
        scores["**all**"] += score
    names = ", ".join(rule.label for rule in rules.items)
    head = [
        f"Rules, all at once: {names}. A break is found if all of it is, to the segment, or in mid-Period to 10 ms."
        " The rules were written with these files at hand: they say nothing about origins that nobody has seen.",
        "",
        "| breaks told by | files | segments or Periods found | precision, recall | breaks found | precision, recall"
        " | content removed | ambiguous removed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    order = sorted(scores, key=lambda name: (name.startswith("**"), name))
    return [*head, *(_accuracy_row(name, scores[name]) for name in order)]


def _accuracy_row(name: str, score: Score) -> str:
    segments = _rates(score.hit, score.missed, score.wrong)
    breaks = _rates(score.breaks_hit, score.breaks_missed, score.breaks_wrong)
    return (
        f"| {name} | {score.files} | {score.hit} of {score.hit + score.missed} | {segments}"
        f" | {score.breaks_hit} of {score.breaks_hit + score.breaks_missed} | {breaks}"
        f" | {score.wrong} of {score.content} | {score.either} |"
    )


def _rates(hit: int, missed: int, wrong: int) -> str:
    """Precision and recall; of nothing nothing can be said."""
    return ", ".join(
        f"{100 * hit / whole:.1f} %" if whole else "none" for whole in (hit + wrong, hit + missed)
    )


def costs() -> list[str]:
    """What explaining and stripping cost on top of a scan and a rewrite of the same playlist, taken in turns."""
    lines = [
        "| playlist | rules | explain | strip | scan + rewrite | rewrite alone | target |",
        "|---|---|---|---|---|---|---|",
    ]
    book = rule_files.load()
    for count in SEGMENTS:
        for what, data in playlists(count):
            for names in RULES:
                lines.append(_cost_row(f"{count} segments, {what}", data, book.chosen(names)))
    return lines


def playlists(count: int) -> Iterator[tuple[str, bytes]]:
    """One without markers, one whose markers are of no break, and one with a break every hundred segments."""
    yield "no marker", playlist(count, FRONT)
    yield "markers", marked(count, opens="#EXT-X-CUE-OUT:0", goes_on="", closes="#EXT-X-CUE-IN")
    yield (
        "breaks",
        marked(
            count,
            opens=f"#EXT-X-DISCONTINUITY\n#EXT-X-CUE-OUT:{LENGTH * 6.006:.3f}",
            goes_on="#EXT-X-CUE-OUT-CONT:{:.3f}/{:.3f}",
            closes="#EXT-X-DISCONTINUITY\n#EXT-X-CUE-IN",
        ),
    )


def marked(count: int, *, opens: str, goes_on: str, closes: str) -> bytes:
    """The same playlist with tags before its segments."""
    lines: list[str] = []
    number = 0
    for line in playlist(count, FRONT).decode().splitlines():
        if line.startswith("#EXTINF"):
            place = number % PERIOD - PERIOD // 10
            if place == 0:
                lines.append(opens)
            elif place == LENGTH:
                lines.append(closes)
            elif 0 < place < LENGTH and goes_on:
                lines.append(goes_on.format(place * 6.006, LENGTH * 6.006))
            number += 1
        lines.append(line)
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def _cost_row(what: str, data: bytes, rules: Rules) -> str:
    times = 2400 // max(240, data.count(b"\n#EXTINF"))
    works: dict[str, Callable[[], object]] = {
        policy.value: partial(treat_hls, data, Treatment(policy=policy), rules, base=CONTEXT.base)
        for policy in (AdPolicy.EXPLAIN, AdPolicy.STRIP)
    }
    works["scan"] = partial(scan, data)
    works["rewrite"] = partial(rewrite, data, CONTEXT)
    rounds = [
        {name: seconds(work, max(times, 1)) for name, work in works.items()} for _ in range(ROUNDS)
    ]
    shares = {
        policy: [100 * taken[policy] / (taken["scan"] + taken["rewrite"]) for taken in rounds]
        for policy in ("explain", "strip")
    }
    met = statistics.median(shares["strip"]) <= TARGET
    cells = [
        *(_share(shares[name], [taken[name] for taken in rounds]) for name in shares),
        f"{_median([taken['scan'] + taken['rewrite'] for taken in rounds]):.3f} ms",
        f"{_median([taken['rewrite'] for taken in rounds]):.3f} ms",
    ]
    names = ", ".join(rule.name for rule in rules.items)
    return f"| {what} | {names} | {' | '.join(cells)} | ≤ {TARGET} %{'' if met else ', missed'} |"


def _share(percents: Sequence[float], taken: Sequence[float]) -> str:
    return f"{statistics.median(percents):.0f} % ({_median(taken):.3f} ms)"


def _median(taken: Sequence[float]) -> float:
    return statistics.median(taken) * 1e3
