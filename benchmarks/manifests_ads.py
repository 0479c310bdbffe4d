"""Ad breaks: how often the rules are right about the corpus, and what looking for breaks costs."""

from __future__ import annotations

import gc
import platform
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks.manifests_hls import CONTEXT, START, playlist
from benchmarks.table import keep_section
from edge.manifests.ads import rule_files, scte35
from edge.manifests.ads.hls import dates, lines, segments, signs
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import Rules
from edge.manifests.ads.treat import treat_hls
from edge.manifests.hls import carry
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.hls.scan import scan
from tests.manifests.ads import truth
from tests.manifests.ads.truth import Score

ROUNDS = 9
SEGMENTS = (240, 6000)
FRONT = "https://cdn.example.com/live/channel/1080p/"
PERIOD, LENGTH = 100, 5  # segments from break to break, and in a break
CUE = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg=="  # SCTE 35's own example
TARGET = 25  # percent of scan and rewrite
RULES = (("scte35",), ("scte35", "mediatailor", "google-dai", "twitch"))
STEPS = 8  # versions that follow; as many segments leave the window
# All that is remembered of the text of playlists.
MEMOS = (
    scte35._known,
    signs._known,
    dates._read,
    segments._seconds,
    lines._text,
    carry._known_key,
)
_SEGMENT = re.compile(rb"(?:#[^\n]*\n)*[^#\n][^\n]*\n")
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
        f"Live windows, looked through and cut by themselves, in CPU time. *First*: nothing is remembered; *next*: mean"
        f" of {STEPS} versions after it, each one segment further, of which nothing is known but what equal text said:"
        " cues, tags that open a break, dates, KEYs, EXTINF values (of each at most 1024 in a process). No segment, no"
        " break and no part of an answer is remembered; every version is read as a whole.",
        "",
        "| playlist | rules | explain, first | strip, first | strip, next | scan + rewrite | rewrite alone | target |",
        "|---|---|---|---|---|---|---|---|",
    ]
    book = rule_files.load()
    for count in SEGMENTS:
        for what, text in playlists(count + STEPS):
            versions = list(windows(text, count))
            for names in RULES:
                lines.append(_cost_row(f"{count} segments, {what}", versions, book.chosen(names)))
    return lines


def playlists(count: int) -> Iterator[tuple[str, bytes]]:
    """One without markers, one whose markers are of no break, and two with a break every hundred segments.

    The last is as an encoder has it that says its cue in every spelling, and the date of every segment.
    """
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
    yield (
        "breaks with cues, all dated",
        marked(
            count,
            opens=f"#EXT-X-DISCONTINUITY\n#EXT-OATCLS-SCTE35:{CUE}\n#EXT-X-CUE-OUT:{LENGTH * 6.006:.3f}",
            goes_on="#EXT-X-CUE-OUT-CONT:ElapsedTime={:.3f},Duration={:.3f},SCTE35=" + CUE,
            closes="#EXT-X-DISCONTINUITY\n#EXT-X-CUE-IN",
            dated=True,
        ),
    )


def marked(count: int, *, opens: str, goes_on: str, closes: str, dated: bool = False) -> bytes:
    """The same playlist with tags before its segments, and perhaps a date before each."""
    lines: list[str] = []
    number = 0
    for line in playlist(count, FRONT).decode().splitlines():
        if dated and line.startswith("#EXT-X-PROGRAM-DATE-TIME"):
            continue
        if line.startswith("#EXTINF"):
            place = number % PERIOD - PERIOD // 10
            if place == 0:
                lines.append(opens)
            elif place == LENGTH:
                lines.append(closes)
            elif 0 < place < LENGTH and goes_on:
                lines.append(goes_on.format(place * 6.006, LENGTH * 6.006))
            if dated:
                date = START + timedelta(seconds=number * 6.006)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat(timespec='milliseconds')}")
            number += 1
        lines.append(line)
    return "\n".join([*lines, ""]).encode()


def windows(data: bytes, count: int) -> Iterator[bytes]:
    """A playlist as it is told of segment by segment, never more than so many of them at once."""
    head, _, rest = data.partition(b"100\n")  # the first segment's number is the end of the head
    each = _SEGMENT.findall(rest)
    for step in range(len(each) - count + 1):
        yield head + b"%d\n" % (100 + step) + b"".join(each[step : step + count])


def _cost_row(what: str, versions: Sequence[bytes], rules: Rules) -> str:
    first, following = versions[0], versions[1:]
    times = max(4800 // max(240, first.count(b"\n#EXTINF")), 1)
    passes = max(times // len(following), 1)
    explain, strip = (
        partial(treat_hls, treatment=Treatment(policy=policy), rules=rules, base=CONTEXT.base)
        for policy in (AdPolicy.EXPLAIN, AdPolicy.STRIP)
    )
    rounds = [
        {
            "explain": _seconds_cold(partial(explain, first), times),
            "strip": _seconds_cold(partial(strip, first), times),
            "next": _seconds(lambda: [strip(data) for data in following], passes) / len(following),
            "scan": _seconds(partial(scan, first), times),
            "rewrite": _seconds(partial(rewrite, first, CONTEXT), times),
        }
        for _ in range(ROUNDS)
    ]
    shares = {
        policy: [100 * taken[policy] / (taken["scan"] + taken["rewrite"]) for taken in rounds]
        for policy in ("explain", "strip", "next")
    }
    met = max(statistics.median(shares[name]) for name in ("strip", "next")) <= TARGET
    cells = [
        *(_share(shares[name], [taken[name] for taken in rounds]) for name in shares),
        f"{_median([taken['scan'] + taken['rewrite'] for taken in rounds]):.3f} ms",
        f"{_median([taken['rewrite'] for taken in rounds]):.3f} ms",
    ]
    names = ", ".join(rule.name for rule in rules.items)
    return f"| {what} | {names} | {' | '.join(cells)} | ≤ {TARGET} %{'' if met else ', missed'} |"


def _seconds_cold(work: Callable[[], object], times: int) -> float:
    """Of one call that finds nothing remembered of any playlist."""
    gc.collect()
    taken = 0.0
    for _ in range(times):
        for memo in MEMOS:
            memo.cache_clear()
        started = time.process_time()
        work()
        taken += time.process_time() - started
    return taken / times


def _seconds(work: Callable[[], object], times: int) -> float:
    """Of one call, over several."""
    gc.collect()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def _share(percents: Sequence[float], taken: Sequence[float]) -> str:
    return f"{statistics.median(percents):.0f} % ({_median(taken):.3f} ms)"


def _median(taken: Sequence[float]) -> float:
    return statistics.median(taken) * 1e3
