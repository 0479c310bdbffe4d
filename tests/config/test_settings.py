from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.settings.load import BadSettings, Settings, read_settings
from config.settings.origins import FolderOrigin
from config.settings.reference import ENTRY, example_env, groups, main, markdown, write

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse-battery"


def write_toml(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "kawa.toml"
    file.write_text(text)
    monkeypatch.setenv("KAWA_CONFIG", str(file))


def write_secret(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / name).write_text(text)
    monkeypatch.setenv("KAWA_SECRETS_DIR", str(secrets))


def test_without_anything_set_every_setting_has_its_default() -> None:
    assert read_settings() == Settings.model_construct(
        **{name: field.default for name, field in Settings.model_fields.items()}
    )


def test_the_environment_wins_over_the_file_and_the_file_over_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret(tmp_path, "postgres__dsn", "postgresql://secret\n", monkeypatch)
    write_secret(tmp_path, "postgres__pool_size", "3\n", monkeypatch)
    write_secret(tmp_path, "redis__pool_size", "3\n", monkeypatch)
    write_toml(
        tmp_path,
        "[postgres]\npool_size = 5\nconnect_timeout = 9\n[redis]\npool_size = 5\n",
        monkeypatch,
    )
    monkeypatch.setenv("KAWA_REDIS__POOL_SIZE", "7")

    settings = read_settings()

    assert settings.postgres.dsn is not None
    assert settings.postgres.dsn.get_secret_value() == "postgresql://secret"
    assert settings.postgres.pool_size == 5
    assert settings.postgres.connect_timeout == timedelta(seconds=9)
    assert settings.redis.pool_size == 7


def test_kawa_toml_of_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toml(tmp_path, '[log]\nlevel = "debug"\n', monkeypatch)
    monkeypatch.delenv("KAWA_CONFIG")
    monkeypatch.chdir(tmp_path)

    assert read_settings().log.level == "debug"


def test_setting_one_thing_of_a_section_leaves_the_rest_at_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAWA_EDGE__LISTEN__HOST", "0.0.0.0")

    assert read_settings().edge.listen.port == 8080


def test_an_origin_can_be_added_by_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWA_EDGE__ORIGINS__OLD__KIND", "folder")
    monkeypatch.setenv("KAWA_EDGE__ORIGINS__OLD__FOLDER", "/srv/old")

    origins = read_settings().edge.all_origins

    assert origins["old"] == FolderOrigin(kind="folder", folder=Path("/srv/old"))
    assert set(origins) == {"old", "vod"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("45", timedelta(seconds=45), id="seconds"),
        pytest.param("0.25", timedelta(milliseconds=250), id="part of a second"),
        pytest.param("PT1M30S", timedelta(seconds=90), id="ISO 8601"),
        pytest.param("00:01:30", timedelta(seconds=90), id="clock"),
    ],
)
def test_a_length_of_time_is_read(
    text: str, expected: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAWA_EDGE__WRITE_TIMEOUT", text)

    assert read_settings().edge.write_timeout == expected


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWA_POSTGRES__DSN", "")
    monkeypatch.setenv("KAWA_TRANSCODE__FFMPEG", "")

    assert read_settings().postgres.dsn is None
    assert read_settings().transcode.ffmpeg is None


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        pytest.param("KAWA_EDGE__LISTEN__PORT", "65536", "KAWA_EDGE__LISTEN__PORT", id="port"),
        pytest.param("KAWA_LOG__LEVEL", "loud", "KAWA_LOG__LEVEL", id="choice"),
        pytest.param("KAWA_TOKENS__LIFETIME", "soon", "KAWA_TOKENS__LIFETIME", id="time"),
        pytest.param("KAWA_TOKENS__LIFETIME", "-1", "KAWA_TOKENS__LIFETIME", id="negative time"),
        pytest.param("KAWA_EDGE__LISTEN__PROT", "1", "KAWA_EDGE__LISTEN__PROT", id="misspelt leaf"),
        pytest.param("KAWA_EDGES__WORKERS", "1", "KAWA_EDGES__WORKERS", id="misspelt section"),
        pytest.param("KAWA_EDGE_WORKERS", "1", "KAWA_EDGE_WORKERS", id="one underscore"),
        pytest.param("KAWA_EDGE", "{", "KAWA_EDGE", id="broken JSON"),
        pytest.param("KAWA_EDGE__ORIGINS", "{]", "KAWA_EDGE__ORIGINS", id="broken nested JSON"),
        pytest.param(
            "KAWA_EDGE__ORIGINS__X__KIND", "folder", "KAWA_EDGE__ORIGINS__X", id="origin's name"
        ),
        pytest.param(
            "KAWA_EDGE__ORIGINS__OLD__KIND",
            "folder",
            "KAWA_EDGE__ORIGINS__OLD__FOLDER",
            id="missing part of an entry",
        ),
        pytest.param("KAWA_SECRETS_DIR", "/no/such/folder", "KAWA_SECRETS_DIR", id="secrets"),
    ],
)
def test_a_bad_variable_is_named_as_the_operator_wrote_it(
    variable: str, value: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadSettings, match=rf"(^|[ ;]){named}[ :]"):
        read_settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[edge.listen]\nport = -1\n", "KAWA_EDGE__LISTEN__PORT", id="value"),
        pytest.param("[edge]\nlisten_port = 1\n", "edge.listen_port", id="unknown name"),
        pytest.param("[edges]\nworkers = 1\n", "edges", id="unknown section"),
        pytest.param("[edge\n", "kawa.toml", id="no TOML"),
        pytest.param("[storage.s3]\nbucket = 'ab'\nport = 1\n", "__BUCKET.*__PORT", id="two"),
    ],
)
def test_a_bad_line_of_kawa_toml_is_named(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toml(tmp_path, text, monkeypatch)

    with pytest.raises(BadSettings, match=said):
        read_settings()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kawa.toml"
    file.write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("KAWA_CONFIG", str(file))

    with pytest.raises(BadSettings, match=r"kawa\.toml"):
        read_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("KAWA_POSTGRES", f"postgresql://u:{PASSWORD}@h/d", id="section as text"),
        pytest.param("KAWA_POSTGRES", f'{{"dsn": ["{PASSWORD}"]}}', id="wrong type"),
        pytest.param("KAWA_POSTGRES", f'{{"password": "{PASSWORD}"}}', id="wrong name"),
        pytest.param("KAWA_POSTGRES", f'{{"dsn": "{PASSWORD}"', id="broken JSON"),
        pytest.param("KAWA_POSTGRES__DSN__PASSWORD", PASSWORD, id="too deep"),
        pytest.param("KAWA_POSTGRES__PASSWORD", PASSWORD, id="unknown leaf"),
        pytest.param("KAWA_PASSWORD", PASSWORD, id="unknown top"),
        pytest.param("KAWA_POSTGRES__POOL_SIZE", PASSWORD, id="secret at the wrong place"),
    ],
)
def test_a_refusal_never_shows_the_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadSettings) as refusal:
        read_settings()

    assert "KAWA_" in str(refusal.value)
    assert PASSWORD not in str(refusal.getrepr(chain=True)) + str(refusal.value)


@pytest.mark.parametrize(
    "toml",
    [
        pytest.param(f'[postgres]\ndsn = "{PASSWORD}', id="unterminated"),
        pytest.param(f'postgres = "{PASSWORD}"', id="not a section"),
        pytest.param(f'[redis]\nurl = ["{PASSWORD}"]', id="wrong type"),
    ],
)
def test_a_refusal_of_kawa_toml_never_shows_the_value(
    toml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toml(tmp_path, toml, monkeypatch)

    with pytest.raises(BadSettings) as refusal:
        read_settings()

    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize("name", ["postgres", "postgres__pool_size", "storage__s3"])
def test_a_refusal_of_a_secret_file_never_shows_what_it_holds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret(tmp_path, name, f'{{"dsn": "{PASSWORD}', monkeypatch)

    with pytest.raises(BadSettings, match=f"KAWA_{name.split('__')[0].upper()}") as refusal:
        read_settings()

    assert PASSWORD not in str(refusal.value)


def test_secrets_print_as_stars_and_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        "KAWA_POSTGRES__DSN",
        "KAWA_REDIS__URL",
        "KAWA_STORAGE__S3__ACCESS_KEY",
        "KAWA_STORAGE__S3__SECRET_KEY",
    ):
        monkeypatch.setenv(variable, PASSWORD)

    settings = read_settings()

    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert PASSWORD not in shown
        assert shown.count("**********") == 4
    assert settings.redis.url is not None
    assert settings.redis.url.get_secret_value() == PASSWORD


def test_other_files_beside_the_secrets_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret(tmp_path, "redis__url", "redis://r/0", monkeypatch)
    write_secret(tmp_path, "tls.crt", "of another program", monkeypatch)
    account = tmp_path / "secrets" / "kubernetes.io" / "serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text("of the cluster")

    assert read_settings().redis.url is not None


@pytest.mark.parametrize("program", ["edge", "catalog", "transcode"])
def test_a_program_with_bad_settings_says_so_in_one_line_and_exits_with_2(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program],
        env={**os.environ, "KAWA_LOG__LEVEL": "loud"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"kawa: bad settings: KAWA_LOG__LEVEL .+\n", done.stderr)


def every_field(model: type[BaseModel], path: str = "") -> list[str]:
    """The paths of all fields, found without the help of the code under test."""
    found = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        assert field.description, f"{path}{name} has no description"
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += every_field(annotation, f"{path}{name}__")
        else:
            found.append(f"{path}{name}")
    return found


def test_every_setting_has_a_description_and_a_line_in_example_env() -> None:
    fields = {f"KAWA_{name.upper()}" for name in every_field(Settings)}

    lines = set(re.findall(r"^# (KAWA_\w+)=", (ROOT / "example.env").read_text(), re.MULTILINE))

    assert fields <= lines
    assert {line for line in lines - fields if ENTRY not in line} == {
        "KAWA_CONFIG",
        "KAWA_SECRETS_DIR",
    }


def test_example_env_and_the_table_in_the_readme_are_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    readme = (ROOT / "config" / "README.md").read_text()
    (tmp_path / "config" / "README.md").write_text(readme)

    write(tmp_path)

    mend = "python -m config.settings.reference write"
    assert (ROOT / "example.env").read_text() == (tmp_path / "example.env").read_text(), mend
    assert readme == (tmp_path / "config" / "README.md").read_text(), mend
    assert markdown() in readme


def test_every_line_of_example_env_means_what_is_the_case_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = read_settings()
    for group in groups():
        for setting in group.settings:
            if ENTRY not in setting.path:
                monkeypatch.setenv(setting.variable, setting.default)

    assert read_settings() == expected


def test_the_reference_is_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markdown"]) == 0
    assert capsys.readouterr().out == markdown()
    assert main(["env"]) == 0
    assert capsys.readouterr().out == example_env()
    assert main(["html"]) == 2
    assert "usage" in capsys.readouterr().err
