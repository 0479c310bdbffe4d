from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from config.launch import running
from config.launch.cli import main
from config.runtime.key_rotation import all_keys
from config.runtime.keys import KeySet

DAY = 86400


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Kawa = Callable[..., Done]


@pytest.fixture
def kawa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kawa:
    """``kawa keys`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "setup_logging", lambda *_, **__: None)  # this process has its own

    def run(*arguments: str, **environment: str) -> Done:
        result = CliRunner().invoke(main, ["keys", *arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def rows(kawa: Kawa, *arguments: str) -> list[dict[str, Any]]:
    listed = kawa("list", "--json", *arguments)
    assert listed.returncode == 0, listed.stderr
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def test_a_key_from_its_making_to_its_end(kawa: Kawa, tmp_path: Path) -> None:
    assert kawa("new", "--kid", "first").returncode == 0
    [first] = rows(kawa)
    assert (first["kid"], first["alg"], first["state"]) == ("first", "EdDSA", "signs")

    done = json.loads(kawa("rotate", "--kid", "second", "--json").stdout)

    assert (done["kid"], done["retired"], done["dropped"]) == ("second", ["first"], [])
    assert done["retired_until"] - done["nbf"] == 8 * DAY
    assert [row["state"] for row in rows(kawa)] == ["signs", "waits"]

    done = json.loads(kawa("rotate", "--now", "--json").stdout)

    assert done["dropped"] == ["first", "second"]
    assert [row["state"] for row in rows(kawa)] == ["signs"]
    path = tmp_path / "var" / "secrets" / "keys.json"
    assert list(KeySet.read(path).keys) == [done["kid"]]


def test_people_read_what_happens_and_never_a_key(kawa: Kawa, tmp_path: Path) -> None:
    shown = [kawa("new", "--alg", "HS256"), kawa("rotate", "--publish", "1h"), kawa("list")]

    assert [done.returncode for done in shown] == [0, 0, 0]
    text = "".join(done.stdout + done.stderr for done in shown)
    assert re.search(r"signs now\n", text)
    assert re.search(r"signs from \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\n  verify until ", text)
    assert re.search(r"HS256 +waits, signs from ", text)
    document = json.loads((tmp_path / "var" / "secrets" / "keys.json").read_bytes())
    assert all(key["k"] not in text for key in document["keys"])


def test_lengths_are_said_on_the_line_or_in_the_settings(kawa: Kawa, tmp_path: Path) -> None:
    path = tmp_path / "var" / "secrets" / "keys.json"
    kawa("new", "--kid", "1")

    kawa("rotate", "--kid", "2", "--overlap", "36h", "--publish", "0")
    kawa("rotate", "--kid", "3", KAWA_TOKENS__KEY_OVERLAP="P2D", KAWA_TOKENS__KEY_PUBLICATION="60")

    keys = all_keys(path).keys
    assert keys["1"].expires_at == keys["2"].not_before + 36 * 3600
    assert keys["2"].expires_at == keys["3"].not_before + 2 * DAY
    assert keys["3"].not_before - keys["2"].not_before >= 60


def test_keys_of_another_signer_are_in_a_file_of_their_own(kawa: Kawa, tmp_path: Path) -> None:
    made = kawa("new", "--alg", "PS256", "--file", "partner.json")

    assert made.returncode == 0, made.stderr
    assert rows(kawa, "--file", "partner.json")[0]["alg"] == "PS256"
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["new", "--alg", "PS256"], "--file", id="not for playback tokens"),
        pytest.param(["new", "--alg", "none"], "--alg", id="no algorithm"),
        pytest.param(["new", "--kid", "a b"], "kid", id="bad kid"),
        pytest.param(["rotate", "--overlap", "1h"], "shorter than a session", id="overlap"),
        pytest.param(["rotate", "--overlap", "1w"], "8d, 36h", id="unknown unit"),
        pytest.param(["rotate", "--overlap", "-1d"], "8d, 36h", id="negative"),
        pytest.param(["rotate", "--now", "--overlap", "9d"], "--now has neither", id="both"),
        pytest.param(["list"], "No such file", id="nothing there"),
    ],
)
def test_wrong_use_is_said_in_a_line(kawa: Kawa, arguments: list[str], said: str) -> None:
    refused = kawa(*arguments)

    assert refused.returncode == 2
    assert said in refused.stderr


def test_a_file_that_others_can_read_is_refused(kawa: Kawa, tmp_path: Path) -> None:
    kawa("new")
    (tmp_path / "var" / "secrets" / "keys.json").chmod(0o644)

    for command in (["list"], ["new"], ["rotate"], ["rotate", "--now"]):
        refused = kawa(*command)
        assert refused.returncode == 2
        assert "chmod 600" in refused.stderr
