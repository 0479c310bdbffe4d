"""Parts from clients that take a body too slowly."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from config.runtime.logging import get_logger
from edge import metrics

if TYPE_CHECKING:
    from edge.lane.protocol import Connection

log = get_logger(__name__)

# struct tcp_info of Linux: where tcpi_bytes_acked (64 bits) stands, since Linux 4.1.
_BYTES_ACKED_AT = 120
_BYTES_ACKED = struct.Struct("@Q")
_MOST_PAUSE_SECONDS = 5.0
_AT_ONCE = 512


class Watch:
    """Every connection that has bytes waiting, and what its client has taken since when."""

    def __init__(self, *, min_rate: int, seconds: float) -> None:
        self._min_rate = min_rate
        self._seconds = seconds
        self._marks: dict[Connection, tuple[float, int]] = {}
        self.waiting: dict[Connection, asyncio.Transport] = {}

    async def run(self) -> None:
        """Look again and again, for as long as nobody cancels this."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._seconds / 4, _MOST_PAUSE_SECONDS))
            waiting = list(self.waiting.items())
            self._marks = {
                connection: mark
                for connection, mark in self._marks.items()
                if connection in self.waiting
            }
            for start in range(0, len(waiting), _AT_ONCE):
                for connection, transport in waiting[start : start + _AT_ONCE]:
                    self._look(connection, transport, loop.time())
                await asyncio.sleep(0)

    def _look(self, connection: Connection, transport: asyncio.Transport, now: float) -> None:
        if connection not in self.waiting:
            return  # went on while we looked at others
        taken = _taken(transport)
        since, before = self._marks.setdefault(connection, (now, taken))
        if now - since < self._seconds:
            return
        if taken - before >= self._min_rate * (now - since):
            self._marks[connection] = now, taken
            return
        del self._marks[connection]
        metrics.SLOW_CLIENTS.inc()
        log.info("client too slow", taken=taken - before, seconds=round(now - since, 1))
        connection.too_slow = True
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # A reset: the kernel is not to keep for this client what it will not take.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _taken(transport: asyncio.Transport) -> int:
    """How many bytes the client has acknowledged; where no kernel tells, minus what waits here."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        try:
            info = sock.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED_AT + _BYTES_ACKED.size
            )
        except OSError:
            info = b""
        if len(info) == _BYTES_ACKED_AT + _BYTES_ACKED.size:
            return int(_BYTES_ACKED.unpack_from(info, _BYTES_ACKED_AT)[0])
    return -transport.get_write_buffer_size()
