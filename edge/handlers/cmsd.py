"""What answers of the ordinary way tell players of the connection: CMSD-Dynamic (CTA-5006)."""

from __future__ import annotations

import time

from aiohttp import web

from edge import keys
from edge.lane.lane import LANE
from edge.lane.protocol import Connection
from edge.sessions.cmcd.cut import cut, said_by
from edge.sessions.cmsd import DYNAMIC

_ROUTES = frozenset({"manifest", "segment"})


async def tell_of_connection(request: web.Request, response: web.StreamResponse) -> None:
    """Add our item of CMSD-Dynamic to an answer about to be sent, behind those of the servers before us."""
    if request.get(keys.ROUTE) not in _ROUTES or response.status >= 400 or LANE not in request.app:
        return
    lane = request.app[LANE]
    if not lane.tells_all and not (
        lane.tells_those_who_ask and said_by(cut(request.raw_path)[1], request.headers) is not None
    ):
        return
    viewing, connection = request.get(keys.VIEWING), request.protocol
    started = request.get(keys.STARTED)
    said = lane.hop.dynamic(
        connection.link() if isinstance(connection, Connection) else None,
        suggested_kbps=None if viewing is None else viewing.suggested_kbps,
        delay_ms=None if started is None else round((time.perf_counter() - started) * 1000),
        is_pressed=lane.is_pressed,
    )
    earlier = response.headers.get(DYNAMIC)
    response.headers[DYNAMIC] = said if earlier is None else f"{earlier}, {said}"
