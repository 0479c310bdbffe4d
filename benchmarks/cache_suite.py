"""The public suite of HTTP cache tests against Kawa and its peers from Debian, run and scored alike; by hand.

``python -m benchmarks.cache_suite --suite DIR [PEER…]`` with a checkout of http-tests/cache-tests; without ``--suite``
the npm release that the tests use. Prints a Markdown table; ``--why FILE`` writes every test that did not pass.
"""

from __future__ import annotations

import argparse
import asyncio
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.programs import lacking
from tests.edge.suite.floor import edge
from tests.edge.suite.running import (
    RELEASE,
    Command,
    Proxy,
    Result,
    SuiteError,
    passes,
    run_suite,
    totals,
)

KINDS = ("required", "optimal", "check")


def nginx(origin: int, port: int, folder: Path) -> Command:
    """proxy_cache with revalidation, as the suite's own configuration has it."""
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid nginx.pid; error_log err.log warn;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5;
  proxy_cache_path cache levels=1:2 keys_zone=c:8m max_size=1000m inactive=600m use_temp_path=off;
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache c; proxy_cache_revalidate on;
      proxy_http_version 1.1; }} }} }}
"""
    )
    return Command(argv=["nginx", "-p", f"{folder}/", "-e", "err.log", "-c", "nginx.conf"])


def varnish(origin: int, port: int, folder: Path) -> Command:
    """No default lifetime, so that only what the origin says counts."""
    vcl = folder / "default.vcl"
    vcl.write_text(f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}\n')
    parameters = ("default_ttl=0", "default_grace=0", "default_keep=3600")
    return Command(
        argv=[
            *("varnishd", "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-f", str(vcl)),
            *("-n", str(folder / "state"), "-s", "malloc,64M"),
            *(word for each in parameters for word in ("-p", each)),
        ]
    )


def squid(origin: int, port: int, folder: Path) -> Command:
    """Accelerator mode in front of one origin."""
    hand_over(folder, "proxy")
    (folder / "squid.conf").write_text(
        f"""http_port 127.0.0.1:{port} accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver default name=o
http_access allow all
cache_effective_user proxy
pid_filename {folder}/squid.pid
cache_log {folder}/cache.log
access_log none
coredump_dir {folder}
shutdown_lifetime 1 second
connect_retries 3
"""
    )
    service = f"k{port}"  # names its shared memory, so that two runs do not meet
    return Command(argv=["squid", "-N", "-n", service, "-f", f"{folder}/squid.conf"])


def trafficserver(origin: int, port: int, folder: Path) -> Command:
    """Debian's defaults with one remap rule, in a folder of its own."""
    for name in ("run", "log", "cache", "share"):
        (folder / name).mkdir()
    shutil.copytree("/etc/trafficserver", folder / "etc")
    (folder / "etc" / "records.config").write_text(
        f"""CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.admin.user_id STRING trafficserver
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.http.insert_response_via_str INT 0
CONFIG proxy.config.http.connect_attempts_timeout INT 30
CONFIG proxy.config.http.cache.required_headers INT 2
CONFIG proxy.config.log.logging_enabled INT 0
"""
    )
    (folder / "etc" / "remap.config").write_text(f"map / http://127.0.0.1:{origin}/\n")
    (folder / "etc" / "storage.config").write_text(f"{folder}/cache 64M\n")
    places = {
        **dict.fromkeys(("prefix", "exec_prefix"), "/usr"),
        "bindir": "/usr/bin",
        "sbindir": "/usr/sbin",
        "sysconfdir": f"{folder}/etc",
        "datadir": f"{folder}/share",
        "includedir": "/usr/include",
        "libdir": "/usr/lib/trafficserver",
        "libexecdir": "/usr/lib/trafficserver/modules",
        "localstatedir": str(folder),
        "runtimedir": f"{folder}/run",
        "logdir": f"{folder}/log",
        "cachedir": f"{folder}/cache",
    }
    root = folder / "runroot.yaml"
    root.write_text("".join(f"{name}: {path}\n" for name, path in places.items()))
    hand_over(folder, "trafficserver")
    return Command(argv=["traffic_server", f"--run-root={root}"])


PEERS: dict[str, Proxy] = {
    "kawa": partial(edge, "generic-cache"),
    "kawa-safe": partial(edge, "safe"),
    "nginx": nginx,
    "varnish": varnish,
    "squid": squid,
    "trafficserver": trafficserver,
}
PROGRAMS = {
    "nginx": "nginx",
    "varnish": "varnishd",
    "squid": "squid",
    "trafficserver": "traffic_server",
}
VERSIONS = {"nginx": "-v", "varnish": "-V", "squid": "-v", "trafficserver": "--version"}


def hand_over(folder: Path, user: str) -> None:
    """Give a folder to the user that a peer drops its rights to."""
    owner = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, owner.pw_uid, owner.pw_gid)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite against each peer in turn and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache_suite", description=__doc__)
    parser.add_argument("--suite", type=Path, default=RELEASE, help="a checkout of the suite")
    parser.add_argument("--why", type=Path, help="write here what did not pass, and why")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of: {', '.join(PEERS)}")
    chosen = parser.parse_args(arguments)
    names = chosen.peers or list(PEERS)
    if unknown := set(names) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if missing := lacking(PROGRAMS[name] for name in names if name in PROGRAMS):
        print(missing, file=sys.stderr)
        return 1
    why: list[str] = []
    print("| cache | required | optimal | check | time |\n|---|---|---|---|---|", flush=True)
    status = 0
    for name in names:
        started = time.monotonic()
        try:
            results = await run_suite(PEERS[name], suite=chosen.suite)
        except SuiteError as error:
            print(f"| {name} | not run: {str(error).splitlines()[0]} | | | |", flush=True)
            print(error, file=sys.stderr)
            status = 1
            continue
        spent = timedelta(seconds=round(time.monotonic() - started))
        print(f"| {row(name, results)} | {spent.total_seconds():.0f} s |", flush=True)
        why += [
            f"{name}\t{each.kind}\t{each.result}\t{each.suite}\t{each.id}\t{each.reason}"
            for each in results
            if each.kind != "check" and not each.passed
        ]
    if chosen.why:
        chosen.why.write_text("\n".join([*why, ""]))
    return status


def row(name: str, results: Sequence[Result]) -> str:
    """Name, version and passes of each kind."""
    total = totals(results)
    cells = (f"{passes(results, kind)}/{total[kind]}" for kind in KINDS)
    return " | ".join((f"{name} {version(name)}".strip(), *cells))


def version(name: str) -> str:
    """What the program says of itself, its number only."""
    if name not in PROGRAMS:
        return ""
    said = subprocess.run(
        [PROGRAMS[name], VERSIONS[name]], capture_output=True, text=True, check=False, timeout=10
    )
    words = (said.stdout + said.stderr).replace("/", " ").replace("-", " ").split()
    return next((word for word in words if word[0].isdigit() and "." in word), "")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
