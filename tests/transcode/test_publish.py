from __future__ import annotations

from pathlib import Path

import pytest

from config.runtime.storage.base import ObjectInfo, StorageError
from config.runtime.storage.folder import FolderStorage
from transcode.errors import SourceMissing, StorageDown
from transcode.publish import fetch, upload, withdraw


class Recorder(FolderStorage):
    """A folder that remembers in which order objects became visible."""

    def __init__(self, root: Path, *, fails_at: str | None = None) -> None:
        super().__init__(root)
        self.seen: list[str] = []
        self.fails_at = fails_at

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        if key == self.fails_at:
            raise StorageError("no")
        info = await super().upload(key, source, move=move)
        self.seen.append(key.removeprefix("media/p/"))
        return info


@pytest.fixture
def produced(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    names = [f"v360/{number}.m4s" for number in range(1, 30)]
    names += ["v360/init.mp4", "v360/media.m3u8", "v360/iframes.m3u8", "a-und/media.m3u8"]
    for name in [*names, "a-und/1.m4s", "manifest.mpd", "master.m3u8"]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


async def test_nothing_is_named_before_it_is_there(produced: Path, tmp_path: Path) -> None:
    storage = Recorder(tmp_path / "storage")
    shares: list[float] = []

    await upload(storage, produced, "media/p", report=shares.append)

    assert len(storage.seen) == 36
    assert storage.seen[-2:] == ["manifest.mpd", "master.m3u8"]
    assert all(name.endswith(".m3u8") for name in storage.seen[-5:-2])
    assert not any(name.endswith((".m3u8", ".mpd")) for name in storage.seen[:-5])
    assert shares == sorted(shares)
    assert shares[-1] == 1


async def test_a_failed_upload_names_no_manifest(produced: Path, tmp_path: Path) -> None:
    storage = Recorder(tmp_path / "storage", fails_at="media/p/v360/7.m4s")

    with pytest.raises(StorageDown):
        await upload(storage, produced, "media/p", report=lambda _share: None)

    assert not any(name.endswith((".m3u8", ".mpd")) for name in storage.seen)


async def test_an_attempt_is_taken_back_whole_and_alone(produced: Path, tmp_path: Path) -> None:
    storage = Recorder(tmp_path / "storage")
    await upload(storage, produced, "media/p", report=lambda _share: None)
    await storage.write("media/p-2/master.m3u8", b"another attempt")

    await withdraw(storage, "media/p")

    assert [key async for key in storage.keys("media/")] == ["media/p-2/master.m3u8"]


async def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        await fetch(FolderStorage(tmp_path), "sources/none", tmp_path / "source")
