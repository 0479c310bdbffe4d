from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.launch.cli import main
from edge.manifests.ads import rule_files
from tests.manifests import corpus

RULE = """\
schema = 1
name = "spots"
version = 1
about = "Our own spots."

[[signal]]
kind = "path"
pattern = '^spots/'
weight = 50

[[test]]
about = "a spot between two pieces of content"
manifest = \"\"\"
#EXTM3U
#EXTINF:4,
a.ts
#EXTINF:4,
spots/1.ts
#EXTINF:4,
b.ts
\"\"\"
breaks = [[1, 1]]

[[test]]
corpus = "hls/none-of-it.m3u8"
"""

Kawa = Callable[..., Result]


@pytest.fixture
def kawa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kawa:
    """``kawa ads`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, **environment: str) -> Result:
        result = CliRunner().invoke(main, ["ads", *map(str, arguments)], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one rule of the operator's."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "spots.toml").write_text(RULE)
    return folder


def rows(result: Result) -> dict[str, Any]:
    """By rule or, of a file that is none, by the file's name."""
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return {row["rule"] or Path(row["file"]).name: row for row in found}


def test_the_shipped_rules_are_good_without_the_corpus_and_with_it(kawa: Kawa) -> None:
    without = kawa("check", "--json")
    folder = corpus.hls()[0].parents[1]
    with_it = kawa("check", "--json", "--corpus", folder)

    assert without.exit_code == with_it.exit_code == 0, with_it.stdout
    assert rows(without)["scte35@1"]["skipped"] > 40
    assert rows(without)["scte35@1"]["passed"] > 10
    assert all(row["skipped"] == 0 and row["failed"] == [] for row in rows(with_it).values())
    assert len(rows(with_it)) == len(rule_files.files_of())


def test_an_operators_rule_is_checked_beside_the_shipped_ones(kawa: Kawa, own: Path) -> None:
    by_argument = kawa("check", own)
    by_setting = kawa("check", KAWA_EDGE__ADS__RULES=str(own))

    assert by_argument.exit_code == by_setting.exit_code == 0
    assert by_argument.stdout == by_setting.stdout
    assert "ok   spots@1          1 passed, 1 need --corpus" in by_argument.stdout
    assert "ok   twitch@1" in by_argument.stdout


def test_a_rule_that_does_not_do_what_its_test_says_fails_by_line(kawa: Kawa, own: Path) -> None:
    file = own / "spots.toml"
    file.write_text(RULE.replace("[[1, 1]]", "[[2, 2]]"))

    told, row = kawa("check", own), rows(kawa("check", "--json", own))["spots@1"]

    assert told.exit_code == 1
    assert "BAD  spots@1          0 passed, 1 failed" in told.stdout
    why = "content, but must be ad: segments 2; ad, but must be content: segments 1"
    assert f"{file}:11: a spot between two pieces of content: {why}" in told.stdout
    assert row["failed"] == [
        {"line": 11, "test": "a spot between two pieces of content", "why": why}
    ]


def test_one_bad_file_does_not_hide_what_the_others_are(kawa: Kawa, own: Path) -> None:
    (own / "bad.toml").write_text(RULE.replace("weight = 50", "wait = 50"))
    (own / "twin.toml").write_text(RULE)

    told = kawa("check", "--json", own)
    found = rows(told)

    assert told.exit_code == 1
    assert found["bad.toml"]["error"] == {
        "line": 6,
        "key": "signal.1.weight",
        "what": "this key is missing",
    }
    assert found["spots@1"]["error"] is None
    assert found["twin.toml"]["error"]["key"] == "version"
    assert "has spots@1 already" in found["twin.toml"]["error"]["what"]
    assert f"BAD  {own / 'bad.toml'}:6: signal.1.weight" in kawa("check", own).stdout


def test_a_corpus_without_the_file_is_a_failure_not_a_pass(kawa: Kawa, own: Path) -> None:
    told = kawa("check", own, "--corpus", own)

    assert told.exit_code == 1
    assert "hls/none-of-it.m3u8: No such file or directory" in told.stdout


def test_the_list_shows_what_an_origin_may_name(kawa: Kawa, own: Path) -> None:
    text, listed = kawa("list", own), rows(kawa("list", own, "--json"))

    assert text.exit_code == 0
    assert "scte35@1         shipped    Breaks that the packager itself marks" in text.stdout
    assert f"spots@1          {own / 'spots.toml'} Our own spots." in text.stdout
    assert set(listed) == {"spots@1"} | {
        rule_files.read(path).rule.label for path in rule_files.files_of()
    }
    assert listed["spots@1"]["signals"] == [{"kind": "path", "weight": 50}]
    assert listed["spots@1"]["shipped"] is False
    assert "cue" in listed["scte35@1"]["splice"]


def test_the_list_of_a_bad_folder_says_why(kawa: Kawa, own: Path) -> None:
    (own / "spots.toml").write_text("schema = ?\n")

    told = kawa("list", own)

    assert told.exit_code == 1
    assert told.stdout == ""
    assert f"kawa: {own / 'spots.toml'}:1: not TOML" in told.stderr


def test_a_folder_that_is_not_there_is_wrong_use_or_said(kawa: Kawa, tmp_path: Path) -> None:
    by_argument = kawa("check", tmp_path / "nowhere")
    by_setting = kawa("check", KAWA_EDGE__ADS__RULES=str(tmp_path / "nowhere"))

    assert by_argument.exit_code == 2
    assert by_setting.exit_code == 1
    assert "no folder of rules" in by_setting.stdout
