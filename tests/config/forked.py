"""Runs the ``kawa`` command in a process of its own that has not to load everything anew."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["config.launch.cli", "config.launch.commands.token"])


def kawa(
    *arguments: str, folder: Path, scratch: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """What the command says and how it ends, with this environment and nothing of the caller's own settings."""
    out, err = scratch / "stdout", scratch / "stderr"
    child = _CONTEXT.Process(target=_run, args=(arguments, folder, out, err, environment))
    child.start()
    child.join(60)
    if child.exitcode is None:
        child.kill()
        child.join()
    assert child.exitcode is not None
    return subprocess.CompletedProcess(arguments, child.exitcode, out.read_text(), err.read_text())


def _run(
    arguments: tuple[str, ...], folder: Path, out: Path, err: Path, environment: dict[str, str]
) -> None:
    with out.open("wb") as stdout, err.open("wb") as stderr:
        os.dup2(stdout.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    for name in [name for name in os.environ if name[:5] == "KAWA_"]:
        del os.environ[name]
    os.environ.update(environment)
    sys.argv = ["kawa", *arguments]
    from config.launch.cli import main

    main()
