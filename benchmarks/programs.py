"""The programs that benchmarks measure against, and how to get those that are missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

SERVED_CORE, LOAD_CORE = 0, 1
LUA = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
_PACKAGES = {
    "nginx": "nginx-light",
    "wrk": "wrk",
    "varnishd": "varnish",
    "squid": "squid",
    "traffic_server": "trafficserver",
    "taskset": "util-linux",
    "nice": "coreutils",
    LUA: "libnginx-mod-http-lua",
}


def lacking(programs: Iterable[str]) -> str | None:
    """What to type to get the programs that are not there, or ``None``."""
    missing = [each for each in programs if not (shutil.which(each) or Path(each).exists())]
    if not missing:
        return None
    packages = " ".join(sorted({_PACKAGES[each] for each in missing}))
    return (
        f"not installed: {', '.join(missing)}; in Debian: apt-get install -y --no-install-recommends {packages}"
        " (they need not run as services)"
    )
