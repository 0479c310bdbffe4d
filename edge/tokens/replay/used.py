"""Which one-time tokens were used on this machine: a folder in which each name can be made once."""

from __future__ import annotations

import contextlib
from pathlib import Path

SHARDS = tuple(f"{number:02x}" for number in range(256))


class TooManyUsed(Exception):
    """As many are kept as may be: forgetting one would let it be used again."""


class UsedNames:
    """Each name is a symbolic link, which is made or refused in one step and has its end in it.

    So one process of this machine wins, also among those of two generations in a rolling restart, and a process that is
    killed forgets nothing. Names are hexadecimal. Blocks: to be called in a thread.
    """

    def __init__(self, folder: Path, *, most: int) -> None:
        self._folder = folder
        self._most = most
        self._counts: dict[str, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return sum(self._counts.values())

    def open(self) -> None:
        """Count what is there from before."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for shard in SHARDS:
            with contextlib.suppress(FileNotFoundError):
                self._counts[shard] = sum(1 for _ in (self._folder / shard).iterdir())

    def take(self, name: str, *, until: int) -> bool:
        """Whether nobody had the name; it is kept until ``until`` (seconds since the epoch).

        ``TooManyUsed`` if there is no room, ``OSError`` if it cannot be made: then nobody has it.
        """
        if len(self) >= self._most:
            raise TooManyUsed
        shard = name[:2]
        path = self._folder / shard / name
        try:
            try:
                path.symlink_to(str(until))
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.symlink_to(str(until))
        except FileExistsError:
            return False
        self._counts[shard] = self._counts.get(shard, 0) + 1
        return True

    def give_back(self, name: str) -> None:
        """Whoever has the name has not used it."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / name[:2] / name).unlink()

    def sweep(self, *, now: float) -> None:
        """Forget what has ended in the next part of the folder, and count the rest, also what others made."""
        shard = SHARDS[self._next]
        self._next = (self._next + 1) % len(SHARDS)
        kept = 0
        with contextlib.suppress(FileNotFoundError):
            for path in (self._folder / shard).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if _end_of(path) > now:
                        kept += 1
                    else:
                        path.unlink()
        self._counts[shard] = kept


def _end_of(path: Path) -> float:
    try:
        return int(str(path.readlink()))
    except ValueError:  # not made by us
        return 0
