"""``kawa up`` and ``kawa demo``: the whole system on one machine."""

from __future__ import annotations

from pathlib import Path

import click

from config.launch.demo import run_demo
from config.launch.running import run_command, serve_command, settings_for
from config.launch.up import run_up


@click.command()
def up() -> None:
    """Run the whole system on this machine; data is kept under ./var."""
    settings = settings_for("up")
    serve_command(run_up(settings))


@click.command()
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Publish this video and not the demo's clip.",
)
@click.option("--check", is_flag=True, help="Play the stream through the edge, then stop.")
def demo(file: Path | None, check: bool) -> None:
    """Run the whole system with a real clip in it."""
    settings = settings_for("demo")
    (run_command if check else serve_command)(run_demo(settings, file=file, check=check))
