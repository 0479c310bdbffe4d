"""Reads the settings of all programs from the environment, kawa.toml and secret files, in that order."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from config.settings.catalog import CatalogSettings
from config.settings.edge import EdgeSettings
from config.settings.sessions import SessionSettings
from config.settings.shared import (
    LogSettings,
    PostgresSettings,
    RedisSettings,
    StorageSettings,
)
from config.settings.tokens import TokenSettings
from config.settings.transcode import TranscodeSettings

PREFIX = "KAWA_"


class Settings(BaseSettings):
    """Everything an operator can set; each program takes the sections it needs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,  # a variable that is there but empty means the default
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    var_dir: Path = Field(
        default=Path("var"), description="Everything that Kawa keeps on this machine lies here."
    )
    log: LogSettings = Field(default=LogSettings(), description="Logging.")
    storage: StorageSettings = Field(default=StorageSettings(), description="Media storage.")
    postgres: PostgresSettings = Field(default=PostgresSettings(), description="PostgreSQL.")
    redis: RedisSettings = Field(default=RedisSettings(), description="Redis or Valkey.")
    tokens: TokenSettings = Field(default=TokenSettings(), description="Playback tokens.")
    sessions: SessionSettings = Field(default=SessionSettings(), description="Stream sessions.")
    edge: EdgeSettings = Field(default=EdgeSettings(), description="The edge.")
    catalog: CatalogSettings = Field(default=CatalogSettings(), description="The catalog.")
    transcode: TranscodeSettings = Field(default=TranscodeSettings(), description="The workers.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        toml = _toml_file()
        if toml.is_file():
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=toml))
        secrets = os.environ.get(PREFIX + "SECRETS_DIR")
        if secrets:
            sources.append(
                NestedSecretsSettingsSource(
                    file_secret_settings,
                    secrets_dir=secrets,
                    secrets_dir_missing="error",
                    secrets_prefix="",
                    secrets_nested_delimiter="__",
                )
            )
        return tuple(sources)

    @property
    def storage_folder(self) -> Path:
        """The folder of storage, for kind folder."""
        return self.storage.folder or self.var_dir / "storage"

    @property
    def keys_file(self) -> Path:
        """The JWK Set with the signing keys."""
        return self.tokens.keys_file or self.var_dir / "secrets" / "keys.json"

    @property
    def secrets_dir(self) -> Path | None:
        """The folder whose files are settings."""
        folder = os.environ.get(PREFIX + "SECRETS_DIR")
        return Path(folder) if folder else None

    @property
    def upload_folder(self) -> Path:
        """Where unfinished uploads are kept."""
        return self.catalog.upload_folder or self.var_dir / "uploads"

    @property
    def scratch_folder(self) -> Path:
        """Where workers keep work in progress."""
        return self.transcode.scratch or self.var_dir / "scratch"

    @property
    def edge_url(self) -> str:
        """The edge's URL as viewers know it, without a trailing slash."""
        listen = self.edge.listen
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(listen.host, listen.host)
        url = self.catalog.edge_url or self.edge.public_url or f"http://{host}:{listen.port}"
        return url.rstrip("/")


class BadSettings(ValueError):
    """A setting cannot be used; the message names it as the operator wrote it, without its value."""


def read_settings() -> Settings:
    """The settings of this process, or ``BadSettings`` that names every bad one."""
    _refuse_unknown_names()
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings("; ".join(_explain(error))) from None
    except SettingsError as error:
        raise BadSettings(_explain_source(str(error))) from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{_toml_file()}: {error}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{_toml_file()} or a secret file is not UTF-8 text") from None
    except OSError as error:
        raise BadSettings(f"{error.filename}: {error.strerror}") from None


def settings_or_exit() -> Settings:
    """The settings, or exit status 2 with one line on standard error for the operator."""
    try:
        return read_settings()
    except BadSettings as error:
        _exit(str(error))


def _exit(message: str) -> NoReturn:
    sys.stderr.write(f"kawa: bad settings: {message}\n")
    raise SystemExit(2)


def _toml_file() -> Path:
    return Path(os.environ.get(PREFIX + "CONFIG", "kawa.toml"))


def _explain(error: ValidationError) -> list[str]:
    return [
        f"{_variable(item['loc'])} ({'.'.join(_names(item['loc']))}): "
        + _CLEARER.get(item["type"], item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]


_CLEARER = {
    "extra_forbidden": "there is no such setting",
    "time_delta_parsing": "not a length of time: write seconds, or ISO 8601 such as PT30S",
}


def _variable(loc: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(_names(loc)).upper()


def _names(loc: tuple[int | str, ...]) -> list[str]:
    """Pydantic's place of a fault as the operator wrote it."""
    names = [str(part) for part in loc if part != "[key]"]
    if names[:2] == ["edge", "origins"]:
        del names[3:4]  # the origin's kind, which pydantic puts after its name
        if names[3:4] == ["content_keys"]:
            del names[4:5]  # and theirs
    return names


def _explain_source(message: str) -> str:
    """Name the variable or secret file that holds broken JSON: pydantic-settings names only the section."""
    match = re.search(r'field "(\w+)" from source "(\w+)"', message)
    if match is None:  # the folder of secrets itself
        return f"{PREFIX}SECRETS_DIR: {message}"
    section = PREFIX + match[1].upper()
    if match[2] != "EnvSettingsSource":
        return f"{section}: a file in {PREFIX}SECRETS_DIR holds broken JSON"
    names = [
        name
        for name, value in sorted(os.environ.items())
        if name == section or (name.startswith(section + "__") and value.lstrip()[:1] in "{[")
    ]
    return f"{' or '.join(names) or section}: broken JSON"


def _refuse_unknown_names() -> None:
    """A misspelt variable must not be ignored: pydantic-settings would."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    allowed = {PREFIX + "CONFIG", PREFIX + "SECRETS_DIR"}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in allowed and name.split("__")[0] not in known:
            raise BadSettings(f"{name}: there is no such setting")
