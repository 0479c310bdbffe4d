"""``python -m benchmarks [NAME]``: runs the benchmarks and prints what they measured."""

from __future__ import annotations

import asyncio
import sys

from benchmarks import manifests_dash, manifests_filter, manifests_hls, manifests_memory, start

BENCHMARKS = {
    "start": start.main,
    "manifests_hls": manifests_hls.main,
    "manifests_dash": manifests_dash.main,
    "manifests_memory": manifests_memory.main,
    "manifests_filter": manifests_filter.main,
}


def main() -> int:
    """Run the named benchmarks, or all of them."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
        return 2
    for name in names:
        asyncio.run(BENCHMARKS[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
