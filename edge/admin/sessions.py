"""What operators see of running streams, and how they end one, on the admin listener."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from config.runtime.logging import get_logger
from edge.errors import BadRequest, NotFound
from edge.sessions.control import SessionControl

log = get_logger(__name__)

_MOST_LISTED = 1000
_LISTED = 100
_LONGEST = 256


class Sessions:
    """Handlers over the parent's ``SessionControl``; without one, there are no sessions here."""

    def __init__(self, control: SessionControl | None) -> None:
        self._control = control

    async def list(self, request: web.Request) -> web.Response:
        """GET: running streams by id, page by page, of one subject or title if named."""
        control, query = self._known(), request.query
        size = query.get("limit", str(_LISTED))
        if not _is_from_1_to(_MOST_LISTED, size):
            raise BadRequest(f"limit is a number from 1 to {_MOST_LISTED}")
        found = control.listed(
            subject=_short(query.get("subject")),
            content=_short(query.get("content")),
            after=_short(query.get("after")) or "",
            most=int(size),
        )
        answer: dict[str, Any] = {
            "running": control.counts().sessions,
            "sessions": [one.to_json() for one in found],
        }
        if len(found) == int(size):
            answer["next"] = found[-1].start.id
        return web.json_response(answer)

    async def show(self, request: web.Request) -> web.Response:
        """GET: one running stream."""
        found = self._known().shown(request.match_info["session"])
        if found is None:
            raise NotFound("no such stream runs at this edge")
        return web.json_response(found.to_json())

    async def kick(self, request: web.Request) -> web.Response:
        """POST: ``session``, to be ended wherever it plays."""
        session = _named(await request.read(), "session")
        done = await self._known().kick(session)
        log.info("audit", action="kick", client=request.remote, session=session, here=done.here)
        body = {"session": session, "here": done.here, "told": done.told}
        return web.json_response(body, status=200 if done.told else 202)

    async def forget(self, request: web.Request) -> web.Response:
        """POST: ``subject``, of whom nothing is to be kept."""
        subject = _named(await request.read(), "subject")
        done = await self._known().forget(subject)
        log.info("audit", action="forget", client=request.remote, here=done.here)
        return web.json_response(
            {"here": done.here, "told": done.told}, status=200 if done.told else 202
        )

    async def viewers(self, request: web.Request) -> web.Response:
        """GET: about how many different subjects watched ``content`` in the last ``days``."""
        content = _short(request.query.get("content"))
        days = request.query.get("days", "1")
        if not content or not _is_from_1_to(7, days):
            raise BadRequest("content is a path such as /vod/title/, days a number from 1 to 7")
        return web.json_response(
            {
                "content": content,
                "days": int(days),
                "viewers": await self._known().viewers(content, int(days)),
            }
        )

    def _known(self) -> SessionControl:
        if self._control is None:
            raise NotFound("sessions are not tracked here (sessions.enabled)")
        return self._control


def _short(value: str | None) -> str | None:
    if value is not None and len(value) > _LONGEST:
        raise BadRequest(f"at most {_LONGEST} characters")
    return value


def _is_from_1_to(most: int, text: str) -> bool:
    return text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= most


def _named(body: bytes, name: str) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise BadRequest(f"say {name}, a line of at most {_LONGEST} characters")
    return value
