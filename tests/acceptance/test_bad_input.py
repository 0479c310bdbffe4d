from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.acceptance.running import Kawa, command, make_clip


@pytest.fixture
def bad(tmp_path: Path, clip: Path) -> dict[str, Path]:
    whole = clip.read_bytes()
    files = {
        "no video": b"A letter, and no video. " * 400,
        "zero bytes": b"",
        "truncated": whole[: len(whole) // 2],
    }
    made = {}
    for name, body in files.items():
        made[name] = tmp_path / f"{name}.mp4"
        made[name].write_bytes(body)
    return made


@pytest.mark.parametrize("name", ["no video", "zero bytes", "truncated"])
async def test_a_file_that_cannot_be_played_is_refused_with_a_reason(
    kawa: Kawa, bad: dict[str, Path], name: str
) -> None:
    before = published_folders(kawa)
    done = await command(kawa.env, "ingest", str(bad[name]))
    assert done.status == 1
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.startswith("kawa: ")]
    assert name in lines[0]
    assert len(lines[0]) > len(f"kawa: {bad[name]}: ") + 10
    assert "Traceback" not in done.err
    assert published_folders(kawa) == before


def published_folders(kawa: Kawa) -> set[str]:
    media = Path(kawa.env["KAWA_VAR_DIR"]) / "storage" / "media"
    return {path.name for path in media.glob("*")}


async def test_a_silent_film_is_published(kawa: Kawa, tmp_path: Path) -> None:
    clip = await make_clip(tmp_path / "silent.mp4", seconds=3, sound=False)
    done = await command(kawa.env, "ingest", "--json", str(clip))
    assert done.status == 0, done.err
    async with (
        ClientSession(raise_for_status=True) as session,
        session.get(done.rows[0]["hls"]) as answer,
    ):
        assert "TYPE=AUDIO" not in await answer.text()


async def test_one_bad_file_does_not_stop_the_others(
    kawa: Kawa, bad: dict[str, Path], tmp_path: Path
) -> None:
    good = await make_clip(tmp_path / "good.mp4", seconds=2, size="320x240", sound=False)
    done = await command(kawa.env, "ingest", "--json", str(bad["no video"]), str(good))
    assert done.status == 1
    assert [row["file"] for row in done.rows] == [str(good)]


async def test_without_a_running_system_the_next_step_is_named(kawa: Kawa, clip: Path) -> None:
    done = await command(
        kawa.env | {"KAWA_CATALOG__LISTEN__PORT": "1"}, "ingest", str(clip), seconds=30
    )
    assert done.status == 1
    assert "kawa up" in done.err
