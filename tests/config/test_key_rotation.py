from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from config.contracts.tokens import MAX_LIFETIME_SECONDS
from config.runtime import key_files
from config.runtime.key_files import locked
from config.runtime.key_rotation import (
    add_key,
    all_keys,
    replace_now,
    rotate,
    state_of,
)
from config.runtime.keys import BadKeys, KeySet, make_key_file
from tests.lacking import lacking

DAY = 86400
NOW = 2_000_000_000.0
PUBLISH, OVERLAP = 900, 8 * DAY


def rotated(path: Path, *, now: float, **options: Any) -> str:
    done = rotate(path, publish_seconds=PUBLISH, overlap_seconds=OVERLAP, now=now, **options)
    return done.key_id


def states(path: Path, *, now: float) -> dict[str, str]:
    keys = all_keys(path)
    return {name: state_of(key, keys, now=now) for name, key in keys.keys.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "keys.json"


def test_the_first_key_of_a_file_signs_at_once(path: Path) -> None:
    key = add_key(path, algorithm=None, key_id=None, publish_seconds=PUBLISH, now=NOW)

    assert KeySet.read(path, now=NOW).signing_key(now=NOW).key_id == key.key_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_further_key_is_published_before_it_signs_and_retires_nobody(path: Path) -> None:
    add_key(path, algorithm="ES256", key_id="old", publish_seconds=PUBLISH, now=NOW)

    add_key(path, algorithm="HS256", key_id="new", publish_seconds=PUBLISH, now=NOW)

    assert states(path, now=NOW) == {"old": "signs", "new": "waits"}
    assert states(path, now=NOW + PUBLISH) == {"old": "verifies", "new": "signs"}
    assert states(path, now=NOW + 9999 * DAY) == {"old": "verifies", "new": "signs"}


def test_over_a_rotation_some_key_signs_and_every_token_has_its_key_until_it_ends(
    path: Path,
) -> None:
    rotated(path, now=NOW - DAY, key_id="first")
    tokens: dict[str, float] = {}  # the last end of a token that each key has signed
    second = 0.0
    while second < 40 * DAY:
        now = NOW + second
        if second in (DAY, 12 * DAY, 25 * DAY):
            rotated(path, now=now)
        keys = KeySet.read(path, now=now)
        tokens[keys.signing_key(now=now).key_id] = now + MAX_LIFETIME_SECONDS
        for name, end in tokens.items():
            assert end < now or name in keys.keys
        second += 3600

    assert len(tokens) == 4
    assert len(KeySet.read(path, now=NOW + 40 * DAY).keys) == 1  # the readers have let go of three
    assert len(all_keys(path).keys) == 2  # and so has the file, at each rotation, of what had ended


def test_a_key_that_retires_already_keeps_its_end(path: Path) -> None:
    first, second = rotated(path, now=NOW), rotated(path, now=NOW)
    end = all_keys(path).keys[first].expires_at

    rotated(path, now=NOW + DAY)

    keys = all_keys(path).keys
    assert end == keys[first].expires_at == NOW + PUBLISH + OVERLAP
    assert keys[second].expires_at == NOW + DAY + PUBLISH + OVERLAP


def test_a_key_in_wrong_hands_is_gone_at_once(path: Path) -> None:
    rotated(path, now=NOW, key_id="stolen")
    rotated(path, now=NOW, key_id="also-in-the-file")

    done = replace_now(path, now=NOW)

    assert done.dropped == ("also-in-the-file", "stolen")
    assert states(path, now=NOW) == {done.key_id: "signs"}


def test_keys_of_others_in_the_file_stay(path: Path) -> None:
    rotated(path, now=NOW, key_id="ours")
    document = json.loads(path.read_bytes())
    others = KeySet.of(RSA_AND_AES, source="test").public()["keys"] + [RSA_AND_AES["keys"][1]]
    path.write_text(json.dumps({"keys": [*document["keys"], *others], "note": "kept"}))

    rotated(path, now=NOW, key_id="second")
    replace_now(path, key_id="third", now=NOW)

    assert states(path, now=NOW) == {"theirs": "verifies", "aes": "decrypts", "third": "signs"}
    assert json.loads(path.read_bytes())["note"] == "kept"


RSA_AND_AES: dict[str, Any] = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "theirs",
            "alg": "EdDSA",
            # RFC 8037 Appendix A.1
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        },
        {"kty": "oct", "kid": "aes", "alg": "A128GCM", "use": "enc", "k": "4uFxxV7fhNmrtiah2d1fFg"},
    ]
}


def test_the_next_key_is_of_the_same_kind(path: Path) -> None:
    rotated(path, now=NOW, algorithm="ES256")

    name = rotated(path, now=NOW)

    assert all_keys(path).keys[name].algorithm == "ES256"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"key_id": "a"}, "already", id="kid that is there"),
        pytest.param({"key_id": "a/b"}, "kid", id="kid with a slash"),
        pytest.param({"algorithm": "RS256"}, "one of", id="algorithm that we do not sign with"),
    ],
)
def test_a_new_key_that_cannot_be_leaves_the_file_as_it_was(
    options: dict[str, str], said: str, path: Path
) -> None:
    rotated(path, now=NOW, key_id="a")
    before = path.read_bytes()

    with pytest.raises(BadKeys, match=said):
        rotated(path, now=NOW, **options)

    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]


def test_a_broken_file_is_not_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{")

    with pytest.raises(BadKeys, match="not JSON"):
        replace_now(path, now=NOW)

    assert path.read_text() == "{"


def test_a_file_that_others_can_read_is_not_added_to(path: Path) -> None:
    rotated(path, now=NOW)
    path.chmod(0o644)

    with pytest.raises(BadKeys, match="chmod 600"):
        rotated(path, now=NOW)


def test_a_file_of_public_keys_that_gets_a_private_one_is_for_its_owner_only(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(KeySet.of(RSA_AND_AES, source="test").public()))
    path.chmod(0o644)

    rotated(path, now=NOW)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_one(tmp_path: Path) -> None:
    path, link = tmp_path / "real" / "keys.json", tmp_path / "link.json"
    rotated(path, now=NOW)
    link.symlink_to(path)

    rotated(link, now=NOW)

    assert link.is_symlink()
    assert len(all_keys(path).keys) == 2


def test_the_owner_and_the_mode_of_the_file_stay(path: Path) -> None:
    if os.geteuid() != 0:
        lacking("only root can give a file away: run the tests as root")
    rotated(path, now=NOW)
    os.chown(path, 10001, 10002)
    path.chmod(0o400)

    rotated(path, now=NOW)

    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (10001, 10002, 0o400)


def test_rotations_at_once_lose_nothing(path: Path) -> None:
    names = [f"k{number}" for number in range(6)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_rotate, args=(path, name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0] * 6
    keys = all_keys(path).keys
    assert set(names) < set(keys)
    assert len(keys) == 7  # and one that whoever came first has made
    assert sum(key.expires_at is None for key in keys.values()) == 1
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]


def _rotate(path: Path, name: str) -> None:
    make_key_file(path)
    rotated(path, now=time.time(), key_id=name)


def test_who_waits_too_long_for_the_lock_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_files, "_LOCK_SECONDS", 0.05)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(path):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(60)
        with pytest.raises(BadKeys, match="another process"):
            rotated(path, now=NOW)
    finally:
        done.set()
        holder.join()


def test_a_reader_never_sees_half_a_file(path: Path) -> None:
    rotated(path, now=NOW)
    script = (
        "import pathlib, sys\n"
        "from config.runtime.key_rotation import rotate\n"
        "for number in range(40):\n"
        "    rotate(pathlib.Path(sys.argv[1]), publish_seconds=0, overlap_seconds=1, now=float(number))\n"
    )
    root = Path(__file__).parents[2]
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=root)
    reads = 0
    while writer.poll() is None:
        assert KeySet.read(path, now=0).keys
        reads += 1

    assert writer.returncode == 0
    assert reads > 0
