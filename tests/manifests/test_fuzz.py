from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lacking import lacking
from tests.manifests import corpus

ROOT = Path(__file__).parents[2]
SECONDS = 8  # for each format
SECONDS_PER_INPUT = 5
MEMORY_MB = 1024
SEED_BYTES = 12_000
SEEDS = 60
_DICTIONARY = {
    "hls": (
        "#EXTM3U",
        "#EXTINF:6,",
        "#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1080",
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=",
        "#EXT-X-KEY:METHOD=AES-128,URI=",
        "#EXT-X-MAP:URI=",
        "#EXT-X-PART:DURATION=1,URI=",
        "#EXT-X-DEFINE:NAME=",
        "#EXT-X-DATERANGE:ID=",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=",
        "{$base}",
        "https://origin.example/vod/",
        "//cdn.example:8080/a/b/",
        "../",
    ),
    "dash": (
        "<MPD>",
        "<Period>",
        "<AdaptationSet>",
        "<Representation>",
        "<BaseURL>",
        "</BaseURL>",
        "<SegmentTemplate media=",
        "<![CDATA[",
        "]]>",
        "<!--",
        "&#x2f;",
        "&amp;",
        "xmlns:",
        "xlink:href=",
        "$Number%05d$",
        "https://origin.example/vod/",
        "//cdn.example:8080/a/b/",
    ),
}


@pytest.fixture
def atheris() -> None:
    if not importlib.util.find_spec("atheris"):
        lacking("atheris is not installed: make setup, on Linux x86_64 with a Python before 3.14")


def plant(form: str, folder: Path) -> Path:
    """The smaller files of the corpus, each with a filter and a context."""
    seeds = folder / "seeds"
    seeds.mkdir()
    files = corpus.hls() if form == "hls" else corpus.dash()
    small = [path for path in files if path.stat().st_size <= SEED_BYTES]
    for number, path in enumerate(small[:: max(1, len(small) // SEEDS)]):
        (seeds / path.name).write_bytes(bytes((number, number // 2)) + path.read_bytes())
    words = [word.replace("\\", "\\\\").replace('"', '\\"') for word in _DICTIONARY[form]]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    return seeds


@pytest.mark.usefixtures("atheris")
@pytest.mark.parametrize("form", ["hls", "dash"])
def test_any_bytes_end_in_a_result_or_in_our_own_error(form: str, tmp_path: Path) -> None:
    seeds = plant(form, tmp_path)
    found = tmp_path / "found"
    found.mkdir()
    done = subprocess.run(
        [
            # A process inherits its parent's peak of memory, and this one may have had a large one: the shell has not.
            *("sh", "-c", '"$@"; exit "$?"', "sh"),
            *(sys.executable, "-m", "tests.manifests.fuzz_target"),
            *("-seed=20", f"-max_total_time={SECONDS}", f"-timeout={SECONDS_PER_INPUT}"),
            *(f"-rss_limit_mb={MEMORY_MB}", f"-max_len={SEED_BYTES + 2}"),
            *(f"-dict={tmp_path / 'words'}", f"-artifact_prefix={found}/", "-print_final_stats=1"),
            str(seeds),
        ],
        cwd=ROOT,
        capture_output=True,
        timeout=SECONDS + 60,
        check=False,
    )

    report = done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
    kept = {path.name: path.read_bytes()[:400] for path in found.iterdir()}
    assert done.returncode == 0, f"{report[-3000:]}\n{kept}"
    assert not kept
    assert runs_of(report) > 200


def runs_of(report: str) -> int:
    """How many inputs libFuzzer says it tried."""
    (line,) = [line for line in report.splitlines() if "number_of_executed_units" in line]
    return int(line.rpartition(":")[2])
