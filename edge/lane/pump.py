"""Hands a body from memory to the kernel, as fast as the client takes it and holding next to nothing for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from edge.lane.ready import Lent

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
    """The client left; ``place`` is how far it got."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Pump:
    """One body on its way to one client; ``more`` goes on whenever the transport's buffer is empty."""

    __slots__ = ("_fd", "_lent", "_transport", "finished", "over", "place", "start", "stop")

    def __init__(
        self,
        transport: asyncio.Transport,
        fd: int,
        lent: Lent,
        *,
        start: int,
        stop: int,
        finished: Callable[[BaseException | None], None],
    ) -> None:
        self._transport = transport
        self._fd = fd
        self._lent = lent
        self.start = start
        self.place = start
        self.stop = stop
        self.finished = finished
        self.over = False

    def more(self) -> None:
        """Hand over what the kernel takes; when it takes no more, leave it a little to call us back for."""
        transport = self._transport
        try:
            while self.place < self.stop and not self.over:
                body = self._lent.body
                if body is None:
                    raise BodyGone(self.place)
                if transport.is_closing():
                    raise ConnectionResetError("The client left.")
                with memoryview(body) as whole:
                    self._some(whole)
                    if self.place < self.stop:
                        rest = bytes(whole[self.place : min(self.stop, self.place + _COPIED_BYTES)])
                        self.place += len(rest)
                        transport.write(rest)
                if transport.get_write_buffer_size():
                    return
        except (OSError, BodyGone) as error:
            self.end(error)
            return
        self.end(None)

    def end(self, error: BaseException | None) -> None:
        """Stop, and say so once."""
        if not self.over:
            self.over = True
            self.finished(error)

    def _some(self, whole: memoryview) -> None:
        end = min(self.stop, self.place + _MOST_BYTES)
        try:
            with whole[self.place : end] as piece:
                self.place += os.write(self._fd, piece)
        except BlockingIOError:
            return
