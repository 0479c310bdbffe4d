from __future__ import annotations

from pathlib import Path

from tests.acceptance.conftest import SECONDS
from tests.acceptance.running import command, environment


async def test_the_demo_checks_itself_and_says_so_last(tmp_path: Path, clip: Path) -> None:
    done = await command(environment(tmp_path), "demo", "--file", str(clip), "--check")

    assert done.status == 0, done.err
    summary = done.rows[-1]
    assert summary["ok"] is True
    assert (summary["frames"], summary["renditions"]) == (SECONDS * 24, 2)
    assert 0 < summary["seconds_to_first_play"] < summary["seconds"]


async def test_the_demo_fails_on_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear reader")
    done = await command(
        environment(tmp_path), "demo", "--file", str(tmp_path / "letter.mp4"), "--check"
    )
    assert done.status == 1
    assert '"ok": true' not in done.out
    assert "kawa: " in done.err
    assert "Traceback" not in done.err
