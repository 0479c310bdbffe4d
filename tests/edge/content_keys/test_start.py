from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.runtime.processes import WrongUse
from config.settings.load import BadSettings, Settings, read_settings
from edge.content_keys.open import open_key_stores
from tests.edge.content_keys.conftest import MASTERS

DERIVED = {"kind": "derived", "masters": MASTERS}


def opened(folder: Path, origins: dict[str, Any], **changes: Any) -> None:
    edge = {"origins": origins, **changes.pop("edge", {})}
    settings = Settings.model_validate({"var_dir": folder / "var", "edge": edge, **changes})
    open_key_stores(settings, clock=lambda: 0.0)


def folder_keys(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return {"kind": "folder", "folder": folder}


def files(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"kind": "folder", "folder": folder, **changes}


def test_keys_beside_what_is_served_are_fine(tmp_path: Path) -> None:
    keys = folder_keys(tmp_path / "keys")
    opened(
        tmp_path,
        {"films": files(tmp_path / "a", content_keys=keys), "shows": files(tmp_path / "b")},
    )


@pytest.mark.parametrize("served", [".", "keys", "keys/title", "keys/..", "keys/../keys"])
def test_a_folder_that_would_serve_content_keys_is_refused(tmp_path: Path, served: str) -> None:
    keys = folder_keys(tmp_path / "deep" / "keys")
    origins = {
        "films": files(tmp_path / "films", content_keys=keys),
        "shows": files(tmp_path / "deep" / served),
    }
    with pytest.raises(
        WrongUse, match=r"edge\.origins\.shows\.folder: .* the content keys of edge\.origins\.films"
    ):
        opened(tmp_path, origins)


def test_keys_behind_a_link_are_found(tmp_path: Path) -> None:
    folder_keys(tmp_path / "a" / "keys")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "a" / "keys")
    keys = {"kind": "folder", "folder": tmp_path / "elsewhere"}
    with pytest.raises(WrongUse, match="would serve the content keys"):
        opened(tmp_path, {"films": files(tmp_path / "a", content_keys=keys)})


def test_keys_inside_storage_are_refused(tmp_path: Path) -> None:
    keys = folder_keys(tmp_path / "var" / "storage" / "media" / "keys")
    with pytest.raises(WrongUse, match=r"edge\.origins\.vod\.prefix"):
        opened(tmp_path, {"films": files(tmp_path / "a", content_keys=keys)})


@pytest.mark.parametrize("served", ["var", "var/secrets", "var/secrets/deep", "."])
def test_a_folder_that_would_serve_kawas_secrets_is_refused(tmp_path: Path, served: str) -> None:
    with pytest.raises(WrongUse, match=r"edge\.origins\.films\.folder: .*Kawa's own secrets"):
        opened(tmp_path, {"films": files(tmp_path / served)})


def test_a_folder_that_would_serve_the_signing_keys_is_refused(tmp_path: Path) -> None:
    keys_file = {"keys_file": tmp_path / "a" / "jwks.json"}
    with pytest.raises(WrongUse, match="the file of signing keys"):
        opened(tmp_path, {"films": files(tmp_path / "a")}, tokens=keys_file)


def test_a_folder_that_would_serve_secret_settings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAWA_SECRETS_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    with pytest.raises(WrongUse, match="the folder of secret settings"):
        opened(tmp_path, {"films": files(tmp_path / "run" / "media")})


def test_a_folder_of_keys_that_is_not_there_is_refused(tmp_path: Path) -> None:
    keys = {"kind": "folder", "folder": tmp_path / "none"}
    with pytest.raises(
        WrongUse, match=r"edge\.origins\.films\.content_keys\.folder: .* is not a folder"
    ):
        opened(tmp_path, {"films": files(tmp_path / "a", content_keys=keys)})


def test_the_root_origin_gives_no_keys(tmp_path: Path) -> None:
    origin = {"kind": "http", "url": "http://127.0.0.1:1", "public": True, "content_keys": DERIVED}
    with pytest.raises(WrongUse, match="the root origin is served without tokens"):
        opened(tmp_path, {"root": origin}, edge={"root_origin": "root"})


@pytest.mark.parametrize(
    "masters",
    [
        {},
        {"m1": ""},
        {"m1": "00" * 31},
        {"m1": "00" * 65},
        {"m1": "0" * 65},
        {"m1": "zz" * 32},
        {"m.1": "00" * 32},
        {"M1": "00" * 32},
        {"": "00" * 32},
    ],
    ids=str,
)
def test_a_bad_master_secret_is_refused_without_being_shown(
    tmp_path: Path, masters: dict[str, str]
) -> None:
    keys = {"kind": "derived", "masters": masters}
    with pytest.raises(ValueError, match="content_keys") as caught:
        opened(tmp_path, {"films": files(tmp_path / "a", content_keys=keys)})
    assert not any(len(text) > 8 and text in str(caught.value) for text in masters.values())


def test_the_environment_can_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "KAWA_EDGE__ORIGINS__VOD__"
    monkeypatch.setenv(f"{name}KIND", "storage")
    monkeypatch.setenv(f"{name}CONTENT_KEYS__KIND", "derived")
    monkeypatch.setenv(f"{name}CONTENT_KEYS__MASTERS__M1", "ab" * 32)
    stores = open_key_stores(read_settings(), clock=lambda: 0.0)
    assert list(stores) == ["vod"]

    monkeypatch.setenv(f"{name}CONTENT_KEYS__MASTERS__M1", "ab" * 3)
    with pytest.raises(BadSettings) as caught:
        read_settings()
    assert str(caught.value).startswith(
        "KAWA_EDGE__ORIGINS__VOD__CONTENT_KEYS__MASTERS__M1 (edge.origins.vod.content_keys.masters.m1): "
    )
    assert "abab" not in str(caught.value)


def test_a_secret_shows_in_no_print_of_the_settings(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"edge": {"origins": {"films": files(tmp_path, content_keys=DERIVED)}}}
    )
    assert MASTERS["m1"] not in repr(settings)
    assert MASTERS["m1"] not in settings.model_dump_json()
