"""Opens the key stores that the settings name, and refuses settings under which a secret could be fetched as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from config.runtime.processes import WrongUse
from config.settings.content_keys import DerivedKeys, FolderKeys
from config.settings.load import Settings
from config.settings.origins import FolderOrigin, StorageOrigin
from edge.content_keys.stores import DerivedKeyStore, FolderKeyStore, KeyStore


def open_key_stores(settings: Settings, *, clock: Callable[[], float]) -> Mapping[str, KeyStore]:
    """The key stores by origin; ``WrongUse`` if one cannot work, or an origin's files hold secrets."""
    check_folders(settings)
    stores: dict[str, KeyStore] = {}
    for name, origin in settings.edge.all_origins.items():
        match origin.content_keys:
            case DerivedKeys(masters=masters, period=period):
                stores[name] = DerivedKeyStore(
                    {
                        master_id: bytes.fromhex(secret.get_secret_value())
                        for master_id, secret in masters.items()
                    },
                    period_seconds=None if period is None else period.total_seconds(),
                    clock=clock,
                )
            case FolderKeys(folder=folder):
                stores[name] = FolderKeyStore(folder)
    if settings.edge.root_origin in stores:
        raise WrongUse(
            f"edge.origins.{settings.edge.root_origin}.content_keys: the root origin is served without tokens"
        )
    return stores


def check_folders(settings: Settings) -> None:
    """Raise ``WrongUse`` if what an origin serves as files and what is secret lie in one another."""
    secrets = [(what, path.resolve()) for what, path in _secret(settings)]
    for setting, served in _served(settings):
        folder = served.resolve()
        for what, secret in secrets:
            if secret.is_relative_to(folder) or folder.is_relative_to(secret):
                raise WrongUse(f"{setting}: {served} would serve {what}: keep the two apart")
    for name, origin in settings.edge.all_origins.items():
        keys = origin.content_keys
        if isinstance(keys, FolderKeys) and not keys.folder.is_dir():
            raise WrongUse(
                f"edge.origins.{name}.content_keys.folder: {keys.folder} is not a folder"
            )


def _served(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every folder whose files viewers may get, by the setting that says so."""
    is_folder = settings.storage.kind == "folder"
    for name, origin in settings.edge.all_origins.items():
        if isinstance(origin, FolderOrigin):
            yield f"edge.origins.{name}.folder", origin.folder
        elif isinstance(origin, StorageOrigin) and is_folder:
            prefix = origin.prefix.strip("/")
            yield f"edge.origins.{name}.prefix", settings.storage_folder / prefix


def _secret(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Everything that no viewer may ever get as a file, by what it is."""
    yield "the folder of Kawa's own secrets", settings.var_dir / "secrets"
    yield "the file of signing keys", settings.keys_file
    if settings.secrets_dir is not None:
        yield "the folder of secret settings", settings.secrets_dir
    for name, signer in settings.tokens.signers.items():
        keys_file = getattr(signer, "keys_file", None)
        if isinstance(keys_file, Path):
            yield f"the keys of tokens.signers.{name}", keys_file
    for name, origin in settings.edge.all_origins.items():
        if isinstance(origin.content_keys, FolderKeys):
            yield f"the content keys of edge.origins.{name}", origin.content_keys.folder
