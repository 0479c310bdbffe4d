from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from config.launch.cli import main


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    """What can be typed behind ``kawa``."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*names, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


@pytest.mark.parametrize(
    "names", [pytest.param(each, id=" ".join(each)) for each in commands(main)]
)
def test_every_command_tells_what_it_does(names: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*names, "--help"])

    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"Usage: main {' '.join(names)} ")


def test_what_there_is_no_command_for_is_wrong_use() -> None:
    for words in (["nothing"], ["token", "nothing"]):
        assert CliRunner().invoke(main, words).exit_code == 2


@pytest.mark.parametrize("words", [["cache", "stats"], ["sessions", "list"], ["token", "revoke"]])
def test_a_command_to_an_edge_loads_no_database_and_no_server(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from config.launch.cli import main\n"
        "try:\n"
        "    main([*sys.argv[1:], '--help'])\n"
        "except SystemExit:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )

    loaded = set(done.stderr.split())
    assert "config.launch.commands.edge" in loaded
    assert not loaded & {"sqlalchemy", "asyncpg", "edge.app", "transcode.pipeline"}
