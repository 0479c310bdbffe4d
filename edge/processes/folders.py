"""Where a running edge keeps what only its own processes use; imports nothing that counts."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from config.settings.load import Settings

# sockaddr_un has 108 bytes with the zero at the end (unix(7)); names are at most this long.
_LONGEST_PATH = 107
_LONGEST_NAME = len("w63-9999999.sock")  # also "sessions.sock"


class NoFolder(Exception):
    """A folder that the edge needs cannot be made; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Private folders of one running edge."""

    metrics: Path
    private: Path  # sockets and the checked keys
    state: Path  # files that outlive the edge
    revocations: Path
    sessions: Path

    @classmethod
    def make(cls, settings: Settings) -> Folders:
        """Make them anew, empty, for their owner only; ``NoFolder`` if that cannot be."""
        name = f"edge-{settings.edge.admin.port or os.getpid()}"
        run = (settings.var_dir / "run").absolute()
        folder = run / name
        try:
            run.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            metrics, private = folder / "metrics", folder / "private"
            for path in (folder, metrics, private):
                path.mkdir(mode=0o700, exist_ok=True)
            if len(os.fsencode(private)) + 1 + _LONGEST_NAME > _LONGEST_PATH:
                private = Path(tempfile.mkdtemp(prefix="kawa-"))
        except OSError as error:
            raise NoFolder(
                f"cannot make {error.filename}: {error.strerror} (KAWA_VAR_DIR says where)"
            ) from error
        return cls(
            metrics=metrics,
            private=private,
            state=run / f"{name}.purges",
            revocations=run / f"{name}.revocations",
            sessions=run / f"{name}.sessions",
        )

    def remove(self) -> None:
        """Take away what nobody can use any more; the counts are kept for a look afterwards."""
        shutil.rmtree(self.private, ignore_errors=True)
