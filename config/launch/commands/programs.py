"""``kawa catalog`` and ``kawa worker``: one program alone."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def catalog(arguments: tuple[str, ...]) -> None:
    """Run the catalog alone (``kawa catalog migrate``: only bring the database up to date)."""
    become("catalog", *arguments)


@click.command()
def worker() -> None:
    """Run a transcode worker alone."""
    become("transcode")


def become(module: str, *arguments: str) -> NoReturn:
    """Turn this process into one of the programs."""
    sys.stdout.flush()
    os.execv(sys.executable, (sys.executable, "-m", module, *arguments))  # noqa: S606 - no shell wanted
