"""The way to the viewer at the other end of a connection: what the kernel knows of it, and answers tell (CMSD)."""

from __future__ import annotations

import asyncio
import socket

from edge.lane.lane import Lane
from edge.sessions.cmsd import DYNAMIC, Link, link_of
from edge.sessions.viewing import Viewing


class Way:
    """One connection's; nothing is known of one that ends at a proxy, or is no TCP connection of ours."""

    __slots__ = ("_lane", "_socket", "_told", "_told_until")

    def __init__(self, lane: Lane, transport: asyncio.Transport, fd: int, peer: str | None) -> None:
        self._lane = lane
        self._socket: socket.socket | None = None
        if peer is not None and fd >= 0 and lane.is_direct(peer):
            # The event loop's own descriptor in another object, which must never close it.
            family = transport.get_extra_info("socket").family
            self._socket = socket.socket(family, socket.SOCK_STREAM, 0, fileno=fd)
        self._told = b""
        self._told_until = 0.0

    def close(self) -> None:
        """Let go of the descriptor, which is closed by its owner."""
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def link(self) -> Link | None:
        """What the kernel knows now."""
        return None if self._socket is None else link_of(self._socket)

    def field(self, viewing: Viewing | None, *, now: float) -> bytes:
        """The last field of a head, and its end; good for some tenths of a second of the loop's time ``now``."""
        lane = self._lane
        if now >= self._told_until:
            suggested = None if viewing is None else viewing.suggested_kbps
            said = lane.hop.dynamic(self.link(), suggested, None, lane.is_pressed)
            self._told = f"{DYNAMIC}: {said}\r\n\r\n".encode()
            self._told_until = now + lane.figures_seconds
        return self._told
