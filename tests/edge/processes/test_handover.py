from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from config.settings.load import Settings
from edge.processes.folders import Folders, NoFolder
from edge.processes.handover import Handover


def handed_over(settings: Settings) -> Handover:
    ours, theirs = socket.socketpair()
    handover = Handover(
        name="w0a",
        slot=0,
        count=2,
        peer_socket=Path("/run/w0-0.sock"),
        beat_seconds=0.5,
        keys_file=None,
        carry_secret="carried",
        settings=settings,
    )
    with ours, theirs:
        sending = threading.Thread(target=ours.sendall, args=(handover.to_bytes(),))
        sending.start()
        received = Handover.receive(theirs)
        sending.join()
    assert received.name == "w0a"
    assert received.carry_secret == "carried"
    assert (received.slot, received.count, received.beat_seconds) == (0, 2, 0.5)
    assert received.peer_socket == Path("/run/w0-0.sock")
    return received


def plain(settings: Settings) -> dict[str, object]:
    return settings.model_dump()


def test_settings_arrive_as_they_were_with_their_secrets(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "var_dir": tmp_path,
            "redis": {"url": "redis://:p4ss@h/0", "command_timeout": "PT0.25S"},
            "storage": {"s3": {"access_key": "id", "secret_key": "s3cret"}},
            "edge": {
                "admin_token": "t0ken",
                "origins": {
                    f"o-{number}": {"kind": "http", "url": f"http://{number}.example/a"}
                    for number in range(2000)
                },
            },
        }
    )
    received = handed_over(settings).settings
    assert plain(received) == plain(settings)
    assert received.edge.admin_token is not None
    assert received.edge.admin_token.get_secret_value() == "t0ken"


def test_what_changed_on_the_disk_or_in_the_environment_since_does_not_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    toml = tmp_path / "kawa.toml"
    toml.write_text('[edge]\nworkers = 7\n[edge.origins.late]\nkind = "folder"\nfolder = "/"\n')
    monkeypatch.setenv("KAWA_CONFIG", str(toml))
    monkeypatch.setenv("KAWA_EDGE__WORKERS", "9")
    assert plain(handed_over(settings).settings) == plain(settings)


def test_a_parent_that_ends_in_the_middle_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(b"\0\0\1\0{")
        ours.close()
        with pytest.raises(ConnectionError):
            Handover.receive(theirs)


def test_folders_are_private_and_new(tmp_path: Path) -> None:
    settings = Settings.model_validate({"var_dir": tmp_path})
    old = Folders.make(settings)
    (old.metrics / "counter_w0a.db").touch()
    (old.private / "keys-1.json").touch()
    new = Folders.make(settings)
    assert list(new.metrics.iterdir()) == list(new.private.iterdir()) == []
    assert stat.S_IMODE(new.private.stat().st_mode) == 0o700
    new.remove()
    assert not new.private.exists()


def test_sockets_have_short_paths_even_when_the_folder_has_a_long_one(tmp_path: Path) -> None:
    settings = Settings.model_validate({"var_dir": tmp_path / ("d" * 100)})
    folders = Folders.make(settings)
    path = folders.private / "w63-9999999.sock"
    assert len(os.fsencode(path)) <= 107
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    assert stat.S_IMODE(folders.private.stat().st_mode) == 0o700
    folders.remove()
    assert not folders.private.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoFolder, match="file/run"):
        Folders.make(Settings.model_validate({"var_dir": tmp_path / "file"}))
