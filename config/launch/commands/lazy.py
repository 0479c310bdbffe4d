"""A group of commands that imports a command when it is asked for: each needs little of what all need together."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """``lazily`` names for each command the module that has it, of this package, and what it is called there."""

    def __init__(self, *args: Any, lazily: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazily = lazily

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *self._lazily))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazily:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._lazily[cmd_name].partition(":")
        command = getattr(importlib.import_module(f"config.launch.commands.{module}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._lazily[cmd_name]} is no command")
        return command
