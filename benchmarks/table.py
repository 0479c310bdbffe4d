"""One line of the table of speed, how it is printed, and where it is kept."""

from __future__ import annotations

import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured, beside whom, and whether the target was met; ``None`` where there is no target."""

    work: str
    peer: str
    figure: str
    target: str
    met: bool | None

    def __str__(self) -> str:
        mark = {True: "", False: ", missed", None: ""}[self.met]
        return f"| {self.work} | {self.peer} | {self.figure} | {self.target}{mark} |"


def compared(
    *,
    work: str,
    peer: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    unit: str,
    least: float | None,
    note: str = "",
) -> Row:
    """A row from rounds taken in turns: the median of the rounds' ratios, and both medians."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    figure = (
        f"{ratio:.2f} x ({min(ratios):.2f} to {max(ratios):.2f};"
        f" {readable(statistics.median(ours))} and {readable(statistics.median(theirs))} {unit}"
        f"{note and f'; {note}'})"
    )
    target = "none" if least is None else f"≥ {least:g} x"
    met = None if least is None else ratio >= least
    return Row(work=work, peer=peer, figure=figure, target=target, met=met)


def readable(value: float) -> str:
    """A figure with about three digits."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * size:
            return f"{value / size:.0f} {letter}"
        if value >= size:
            return f"{value / size:.2f} {letter}"
    return f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """All rows as Markdown."""
    return "\n".join(["| work | peer | measured | target |", "|---|---|---|---|", *map(str, rows)])


def keep(rows: Sequence[Row], *, how: str) -> None:
    """Rewrite the marked section of RESULTS.md; nothing else in it changes."""
    today = datetime.now(UTC).date().isoformat()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    keep_section("edge", f"{today}, {how}; {python}.\n\n{table(rows)}")


def keep_section(name: str, body: str) -> None:
    """Rewrite what stands between a section's two marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    marked = re.compile(rf"(?<={re.escape(begin)}\n).*(?={re.escape(end)})", re.DOTALL)
    changed, count = marked.subn(lambda _: f"{body}\n", RESULTS.read_text())
    if count != 1:
        raise ValueError(f"{RESULTS.name} has lost its marks {begin} and {end}")
    RESULTS.write_text(changed)
