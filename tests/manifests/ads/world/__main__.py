"""python -m tests.manifests.ads.world --reloads 10000: the long form, with a table."""

from __future__ import annotations

import argparse
import sys

from tests.manifests.ads.world.markers import SPELLINGS
from tests.manifests.ads.world.runs import HEAD, run


def main() -> int:
    """One row for each spelling; the status says whether all promises were kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.manifests.ads.world")
    parser.add_argument("--reloads", type=int, default=10_000, help="of each scheme")
    parser.add_argument("--seed", type=int, default=0, help="of the first stream of each")
    parser.add_argument("schemes", nargs="*", help="some of: " + ", ".join(SPELLINGS))
    wanted = parser.parse_args()
    failed = 0
    print(HEAD, flush=True)
    for name in wanted.schemes or SPELLINGS:
        count = run(name, wanted.reloads, seed=wanted.seed, tell=_tell)
        print(count.row(), flush=True)
        failed += len(count.violations)
    return 1 if failed else 0


def _tell(violation: str) -> None:
    """At once, and apart from the table."""
    print(f"\n{violation}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
