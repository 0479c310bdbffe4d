"""Runs the work of one command: signals, failures, exit status."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import click

from config.launch.errors import CommandFailed
from config.runtime.logging import setup_logging
from config.runtime.processes import ProgramFailed, WrongUse
from config.settings.load import Settings, settings_or_exit
from edge.errors import EdgeError
from transcode.errors import TranscodeError

T = TypeVar("T")

# What a person can do something about; anything else is a fault of ours and shows its traceback.
_FAILURES = (CommandFailed, EdgeError, ProgramFailed, TranscodeError, OSError)


def settings_for(program: str) -> Settings:
    """The settings, with quiet logging."""
    settings = settings_or_exit()
    quiet = settings.log.model_copy(update={"level": "warning"})
    setup_logging(quiet, program=program)
    return settings


def run_command(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; SIGTERM and Ctrl-C end it in order, whatever it is doing."""
    stopped: list[int] = []
    try:
        return asyncio.run(_stoppable(work, stopped))
    except asyncio.CancelledError:
        raise SystemExit(128 + stopped[0] if stopped else 1) from None
    except WrongUse as error:
        click.echo(f"kawa: {error}", err=True)
        raise SystemExit(2) from None
    except _FAILURES as error:
        fail(str(error) or type(error).__name__)


def serve_command(work: Coroutine[Any, Any, None]) -> None:
    """Run something that goes on until it is told to stop: being stopped is how it succeeds."""
    try:
        run_command(work)
    except SystemExit as ended:
        if ended.code not in (128 + signal.SIGTERM, 128 + signal.SIGINT):
            raise


async def _stoppable(work: Coroutine[Any, Any, T], stopped: list[int]) -> T:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if not stopped and task is not None:  # a second signal must not break the tidying up
            stopped.append(number)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return await work


def fail(message: str) -> NoReturn:
    """End with exit status 1 and one line that says why."""
    click.echo(f"kawa: {message}", err=True)
    raise SystemExit(1)
