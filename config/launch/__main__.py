"""``python -m config.launch`` is the ``kawa`` command."""

from __future__ import annotations

from config.launch.cli import main

main(prog_name="kawa")
