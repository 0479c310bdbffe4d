"""Lets the edge's processes count together; imports prometheus-client only after its variable is set."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def count_as_parent(folder: Path) -> None:
    """Count in an empty folder, in which the workers will count too."""
    os.environ[_VARIABLE] = str(folder)
    _count_as("parent")


def count_as_worker(name: str) -> None:
    """Count under a name that later processes go on with, so that no file is left over."""
    _count_as(name)


def forget_live(name: str) -> None:
    """A process ended: what it held and what it had running is no more."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(name)  # type: ignore[no-untyped-call]


def _count_as(name: str) -> None:
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: name)  # type: ignore[no-untyped-call]
