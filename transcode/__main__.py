"""``python -m transcode``: one worker, until SIGTERM."""

from __future__ import annotations

import sys

from config.runtime.logging import setup_logging
from config.runtime.serving import run
from config.settings.load import settings_or_exit
from transcode.worker import main


def start() -> int:
    """Run the worker; the exit status tells whether it could work at all."""
    settings = settings_or_exit()
    setup_logging(settings.log, program="transcode")
    return run(lambda: main(settings))


if __name__ == "__main__":
    sys.exit(start())
