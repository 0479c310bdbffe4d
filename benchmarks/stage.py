"""Origin, Kawa and tuned nginx side by side, and rounds in which they take turns."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.options import Options
from benchmarks.servers import Kawa, Server, kawa, make_files, nginx_peer, origin
from benchmarks.table import Row, compared
from benchmarks.wrk import Load, Seen, wrk


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The servers of one benchmark, all warm and idle."""

    folder: Path
    www: Path
    origin: Server
    kawa: Kawa
    nginx: Server
    options: Options


@contextmanager
def stage(
    options: Options, *, workers: int = 1, cache: Mapping[str, object] | None = None
) -> Iterator[Stage]:
    """Start everything in a folder that goes away afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kawa-bench-")))
        folder.chmod(0o755)
        make_files(folder / "www")
        behind = stack.enter_context(origin(folder, folder / "www"))
        peer = stack.enter_context(nginx_peer(folder, behind))
        edge = stack.enter_context(kawa(folder / "kawa", behind, workers=workers, cache=cache))
        yield Stage(
            folder=folder,
            www=folder / "www",
            origin=behind,
            kawa=edge,
            nginx=peer,
            options=options,
        )


def in_turns(
    rounds: int, ours: Callable[[int], Seen], theirs: Callable[[int], Seen]
) -> tuple[list[Seen], list[Seen]]:
    """A B A B …, so that a noisy moment hits both; the first of each is thrown away."""
    ours(0), theirs(0)
    seen = [(ours(number), theirs(number)) for number in range(1, rounds + 1)]
    return [a for a, _ in seen], [b for _, b in seen]


def hit_row(
    on: Stage,
    *,
    work: str,
    peer: str,
    ours: str,
    theirs: str,
    right: Callable[[bytes], bool],
    least: float,
    load: Load,
    body_bytes: int | None = None,
    against: Server | None = None,
    their_load: Load | None = None,
) -> Row:
    """Both serve the same ready bytes, as fast as they can."""
    other = against or on.nginx
    headers = dict(load.headers or {})
    for server, path in ((on.kawa, ours), (other, theirs)):
        for _ in range(3):  # a second request may still fill what a first one started
            body = fetch(server, path.replace("{n}", "0"), headers)
            if not right(body):
                raise RuntimeError(
                    f"{path}: not the bytes that were to be measured: {body[:300]!r}"
                )
    spent = on.kawa.cpu_seconds(), other.cpu_seconds()
    mine, others = in_turns(
        on.options.rounds,
        lambda _: wrk(on.kawa.url, ours, load),
        lambda _: wrk(other.url, theirs, their_load or load),
    )
    rounds = on.options.rounds + 1
    busy = [
        f"{(server.cpu_seconds() - before) / rounds / each.seconds:.0%}"
        for server, before, each in zip(
            (on.kawa, other), spent, (load, their_load or load), strict=True
        )
    ]
    scale = body_bytes or 1
    return compared(
        work=work,
        peer=peer,
        ours=[each.per_second * scale for each in mine],
        theirs=[each.per_second * scale for each in others],
        unit="bytes/s" if body_bytes else "requests/s",
        least=least,
        note=f"core {busy[0]} and {busy[1]} busy",
    )


def fetch(server: Server, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """One whole body; anything but 200 is an error."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: status {answer.status}: {body[:300]!r}")
        return body
    finally:
        connection.close()


def load_of(options: Options, **changes: object) -> Load:
    """The usual load of these options."""
    return replace(Load(seconds=options.seconds), **changes)  # type: ignore[arg-type]
