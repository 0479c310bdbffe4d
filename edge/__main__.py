"""``python -m edge``: the edge, until SIGTERM."""

from __future__ import annotations

import socket
import sys

from config.settings.load import settings_or_exit
from edge.counting import count_as_parent, count_as_worker


def main() -> int:
    """Run the parent, or one worker of it; the exit status tells whether it could work at all."""
    settings = settings_or_exit()
    worker = sys.argv[1:2] == ["--worker"]
    if worker:
        slot, listening, ready = (int(argument) for argument in sys.argv[2:5])
        count_as_worker(slot)
    else:
        count_as_parent(settings)

    # After counting is set up: these import prometheus-client.
    from config.runtime.logging import setup_logging
    from config.runtime.serving import run
    from edge.server import run_parent, run_worker

    setup_logging(settings.log, program="edge")
    if worker:
        sockets = socket.socket(fileno=listening), socket.socket(fileno=ready)
        return run(lambda: run_worker(settings, sock=sockets[0], ready=sockets[1]))
    return run(lambda: run_parent(settings))


if __name__ == "__main__":
    sys.exit(main())
