"""The npm packages @svta/cml-cmcd and @svta/cml-cmsd, asked in one process for many tasks at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lacking import lacking

HERE = Path(__file__).parent
MODULES = HERE.parents[2] / "node_modules"
SECONDS = 60


class Refused(Exception):
    """The package says no."""


def asked(tasks: Sequence[dict[str, Any]]) -> list[Any]:
    """The answer to each; a ``Refused`` in the place of what the package will not take."""
    node = shutil.which("node")
    if node is None:
        lacking("node is not installed: make setup-test")
    for package in ("cml-cmcd", "cml-cmsd"):
        if not (MODULES / "@svta" / package / "package.json").exists():
            lacking(f"@svta/{package} is not installed: make setup-test")
    done = subprocess.run(
        [node, "--no-warnings", str(HERE / "reference.mjs")],
        input="".join(json.dumps(task) + "\n" for task in tasks).encode(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(tasks), done.stderr.decode()
    return [one["answer"] if "answer" in one else Refused(one["refused"]) for one in answers]
