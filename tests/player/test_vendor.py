from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PLAYER = Path(__file__).parents[2] / "edge" / "player"
LOCKS = [PLAYER / "package-lock.json", PLAYER.parents[1] / "tests" / "package-lock.json"]

CONTENTS = {
    ".installed",
    "dash.LICENSE.txt",
    "dash.mediaplayer.min.js",
    "hls.LICENSE.txt",
    "hls.min.js",
    "shaka-player.LICENSE.txt",
    "shaka-player.min.js",
}
MAX_VENDOR_BYTES = 2_500_000


def test_vendoring_replaces_whatever_was_there(player_folder: Path, tmp_path: Path) -> None:
    shutil.copy(player_folder / "vendor.sh", tmp_path)
    for package in ("hls.js", "dashjs", "shaka-player"):
        shutil.copytree(
            player_folder / "node_modules" / package,
            tmp_path / "node_modules" / package,
            ignore=shutil.ignore_patterns("*.map", "*.debug.js", "src", "lib", "ui"),
        )
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "left-over.js").touch()

    subprocess.run([tmp_path / "vendor.sh"], check=True, cwd="/", timeout=30)

    files = list((tmp_path / "vendor").iterdir())
    assert {file.name for file in files} == CONTENTS
    assert sum(file.stat().st_size for file in files) < MAX_VENDOR_BYTES
    assert all(file.stat().st_size for file in files if file.name != ".installed")


def test_a_failed_vendoring_leaves_the_old_libraries(tmp_path: Path) -> None:
    shutil.copy(PLAYER / "vendor.sh", tmp_path)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "hls.min.js").touch()

    outcome = subprocess.run([tmp_path / "vendor.sh"], check=False, capture_output=True, timeout=30)

    assert outcome.returncode != 0
    assert (tmp_path / "vendor" / "hls.min.js").exists()


@pytest.mark.parametrize("lock", LOCKS, ids=["player", "tests"])
def test_the_lock_files_name_no_registry_and_prove_every_package(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}

    assert installed
    assert not any("resolved" in entry for entry in installed.values())
    assert all(entry["integrity"].startswith("sha512-") for entry in installed.values())


def test_versions_are_exact_in_both_manifests() -> None:
    for lock in LOCKS:
        manifest = json.loads((lock.parent / "package.json").read_text())
        wanted = {**manifest.get("dependencies", {}), **manifest.get("devDependencies", {})}
        assert wanted
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())


def test_the_page_holds_no_inline_code_and_names_no_other_host() -> None:
    page = (PLAYER / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []
    for file in [*PLAYER.glob("*.js"), *PLAYER.glob("*.css"), PLAYER / "index.html"]:
        links = re.findall(r"https?://[a-z0-9.-]+", file.read_text())
        assert set(links) <= {"http://www.w3.org"}, file.name
