"""The closest Python peer: mediaflow-proxy, its HLS proxy and its stream proxy, which ask the origin every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from benchmarks.hits import MANIFEST, whole
from benchmarks.options import Options
from benchmarks.servers import Server, mediaflow
from benchmarks.stage import hit_row, load_of, stage
from benchmarks.table import Row

PROGRAMS = ("nginx", "wrk", "taskset")
VERSION = "2.4.9"
SECONDS_TO_INSTALL = 600


def measure(options: Options) -> list[Row]:
    """A manifest and a small file through both."""
    python = environment(options.cache)
    with stage(options) as on, mediaflow(on.folder / "mediaflow", python) as other:
        small = (on.www / "small.m4s").read_bytes()
        peer = f"mediaflow-proxy {VERSION}"
        # Few at a time, and long enough that some of the answers come within the round.
        patient = load_of(options, connections=4, seconds=max(3, options.seconds))
        return [
            hit_row(
                on,
                work=MANIFEST,
                peer=f"{peer}, `/proxy/hls/manifest.m3u8`",
                ours=on.kawa.path("media.m3u8", filtered=True),
                theirs=asked(on.origin, "/proxy/hls/manifest.m3u8", "media.m3u8"),
                right=whole,
                least=100,
                load=load_of(options, headers={"Accept-Encoding": "identity"}),
                against=other,
                their_load=patient,
            ),
            hit_row(
                on,
                work="hit 16 KB",
                peer=f"{peer}, `/proxy/stream`",
                ours=on.kawa.path("small.m4s"),
                theirs=asked(on.origin, "/proxy/stream", "small.m4s"),
                right=small.__eq__,
                least=100,
                load=load_of(options),
                against=other,
                their_load=patient,
            ),
        ]


def asked(origin: Server, endpoint: str, name: str) -> str:
    """How mediaflow-proxy is asked for a file of the origin."""
    return f"{endpoint}?api_password=benchmark&d={quote(f'{origin.url}/{name}', safe='')}"


def environment(cache: Path) -> Path:
    """A virtual environment with nothing but the peer in it; made once."""
    folder = cache.absolute() / f"mediaflow-proxy-{VERSION}"
    python = folder / "bin" / "python"
    ready = folder / ".installed"
    if not ready.exists():
        print(f"installing mediaflow-proxy {VERSION} into {folder}", file=sys.stderr)
        run(sys.executable, "-m", "venv", "--clear", str(folder))
        run(
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--prefer-binary",
            f"mediaflow-proxy=={VERSION}",
        )
        ready.touch()
    return python


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=SECONDS_TO_INSTALL, stdout=subprocess.DEVNULL)
