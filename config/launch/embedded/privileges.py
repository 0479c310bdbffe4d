"""PostgreSQL refuses to run as root: how a root user can run it anyway, without touching other folders' rights."""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.launch.errors import CommandFailed

_CLONE_NEWUSER = 0x10000000


class NoOtherUser(CommandFailed):
    """The database cannot run as another user here: set KAWA_POSTGRES__DSN, or do not run Kawa as root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """Who a server runs as: nobody special, another user, or root seen as another user."""

    user: int | None = None
    before_exec: Callable[[], None] | None = None
    owner: int | None = None  # who must own its files; None leaves them as they are


def run_as(*paths: Path) -> RunAs:
    """Choose by who we are and whether ``nobody`` can reach every one of ``paths``; or raise ``NoOtherUser``."""
    if os.geteuid() != 0:
        return RunAs()
    nobody = pwd.getpwnam("nobody").pw_uid
    if all(_reachable(path) for path in paths):
        return RunAs(user=nobody, owner=nobody)
    if _can_make_user_namespace():
        return RunAs(before_exec=_enter_user_namespace(nobody), owner=0)
    raise NoOtherUser(NoOtherUser.__doc__)


def give(path: Path, run: RunAs) -> None:
    """Make ``path`` and everything below belong to the user that the server runs as."""
    if run.owner is None or path.stat().st_uid == run.owner:
        return
    for folder, _, names in os.walk(path):
        os.chown(folder, run.owner, run.owner)
        for name in names:
            os.chown(Path(folder) / name, run.owner, run.owner, follow_symlinks=False)


def _reachable(path: Path) -> bool:
    """Whether everybody may pass through every folder above ``path``."""
    return all(
        parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists()
    )


def _enter_user_namespace(user: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        # Inside, root's own files belong to ``user`` and no capability is left after exec.
        if libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} 0 1"),
            ("gid_map", f"{user} 0 1"),
        ):
            descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(descriptor, text.encode())
            os.close(descriptor)

    return enter


def _can_make_user_namespace() -> bool:
    child = os.fork()
    if child == 0:
        try:
            _enter_user_namespace(65534)()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
