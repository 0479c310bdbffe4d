"""Hands a body from memory to the kernel, as fast as the client takes it and holding next to nothing for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from edge.lane.ready import Lent
from edge.sessions.viewing import Viewing

# What is copied for a client that is slower than we are: enough to be told when it goes on.
_COPIED_BYTES = 16 * 1024
# More in one call would keep others waiting for too long.
_MOST_BYTES = 4 * 2**20


class BodyGone(Exception):
    """The body is no longer at hand; ``place`` is where its rest begins."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class ClientLeft(ConnectionResetError):
    """The client left; ``place`` is how far the kernel took the body."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Pump:
    """One body on its way to one client; ``more`` goes on whenever the transport's buffer is empty."""

    __slots__ = (
        *("_counted", "_fd", "_lent", "_transport", "_viewing"),
        *("finished", "handed", "over", "place", "stop"),
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        fd: int,
        lent: Lent,
        *,
        start: int,
        stop: int,
        finished: Callable[[BaseException | None], None],
        viewing: Viewing | None = None,
    ) -> None:
        self._transport = transport
        self._fd = fd
        self._lent = lent
        self.place = start
        self.handed = start  # where what the kernel has ends: the rest waits in the transport
        self.stop = stop
        self.finished = finished
        self.over = False
        self._viewing = viewing
        self._counted = start

    def more(self) -> None:
        """Hand over what the kernel takes; when it takes no more, leave it a little to call us back for."""
        transport = self._transport
        if not transport.is_closing():
            self.handed = self.place
        try:
            while self.place < self.stop and not self.over:
                body = self._lent.body
                if body is None:
                    raise BodyGone(self.place)
                if transport.is_closing():
                    raise ConnectionResetError("The client left.")
                with memoryview(body) as whole:
                    self._some(whole)
                    self.handed = self.place
                    if self.place < self.stop:
                        rest = bytes(whole[self.place : min(self.stop, self.place + _COPIED_BYTES)])
                        self.place += len(rest)
                        transport.write(rest)
                if left := transport.get_write_buffer_size():
                    self.handed = max(self.handed, self.place - left)
                    self._count()
                    return
                if not transport.is_closing():
                    self.handed = self.place
        except (OSError, BodyGone) as error:
            self.end(error)
            return
        self.end(None)

    def end(self, error: BaseException | None) -> None:
        """Stop, and say so once."""
        if not self.over:
            self.over = True
            self._count()
            self.finished(error)

    def _count(self) -> None:
        if self._viewing is not None:
            self._viewing.sent(self.handed - self._counted)
            self._counted = self.handed

    def _some(self, whole: memoryview) -> None:
        end = min(self.stop, self.place + _MOST_BYTES)
        try:
            with whole[self.place : end] as piece:
                self.place += os.write(self._fd, piece)
        except BlockingIOError:
            return
