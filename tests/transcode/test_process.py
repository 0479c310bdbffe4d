from __future__ import annotations

import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lacking import lacking
from tests.transcode.media import SETTINGS, make_clip, picture
from transcode.errors import EncodeStalled, ProgramMissing, ProgramTimeout
from transcode.ffmpeg.binaries import Tools, find_tools
from transcode.ffmpeg.process import OutputTooLong, run, running
from transcode.ffmpeg.progress import Progress
from transcode.pipeline import transcode

SOON = timedelta(seconds=10)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_program_that_floods_standard_error_does_not_hang() -> None:
    finished = await run(
        python("import sys; sys.stderr.write('x' * 5_000_000 + '\\nthe reason'); sys.exit(3)"),
        timeout=SOON,
    )

    assert finished.code == 3
    assert finished.complaint == "the reason"
    assert len(finished.stderr) <= 16 * 1024


async def test_a_program_that_writes_too_much_is_stopped() -> None:
    with pytest.raises(OutputTooLong):
        await run(python("print('x' * 100_000)"), timeout=SOON, max_bytes=1000)


async def test_an_endless_line_is_refused() -> None:
    async with running(python("import sys; sys.stdout.write('x' * 10_000_000)")) as program:
        with pytest.raises(OutputTooLong):
            async for _ in program.lines():
                pass


async def test_the_pipes_are_closed_with_the_last_of_the_group() -> None:
    if sys.platform != "linux":
        lacking("only Linux lists what a process has open: test in a container")
    stubborn_child = (
        "import os, signal, time\n"
        "if os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('here', flush=True)\n"
        "time.sleep(60)\n"
    )
    before = open_pipes()
    async with running(python(stubborn_child)) as program:
        lines = program.lines()
        assert [await anext(lines), await anext(lines)] == [b"here", b"here"]
    assert open_pipes() == before


async def test_a_program_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(ProgramTimeout):
        await run(python("import time; time.sleep(60)"), timeout=timedelta(seconds=0.3))


async def test_a_program_that_is_not_there_is_named() -> None:
    finished_or_error: object
    try:
        finished_or_error = (await run(["/no/such/ffmpeg"], timeout=SOON)).complaint
    except ProgramMissing as error:
        finished_or_error = str(error)

    assert "/no/such/ffmpeg" in str(finished_or_error)


async def test_the_whole_group_ends_even_if_it_ignores_sigterm() -> None:
    stubborn = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    loop = asyncio.get_running_loop()
    pids: list[int] = []
    async with running(python(stubborn)) as program:
        async for line in program.lines():
            pids.append(int(line))
            if len(pids) == 2:
                break
        started = loop.time()

    assert loop.time() - started < 10  # and not the 60 s that both would sleep
    async with asyncio.timeout(10):  # the kernel ends a killed process when it gets to it
        while any(_is_running(pid) for pid in pids):
            await asyncio.sleep(0.01)


async def test_no_secret_of_the_worker_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWA_POSTGRES__DSN", "postgresql://kawa:secret@db/kawa")

    finished = await run(python("import os; print(dict(os.environ))"), timeout=SOON)

    assert b"secret" not in finished.stdout


async def test_a_program_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    if sys.platform != "linux":
        lacking("only Linux ends a program with its parent: test in a container")
    worker = (
        "import asyncio, sys\n"
        "from transcode.ffmpeg.process import running\n"
        "async def main():\n"
        "    code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "    async with running([sys.executable, '-c', code]) as program:\n"
        "        async for line in program.lines():\n"
        "            print(line.decode(), flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(*python(worker), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    assert _is_running(child)

    process.send_signal(signal.SIGKILL)
    await process.wait()

    async with asyncio.timeout(5):
        for _ in range(500):
            if not _is_running(child):
                break
            await asyncio.sleep(0.01)
    assert not _is_running(child)


async def test_an_encoder_that_stands_still_is_stopped(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", *picture("64x64"), "-c:v", "ffv1", seconds=1)
    sleeper = tmp_path / "ffmpeg"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    tools = await find_tools(SETTINGS)
    impatient = SETTINGS.model_copy(update={"stall_timeout": timedelta(seconds=0.3)})

    with pytest.raises(EncodeStalled):
        await transcode(
            clip,
            tmp_path,
            tools=Tools(ffmpeg=sleeper, ffprobe=tools.ffprobe, filters=tools.filters),
            settings=impatient,
            report=lambda _stage, _share: None,
        )


def test_progress_reads_microseconds_and_only_moves_on() -> None:
    progress = Progress()

    assert not progress.read(b"out_time_us=N/A")
    assert progress.read(b"out_time_us=4000000")
    assert not progress.read(b"out_time_ms=9000000")
    assert not progress.read(b"out_time_us=3000000")
    assert progress.read(b"frame=100")
    assert (progress.seconds, progress.frame_count) == (4, 100)


def open_pipes() -> set[str]:
    found = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return {name for name in map(str, map(Path.readlink, found)) if name.startswith("pipe:")}


def _is_running(pid: int) -> bool:
    try:
        # A zombie is still listed; nobody is left to wait for a grandchild in some containers.
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
