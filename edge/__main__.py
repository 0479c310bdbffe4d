"""``python -m edge``: the edge, until SIGTERM."""

from __future__ import annotations

import faulthandler
import socket
import sys

from config.runtime.importing import importing
from config.settings.load import settings_or_exit
from edge.counting import count_as_parent, count_as_worker
from edge.processes.folders import Folders, NoFolder
from edge.processes.handover import Handover


def main() -> int:
    """Run the parent, or one worker of it; the exit status tells whether it could work at all."""
    if sys.argv[1:2] == ["--worker"]:
        return _worker(int(sys.argv[2]), int(sys.argv[3]))
    return _parent(announce=sys.argv[1:] == ["--announce"])


def _parent(*, announce: bool) -> int:
    settings = settings_or_exit()
    try:
        folders = Folders.make(settings)
    except NoFolder as error:
        sys.stderr.write(f"kawa: {error}\n")
        return 2
    count_as_parent(folders.metrics)

    # After counting is set up: these import prometheus-client.
    with importing():
        from config.runtime.logging import setup_logging
        from config.runtime.serving import run
        from edge.server import run_parent

    setup_logging(settings.log, program="edge")
    return run(lambda: run_parent(settings, folders, announce=announce))


def _worker(listening: int, line: int) -> int:
    # The parent ends a worker that hangs by SIGABRT: this shows where it hung.
    faulthandler.enable()
    sock, parent = socket.socket(fileno=listening), socket.socket(fileno=line)
    handover = Handover.receive(parent)
    count_as_worker(handover.name)

    with importing():
        from config.runtime.logging import setup_logging
        from config.runtime.serving import run
        from edge.server import run_worker

    setup_logging(handover.settings.log, program="edge")
    return run(lambda: run_worker(handover, sock=sock, line=parent))


if __name__ == "__main__":
    sys.exit(main())
