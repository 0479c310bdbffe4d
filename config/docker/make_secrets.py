"""Makes the passwords and keys of a system in containers, once: ``python -m config.docker.make_secrets FOLDER OWNER``.

``FOLDER`` has a folder for each container, which gets nothing but what it needs; files belong to the user id ``OWNER``.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from config.runtime.keys import make_key_file

# The names of the containers that others connect to, as docker-compose.yml calls them.
_POSTGRES = "postgres:5432"
_VALKEY = "valkey:6379"


def make_secrets(folder: Path) -> None:
    """Write every secret that is not there yet; what is there is kept."""
    make_key_file(folder / "keys" / "keys.json")
    database = _kept(folder / "postgres" / "password", secrets.token_hex)
    cache = _kept(folder / "valkey" / "password", secrets.token_hex)
    access_key = _kept(folder / "s3" / "access_key", lambda: secrets.token_hex(10).upper())
    secret_key = _kept(folder / "s3" / "secret_key", secrets.token_urlsafe)
    _kept(folder / "admin" / "password", lambda: secrets.token_urlsafe(18))

    # Valkey takes a password from no file but its own configuration.
    _write(folder / "valkey" / "valkey.conf", f"requirepass {cache}\n")
    s3 = {"storage__s3__access_key": access_key, "storage__s3__secret_key": secret_key}
    postgres = {"postgres__dsn": f"postgresql://kawa:{database}@{_POSTGRES}/kawa"}
    redis = {"redis__url": f"redis://:{cache}@{_VALKEY}/0"}
    _write_all(folder / "edge", s3 | redis)
    _write_all(folder / "catalog", s3 | redis | postgres)
    _write_all(folder / "worker", s3 | postgres)


def give(folder: Path, owner: int) -> None:
    """Let the user ``owner``, and root, read what lies in ``folder``, and nobody else."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner)
        path.chmod(0o500 if path.is_dir() else 0o400)


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        _write(path, make())
    return path.read_text()


def _write_all(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        _write(folder / name, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def main(arguments: list[str]) -> int:
    """Make the secrets and give each folder away; wrong arguments are status 2."""
    if len(arguments) != 2 or not arguments[1].isdecimal():
        sys.stderr.write("usage: python -m config.docker.make_secrets FOLDER OWNER\n")
        return 2
    folder = Path(arguments[0])
    make_secrets(folder)
    for part in folder.iterdir():
        give(part, int(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
