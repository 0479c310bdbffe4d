"""Lets the edge's processes count together; imports prometheus-client only after its variable is set."""

from __future__ import annotations

import os
import shutil

from config.settings.load import Settings

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def count_as_parent(settings: Settings) -> None:
    """Empty the folder in which the workers count together, and count there too."""
    name = f"edge-{settings.edge.admin.port or os.getpid()}"
    folder = (settings.var_dir / "run" / name).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[_VARIABLE] = str(folder)
    _count_as("parent")


def count_as_worker(slot: int) -> None:
    """Count under the slot's name: a restarted worker goes on where the last one stopped, and no file is left over."""
    _count_as(f"w{slot}")


def _count_as(name: str) -> None:
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: name)  # type: ignore[no-untyped-call]
