"""An answer of the hot lane that the kernel did not take whole: it goes on as fast as the client takes it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

from edge import metrics
from edge.errors import EdgeError
from edge.lane.pump import BodyGone, Pump
from edge.lane.ready import ReadyAnswer, Rest
from edge.sessions.viewing import Viewing

if TYPE_CHECKING:
    from edge.lane.protocol import Connection


class SlowAnswer:
    """One of them; ``more`` goes on whenever the transport's buffer is empty, and its connection hears of the end."""

    __slots__ = ("_connection", "_loop", "_pump", "_ready", "_started", "_task", "_viewing")

    def __init__(self, connection: Connection, ready: ReadyAnswer, viewing: Viewing | None) -> None:
        self._connection = connection
        self._ready = ready
        self._viewing = viewing
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._pump: Pump | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, transport: asyncio.Transport, fd: int, head: bytes, sent: int) -> None:
        """Go on behind the first ``sent`` bytes of head and body."""
        if sent < len(head):
            transport.write(head[sent:])
        place = max(0, sent - len(head))
        if self._viewing is not None:
            self._viewing.sent(place)
        metrics.REQUESTS_RUNNING.inc()
        self._pump = Pump(
            transport,
            fd,
            self._ready.lent,
            start=place,
            stop=self._ready.size,
            finished=self._pumped,
            viewing=self._viewing,
        )
        if not transport.get_write_buffer_size():
            self._pump.more()

    def more(self) -> None:
        """There is room for more."""
        if self._pump is not None:
            self._pump.more()

    def end(self, error: BaseException) -> None:
        """The client is gone."""
        if self._pump is not None:
            self._pump.end(error)
        if self._task is not None:
            self._task.cancel()

    def _pumped(self, error: BaseException | None) -> None:
        pump, self._pump = self._pump, None
        rest = self._ready.rest
        if isinstance(error, BodyGone) and rest is not None:
            self._task = self._loop.create_task(self._read_on(rest, error.place))
            return
        handed = 0 if pump is None else pump.handed
        self._over(self._ready.size if error is None else handed, error)

    async def _read_on(self, rest: Rest, place: int) -> None:
        """Send the rest of a body that was evicted while it was being sent."""
        failed: BaseException | None = None
        try:
            async with contextlib.aclosing(cast(Any, rest(place))) as pieces:
                async for piece in pieces:
                    transport = self._connection.transport
                    if transport is None:
                        raise ConnectionResetError("The client left.")
                    transport.write(piece)
                    await self._connection.drained()  # from then on the kernel has it
                    place += len(piece)
                    if self._viewing is not None:
                        self._viewing.sent(len(piece))
        except asyncio.CancelledError as error:
            failed = error
            raise
        except (EdgeError, OSError) as error:
            failed = error
        finally:
            self._task = None
            if failed is None and place != self._ready.size:
                failed = EOFError("The rest of the body is too short.")
            self._over(place, failed)

    def _over(self, sent: int, error: BaseException | None) -> None:
        """Count it, as the ordinary way counts its answers."""
        route = self._ready.route
        metrics.REQUESTS_RUNNING.dec()
        metrics.REQUEST_SECONDS.labels(route).observe(self._loop.time() - self._started)
        metrics.BYTES_SENT.labels(route).inc(sent)
        metrics.REQUESTS.labels(route, "GET", "2xx" if error is None else "aborted").inc()
        if error is not None:
            metrics.BODIES_CUT.labels(self._why_cut(error)).inc()
        self._connection.has_given(error)

    def _why_cut(self, error: BaseException) -> str:
        if self._connection.too_slow:
            return "slow_client"
        return "client_left" if isinstance(error, OSError | asyncio.CancelledError) else "origin"
