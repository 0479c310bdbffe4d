from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from config.runtime.processes import ProcessSupervisor, Program, ProgramFailed, spawn, stop

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20

# Writes its process id into a file named by its argument, then waits for a signal.
WAITING = """
import os, pathlib, signal, sys
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(str(os.getpid()))
path.with_suffix(".new").rename(path)
signal.pause()
"""
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + WAITING


def python(name: str, script: str, *arguments: object) -> Program:
    argv = (sys.executable, "-S", "-c", script, *(str(argument) for argument in arguments))
    return Program(name=name, argv=argv, stop_timeout_seconds=PATIENCE_SECONDS)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():
            await asyncio.sleep(0.01)


async def pid_in(path: Path, *, other_than: int = 0) -> int:
    await until(lambda: path.exists() and int(path.read_text()) != other_than)
    return int(path.read_text())


def is_running(pid: int) -> bool:
    """Whether the process is there and not only waiting to be collected by its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    async with ProcessSupervisor() as supervisor:
        await supervisor.start(python("waiting", WAITING, tmp_path / "pid"))
        first = await pid_in(tmp_path / "pid")
        assert supervisor.pid_of("waiting") == first
        assert supervisor.ends_of("waiting") == 0

        os.kill(first, signal.SIGKILL)

        second = await pid_in(tmp_path / "pid", other_than=first)
        await until(lambda: supervisor.pid_of("waiting") == second)
        assert supervisor.ends_of("waiting") == 1
        assert is_running(second)


async def test_leaving_stops_every_program(tmp_path: Path) -> None:
    async with ProcessSupervisor() as supervisor:
        for name in ("a", "b", "c"):
            await supervisor.start(python(name, WAITING, tmp_path / name))
        pids = [await pid_in(tmp_path / name) for name in ("a", "b", "c")]
        assert all(is_running(pid) for pid in pids)

    assert not any(is_running(pid) for pid in pids)


async def test_leaving_by_an_exception_stops_the_programs_too(tmp_path: Path) -> None:
    async def fail() -> None:
        async with ProcessSupervisor() as supervisor:
            await supervisor.start(python("waiting", WAITING, tmp_path / "pid"))
            await pid_in(tmp_path / "pid")
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        await fail()
    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_program_that_says_wrong_use_is_given_up(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = "import sys\nopen(sys.argv[1], 'a').write('x')\nsys.exit(2)"

    async with ProcessSupervisor() as supervisor:
        await supervisor.start(python("strict", script, runs))
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(ProgramFailed, match="strict cannot start"):
                await supervisor.until_failed()

    assert runs.read_text() == "x"


async def test_a_program_that_ends_by_itself_is_started_again_and_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = "import sys\nopen(sys.argv[1], 'a').write('x')\nsys.exit(int(sys.argv[2]))"

    async with ProcessSupervisor() as supervisor:
        await supervisor.start(python("crashing", script, runs, 1))
        await supervisor.start(python("done", script, tmp_path / "done", 0))
        await until(lambda: supervisor.ends_of("crashing") >= 2 and supervisor.ends_of("done") >= 2)

        assert not supervisor.failed.done()
    assert len(runs.read_text()) >= 2


async def test_a_program_whose_file_was_away_for_a_moment_comes_back(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -S -c '{WAITING}' {tmp_path / 'pid'}\n")
    program.chmod(0o755)

    async with ProcessSupervisor() as supervisor:
        await supervisor.start(Program(name="waiting", argv=(str(program),)))
        first = await pid_in(tmp_path / "pid")
        program.rename(tmp_path / "away")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.ends_of("waiting") == 1)
        await asyncio.sleep(0.3)  # at least one start has failed by now
        (tmp_path / "away").rename(program)

        assert await pid_in(tmp_path / "pid", other_than=first) != first


async def test_a_program_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", {DEAF!r}, sys.argv[2]])
{DEAF}"""
    argv = (sys.executable, "-S", "-c", parent, str(tmp_path / "parent"), str(tmp_path / "child"))
    program = Program(name="deaf", argv=argv, stop_timeout_seconds=0.1)
    process = await spawn(program)
    child = await pid_in(tmp_path / "child")
    await pid_in(tmp_path / "parent")

    await stop(process, program)

    assert process.returncode == -signal.SIGKILL
    await until(lambda: not is_running(child))


async def test_a_program_dies_with_its_supervisor_even_if_that_is_killed(tmp_path: Path) -> None:
    supervisor = textwrap.dedent(f"""
        import asyncio, sys
        from config.runtime.processes import ProcessSupervisor, Program

        async def main():
            async with ProcessSupervisor() as supervisor:
                argv = (sys.executable, "-S", "-c", {WAITING!r}, sys.argv[1])
                await supervisor.start(Program(name="waiting", argv=argv))
                await asyncio.Event().wait()

        asyncio.run(main())
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", supervisor, str(tmp_path / "pid"), cwd=ROOT
    )
    child = await pid_in(tmp_path / "pid")

    process.kill()
    await process.wait()

    await until(lambda: not is_running(child))


async def test_a_program_writes_to_the_file_that_it_was_given(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "program.log"
    script = "import sys; print('out'); print('err', file=sys.stderr)"
    for _ in range(2):
        argv = (sys.executable, "-S", "-c", script)
        process = await spawn(Program(name="talking", argv=argv, log=log))
        assert await process.wait() == 0

    assert sorted(log.read_text().split()) == ["err", "err", "out", "out"]


async def test_a_program_gets_its_environment_and_sockets(tmp_path: Path) -> None:
    read, write = os.pipe()
    script = "import os, sys; os.write(int(sys.argv[1]), os.environ['GREETING'].encode())"
    argv = (sys.executable, "-S", "-c", script, str(write))
    process = await spawn(
        Program(name="greeting", argv=argv, env={"GREETING": "hello"}, pass_fds=(write,))
    )
    os.close(write)

    assert await process.wait() == 0
    assert os.read(read, 100) == b"hello"
    os.close(read)
