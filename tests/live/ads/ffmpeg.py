"""ffmpeg as a viewer: every picture it decodes, with its time, and the pitch of every second of sound."""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import imageio_ffmpeg

from tests.live.ads.picture import FPS, HEIGHT, WIDTH, read
from tests.live.ads.seen import Seen, Shown
from tests.live.ads.tones import heard

_FRAME_BYTES = WIDTH * HEIGHT
_RATE = 8000
_TIME = re.compile(r"\] n: *\d+ pts: *\S+ pts_time:(\S+)")
_COMPLAINT = re.compile(r"\[(?:warning|error|fatal)\] (.*)")
# A map that is read again has its header twice; a connection that has been idle for as long as a break is opened anew.
_HARMLESS = re.compile(
    r"Found duplicated MOOV Atom|Error reading HTTP response: End of file|keepalive request failed"
)
# Content that was encoded with the ads goes on behind them with a later time, which ffmpeg knows how to mend and tells.
_MENDING = ("-dts_delta_threshold", "1")
_MENDED = re.compile(r"timestamp discontinuity")


async def decode(
    url: str,
    folder: Path,
    *options: str,
    pictures: int | None = None,
    mended: bool = False,
    seconds: float = 60,
) -> Seen:
    """Read a stream to its end, or so many pictures of it; ``mended``: where time jumps, make it go on."""
    seen, sound = folder / "seen", folder / "heard"
    limits, length = ([], []) if pictures is None else _limits(pictures)
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+info",
        *(_MENDING if mended else ()), *options, "-i", url,
        "-map", "0:v", "-vf", "showinfo,format=gray", "-fps_mode", "passthrough", *limits, "-f", "rawvideo", str(seen),
        "-map", "0:a", "-ac", "1", "-ar", str(_RATE), *length, "-f", "s16le", str(sound),
    ]
    # fmt: on
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            _, told = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return Seen(pictures=[], errors=[f"not at the end after {seconds:.0f} s"])
    lines = told.decode(errors="replace").splitlines()
    times = [float(found[1]) for line in lines if (found := _TIME.search(line))]
    data = seen.read_bytes()
    names = [read(data[at : at + _FRAME_BYTES]) for at in range(0, len(data), _FRAME_BYTES)]
    return Seen(
        # A picture that is decoded after the last one wanted has a time, too.
        pictures=[Shown(time, name) for time, name in zip(times, names, strict=False)],
        errors=[line for line in _complaints(lines) if not (mended and _MENDED.search(line))],
        pitches=_pitches(sound.read_bytes(), round(len(names) / FPS)),
    )


def _limits(pictures: int) -> tuple[Sequence[str], Sequence[str]]:
    return ["-frames:v", str(pictures)], ["-t", f"{pictures / FPS}"]


def _complaints(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        found = _COMPLAINT.search(line)
        if found is not None and not _HARMLESS.search(line):
            yield found[1]


def _pitches(data: bytes, seconds: int) -> list[int]:
    """What is heard in the middle of each second."""
    samples = array("h", data[: len(data) // 2 * 2])
    return [
        heard(samples[second * _RATE + _RATE // 4 : second * _RATE + _RATE * 3 // 4], _RATE)
        for second in range(seconds)
    ]
