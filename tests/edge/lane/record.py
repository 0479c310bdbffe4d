"""Renews ``recorded.jsonl``, the requests that the suite's tests of the edge send.

``python -m tests.edge.lane.record`` runs those tests (about 15 minutes; a few that count milliseconds or descriptors
may fail while somebody listens). With arguments, pytest gets those instead. ``--raw FOLDER`` keeps what was heard in
that folder, and takes what lies there already into account.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.edge.lane.recording import FOLDER
from tests.edge.lane.shapes import FILE, shapes_of, write_shapes

ROOT = Path(__file__).parents[3]
# The lane's own tests compare both lanes already, with thousands of generated requests.
DEFAULT = ("tests/edge", "tests/live", "--ignore=tests/edge/lane")
_TESTS_RAN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
# Edges in processes of their own: Python imports this before anything else.
_STARTER = """
import os, sys
if sys.orig_argv[1:3] == ["-m", "edge"]:
    from pathlib import Path
    from tests.edge.lane.recording import FOLDER, install
    install(Path(os.environ[FOLDER]))
"""


def hear(folder: Path, arguments: list[str]) -> int:
    """Run pytest; the bytes that edges get go into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    starter = folder / "starter"
    starter.mkdir(exist_ok=True)
    (starter / "sitecustomize.py").write_text(_STARTER)
    path = os.pathsep.join([str(starter), str(ROOT)])
    return subprocess.run(
        [*(sys.executable, "-m", "pytest", "-p", "tests.edge.lane.recording"), *arguments],
        cwd=ROOT,
        env={**os.environ, FOLDER: str(folder.absolute()), "PYTHONPATH": path},
        check=False,
    ).returncode


def main() -> int:
    """Hear, and write down one request of each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path)
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="recorded-") as temporary:
        folder = options.raw or Path(temporary)
        status = hear(folder, arguments or list(DEFAULT))
        if status not in _TESTS_RAN:
            return status
        shapes = shapes_of(folder)
    write_shapes(shapes)
    print(f"{len(shapes)} requests in {FILE.name}")
    return status


if __name__ == "__main__":
    sys.exit(main())
