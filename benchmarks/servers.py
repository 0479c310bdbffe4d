"""The servers that take turns: Kawa, tuned nginx, mediaflow-proxy, and the origin behind all of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.manifests_hls import playlist
from benchmarks.programs import LOAD_CORE, LUA, SERVED_CORE
from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file

ROOT = Path(__file__).parent.parent
CONFIGS = Path(__file__).parent / "nginx"
SMALL_BYTES = 16 * 1024
LARGE_BYTES = 2 * 2**20
FILES = 32  # large ones that differ, for what must not fit into memory
FILTER = "height:..1080~acodec:aac"
START_SECONDS = 30
STOP_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server and where it is asked for things."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += map(int, children.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[int, int]:
        """Resident bytes of each process."""
        sizes = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                sizes[pid] = pages * os.sysconf("SC_PAGE_SIZE")
        return sizes


@dataclass(frozen=True, kw_only=True)
class Kawa(Server):
    """The edge, and a token that covers the origin ``live``."""

    token: str
    admin: int  # the port where operators connect
    keys: Path  # that its tokens are signed with

    def path(self, path: str, *, filtered: bool = False) -> str:
        """As a viewer asks for it: with a token, and for manifests with a filter."""
        words = f"f/{FILTER}/" if filtered else ""
        return f"/t/{self.token}/{words}live/{path}"


def make_files(www: Path) -> None:
    """What the origin serves: a playlist, a small file, large ones."""
    noise = random.Random(13)
    www.mkdir()
    manifest = playlist(240, "")
    (www / "media.m3u8").write_bytes(manifest)
    (www / "media.m3u8.gz").write_bytes(gzip.compress(manifest, 6))
    (www / "small.m4s").write_bytes(noise.randbytes(SMALL_BYTES))
    for number in range(FILES):
        (www / f"large-{number}.m4s").write_bytes(noise.randbytes(LARGE_BYTES))


@contextmanager
def origin(folder: Path, www: Path) -> Iterator[Server]:
    """An nginx that serves the files, beside the load generator."""
    with nginx(folder / "origin", "origin.conf", core=LOAD_CORE, WWW=str(www)) as server:
        yield server


@contextmanager
def nginx_peer(folder: Path, behind: Server) -> Iterator[Server]:
    """Tuned nginx as a cache in front of the origin."""
    config = {"ORIGIN": str(behind.port)}
    with nginx(folder / "peer", "peer.conf", core=SERVED_CORE, **config) as server:
        yield server


@contextmanager
def nginx_lua(folder: Path, behind: Server) -> Iterator[Server]:
    """Tuned nginx that checks a token and rewrites the playlist for each viewer."""
    config = {"ORIGIN": str(behind.port)}
    front = f"load_module {Path(LUA).parent}/ndk_http_module.so;\nload_module {LUA};\n"
    with nginx(folder / "lua", "lua.conf", core=SERVED_CORE, front=front, **config) as server:
        yield server


@contextmanager
def nginx(
    folder: Path, name: str, *, core: int, front: str = "", **values: str
) -> Iterator[Server]:
    """An nginx in a folder of its own."""
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    port = free_port()
    values |= {"FOLDER": str(folder), "PORT": str(port)}
    for source, target in (("common.conf", "nginx.conf"), (name, "server.conf")):
        text = (CONFIGS / source).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        (folder / target).write_text((front if target == "nginx.conf" else "") + text)
    argv = ["nginx", "-p", f"{folder}/", "-e", f"{folder}/error.log", "-c", "nginx.conf"]
    with started(argv, folder=folder, port=port, core=core) as pid:
        yield Server(port=port, pid=pid)


@contextmanager
def kawa(
    folder: Path,
    behind: Server,
    *,
    workers: int = 1,
    cache: Mapping[str, object] | None = None,
    core: int | None = SERVED_CORE,
    more: Mapping[str, str] | None = None,
) -> Iterator[Kawa]:
    """The edge with token check, counting and everything else as it is by default; ``more`` of its environment."""
    var = folder / "var"
    var.mkdir(parents=True)
    port, admin = free_port(), free_port()
    env = {
        "KAWA_VAR_DIR": str(var),
        "KAWA_CONFIG": str(var / "none.toml"),
        "KAWA_EDGE__LISTEN__PORT": str(port),
        "KAWA_EDGE__ADMIN__PORT": str(admin),
        "KAWA_EDGE__WORKERS": str(workers),
        "KAWA_EDGE__ORIGINS": json.dumps({"live": {"kind": "http", "url": f"{behind.url}/"}}),
        "KAWA_LOG__LEVEL": "warning",
        **{
            f"KAWA_EDGE__CACHE__{name.upper()}": str(value) for name, value in (cache or {}).items()
        },
        **(more or {}),
    }
    make_key_file(var / "secrets" / "keys.json")
    now = int(time.time())
    claims = PlaybackClaims(
        subject="viewer:1",
        session="benchmark",
        path_prefixes=("/live/",),
        issued_at=now,
        expires_at=now + 12 * 3600,
    )
    token = KeySet.read(var / "secrets" / "keys.json").sign(claims)
    argv = [sys.executable, "-m", "edge"]
    with started(argv, folder=folder, port=port, core=core, env=env) as pid:
        yield Kawa(port=port, pid=pid, token=token, admin=admin, keys=var / "secrets" / "keys.json")


@contextmanager
def mediaflow(folder: Path, python: Path) -> Iterator[Server]:
    """mediaflow-proxy with one worker, as its own documentation starts it."""
    folder.mkdir()
    port = free_port()
    argv = [
        *(str(python), "-m", "uvicorn", "mediaflow_proxy.main:app", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", "1", "--log-level", "error", "--no-access-log"),
    ]
    env = {"API_PASSWORD": "benchmark", "LOG_LEVEL": "ERROR"}
    with started(argv, folder=folder, port=port, core=SERVED_CORE, env=env, cwd=folder) as pid:
        yield Server(port=port, pid=pid)


@contextmanager
def started(
    argv: Sequence[str],
    *,
    folder: Path,
    port: int,
    core: int | None,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[int]:
    """A process that listens on ``port``; ended afterwards with all that it started."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned, *argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not accepts(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} did not start: {log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group that was started here."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def accepts(port: int) -> bool:
    """Whether somebody answers a whole request there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return sock.recv(5) == b"HTTP/"
    except OSError:
        return False


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
